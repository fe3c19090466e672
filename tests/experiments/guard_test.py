"""The guard: what is named is what was made to go wrong, where and when."""

import functools
import tempfile

import jax
import numpy as np
import optax
from absl.testing import absltest, parameterized
from jax import numpy as jnp

import nnfun as nf
from experiments import checkpoints, guard

_PER_PIECE = 4  # Updates.
_NUM_STEPS = 3  # Of an episode, and of a segment of the stream.
_HUGE = 1e30  # Its square overflows, twice it does not.


def _loss_fn(params, h_t, y_t):
  """The derivative of the root is infinite at 0."""
  readout = params["readout"]
  error = (readout["w"] @ h_t - y_t) ** 2
  return error + jnp.sqrt(readout["gain"]) + readout["gain"] ** 2


def _set_gain(update, value):
  """An optimiser that sets one parameter at one update."""
  descend = optax.sgd(1e-3)

  def init(params):
    return descend.init(params), jnp.zeros([], jnp.int32)

  def step(grads, state, params):
    inner, count = state
    updates, inner = descend.update(grads, inner, params)
    readout = updates["readout"]
    change = value - params["readout"]["gain"]
    gain = jnp.where(count == update, change, readout["gain"])
    updates = {**updates, "readout": {**readout, "gain": gain}}
    return updates, (inner, count + 1)

  return optax.GradientTransformation(init, step)


def _params(cell):
  readout = {
    "w": jnp.full(3, 0.3, jnp.float32),
    "gain": jnp.ones([], jnp.float32),
  }
  return {"cell": cell.init(jax.random.key(1)), "readout": readout}


def _sample(key):
  x = jax.random.normal(key, (_NUM_STEPS, 2))
  return nf.Episode(x, x[:, 0])


def _stream(optimizer):
  """Online along a stream drawn piece by piece; the state counts updates."""
  cell = nf.cells.vanilla(num_inputs=2, num_units=3)
  estimator = nf.estimators.truncated_bptt(cell, _loss_fn)

  def train(state, on_update=None):
    stream, number = state
    keys = jax.vmap(jax.random.key)(number + jnp.arange(_PER_PIECE))
    xs, ys = jax.tree.map(jnp.concatenate, jax.vmap(_sample)(keys))
    stream, losses = nf.training.train_stream(
      estimator,
      optimizer,
      stream,
      xs,
      ys,
      segment=_NUM_STEPS,
      on_update=on_update,
      first_update=number,
    )
    return (stream, number + _PER_PIECE), losses

  start = nf.training.stream_init(
    estimator, optimizer, _params(cell), jax.random.key(0)
  )
  return train, (start, jnp.zeros([], jnp.int32))


def _episodes(optimizer, online=False):
  cell = nf.cells.vanilla(num_inputs=2, num_units=3)
  estimator = nf.estimators.truncated_bptt(cell, _loss_fn)

  def train(state, on_update=None):
    return nf.training.train_episodes(
      estimator,
      optimizer,
      nf.Task(_sample),
      state,
      num_episodes=_PER_PIECE // (_NUM_STEPS if online else 1),
      segment=1,
      batch_size=2,
      online=online,
      on_update=on_update,
    )

  start = nf.training.episodes_init(optimizer, _params(cell), jax.random.key(0))
  return train, start


_KINDS = {
  "stream": _stream,
  "episodes": _episodes,
  "online": functools.partial(_episodes, online=True),
}
_GAIN = r"\['readout'\]\['gain'\]"


class GuardTest(parameterized.TestCase):
  @parameterized.product(
    kind=tuple(_KINDS),
    case=(
      (_HUGE, "the loss of update 6$"),
      (0.0, f"gradient of update 6 by params{_GAIN}, in the backward pass"),
      (np.nan, f"update 5 ends with .*params{_GAIN}, and its loss and grad"),
    ),
  )
  def test_names_the_update_and_the_leaf(self, kind, case):
    """What the optimiser sets at update 5 is seen there, or by the next."""
    self._assert_stops(*_KINDS[kind](_set_gain(5, case[0])), case[1])

  def test_the_last_update_of_a_piece(self):
    message = rf"update 7 ends with \[0\].params{_GAIN}, and its loss"
    self._assert_stops(*_stream(_set_gain(7, np.inf)), message)

  def _assert_stops(self, train, start, message):
    """In the second piece, of which nothing is kept."""
    folder = self.enterContext(tempfile.TemporaryDirectory())
    kept = checkpoints.Checkpoints(folder)
    with self.assertRaisesRegex(FloatingPointError, message):
      checkpoints.run(guard.guard(train), start, 4, kept)
    _, newest = kept.restore(start)
    for leaf in jax.tree.leaves(newest):
      self.assertTrue(np.all(np.isfinite(_data(leaf))))

  @parameterized.parameters(*_KINDS)
  def test_a_good_run_is_the_same_bit_for_bit(self, kind):
    train, start = _KINDS[kind](optax.adam(1e-3))
    seen = []
    on_update = nf.training.every(2, lambda number, _: seen.append(number))
    plain = jax.jit(functools.partial(train, on_update=on_update))
    work = guard.guard(train, on_update)
    state, expected = work(work(start)), plain(plain(start)[0])[0]
    jax.effects_barrier()
    self.assertLen(seen, 2 * len(set(seen)))
    for a, e in zip(*map(jax.tree.leaves, (state, expected)), strict=True):
      np.testing.assert_array_equal(_data(a), _data(e))

  def test_what_was_infinite_before_may_be(self):
    """The best loss so far; a NaN may not be, wherever it comes from."""
    work = guard.guard(lambda state, on_update=None: (state, jnp.zeros(1)))
    work({"best": jnp.inf})
    with self.assertRaisesRegex(FloatingPointError, r"\['best'\]"):
      work({"best": jnp.nan})

  def test_a_bad_start(self):
    train, start = _stream(optax.sgd(0.1))
    bad = optax.tree.scale(np.nan, start[0].params)
    start = start[0]._replace(params=bad), start[1]
    with self.assertRaisesRegex(FloatingPointError, r"starts with params\['ce"):
      guard.guard(train)(start)


def _data(leaf):
  is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
  return jax.random.key_data(leaf) if is_key else leaf


if __name__ == "__main__":
  absltest.main()
