"""Cells, dtypes, estimators and streams drawn at random, against `jax.grad`.

What is drawn: a cell of the library or one as a user writes it (weights used
twice, a state in parts, features that are not linear, a scalar parameter), the
dtype of the parameters and that of the inputs, an estimator with its setting,
segments of mixed lengths, resets and weights. What has to hold:
estimates sum to the gradient of the unrolled network in the same dtypes.
"""

import hypothesis
import jax
from absl.testing import absltest
from hypothesis import strategies as st
from jax import flatten_util
from jax import numpy as jnp

import nnfun as nf
from tests import oracles

_SPEC = dict(num_inputs=oracles.NUM_INPUTS, num_units=oracles.NUM_UNITS)


def _tied():
  """One matrix used twice, a gain of no dimension, a state in a dict."""

  def step(params, state_tm1, x_t):
    wide = jnp.concatenate([state_tm1["a"], x_t.astype(state_tm1["a"].dtype)])
    a = jnp.tanh(params["w"] @ wide) * params["gain"]
    b = 0.5 * state_tm1["b"] + jnp.sin(params["w"] @ wide)
    return {"a": 0.5 * a + 0.1 * b, "b": b}

  def init(key):
    shape = oracles.NUM_UNITS, oracles.NUM_UNITS + oracles.NUM_INPUTS
    return {"w": jax.random.normal(key, shape) / 2, "gain": jnp.array(0.8)}

  zeros = jnp.zeros(oracles.NUM_UNITS)
  return nf.Cell(init, lambda: {"a": zeros, "b": zeros}, step)


def _modulated(num_rows):
  """An affine cell whose features are not linear in the state."""

  def features(h_tm1, x_t):
    return jnp.concatenate([jnp.sin(h_tm1) * x_t[0], h_tm1, x_t])

  def activate(a, h_tm1):
    gates = jnp.split(a, num_rows)
    return 0.3 * h_tm1**2 + 0.7 * jnp.tanh(sum(gates))

  def init(key):
    num_features = 2 * oracles.NUM_UNITS + oracles.NUM_INPUTS
    shape = num_rows * oracles.NUM_UNITS, num_features
    return jax.random.normal(key, shape) / 3

  step = nf.base.affine_step(features, activate)
  state = lambda: jnp.zeros(oracles.NUM_UNITS)
  return nf.AffineCell(init, state, step, features, activate)


CELLS = {
  **{name: oracles.CELLS[name] for name in ("vanilla", "gru", "lstm", "mgu")},
  **{name: oracles.CELLS[name] for name in ("gru_original", "stack")},
  **{name: oracles.CELLS[name] for name in ("elstm", "indrnn", "lru")},
  "tied": _tied,
  "modulated": lambda: _modulated(1),
  "gated modulated": lambda: _modulated(2),
}

# float16 is left out: eleven bits and a range that a stream soon leaves.
_PARAMS_DTYPES = ("float64", "float32", "bfloat16")
_INPUT_DTYPES = ("float64", "float32", "bfloat16", "int32")
# Relative, by dtype of the parameters: some ten roundings.
_TOLERANCE = {"float64": 1e-12, "float32": 5e-6, "bfloat16": 0.1}


@st.composite
def _streams(draw):
  segments = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
  num_steps = sum(segments)
  booleans = st.lists(st.booleans(), min_size=num_steps, max_size=num_steps)
  resets = draw(st.none() | booleans)
  weights = draw(st.lists(st.sampled_from([0.0, 1.0, 0.5]),
                          min_size=num_steps, max_size=num_steps))  # fmt: skip
  return segments, resets, weights


def _estimator(name, cells=tuple(CELLS), **settings):
  return st.tuples(
    st.just(name), st.fixed_dictionaries(settings), st.sampled_from(cells)
  )


_ESTIMATORS = st.one_of(
  _estimator("rtrl"),
  _estimator("rtrl", flush_every=st.integers(2, 7)),
  _estimator("rolling_bptt", window=st.just(20)),
  _estimator("diagonal_rtrl", ("elstm", "indrnn", "lru")),
)


def _gradient(cell, loss_fn, params, xs, ys, resets):
  """Of the unrolled network, which keeps its state in the params' dtype."""
  dtype = jax.tree.leaves(params)[0].dtype
  cast = lambda state: jax.tree.map(lambda s: s.astype(dtype), state)

  def total(params):
    state, result = cast(cell.initial_state()), 0.0
    for t in range(len(xs)):
      if resets is not None and resets[t]:
        state = cast(cell.initial_state())
      state = cast(cell.step(params["cell"], state, xs[t]))
      y_t = jax.tree.map(lambda y, t=t: y[t], ys)
      result += loss_fn(params, state, y_t).astype(jnp.float64)
    return result

  return jax.jit(jax.grad(total))(params)


class FuzzTest(absltest.TestCase):
  @hypothesis.settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(hypothesis.HealthCheck),
  )
  @hypothesis.given(
    drawn=_ESTIMATORS,
    dtype=st.sampled_from(_PARAMS_DTYPES),
    input_dtype=st.sampled_from(_INPUT_DTYPES),
    stream=_streams(),
    seed=st.integers(0, 99),
  )
  def test_estimates_sum_to_the_gradient(
    self, drawn, dtype, input_dtype, stream, seed
  ):
    (name, settings, cell_name), (segments, resets, weights) = drawn, stream
    with oracles.float64():
      cell = CELLS[cell_name]()
      if cell.input_spec is not None:
        spec = jax.ShapeDtypeStruct((oracles.NUM_INPUTS,), input_dtype)
        cell = cell._replace(input_spec=spec)
      plain_fn = oracles.make_loss(cell)
      loss_fn = lambda params, s, y: (
        y.weight.astype(dtype) * plain_fn(params, s, y.value)
      )
      # Made wide first, so that each dtype is a rounding of the same network.
      params = oracles.make_params(cell, seed)
      params = jax.tree.map(lambda leaf: leaf.astype(dtype), params)
      xs, ys = oracles.make_episode(sum(segments), seed + 1)
      xs = (2 * xs).astype(input_dtype)
      ys = nf.Target(ys.astype(dtype), jnp.array(weights))
      wide = dtype == "float64" or input_dtype in (dtype, "bfloat16", "int32")
      needs_room = settings and isinstance(cell, nf.AffineCell)
      if needs_room and cell.input_spec is None:
        hypothesis.assume(wide)
      expected = _gradient(cell, loss_fn, params, xs, ys, resets)
      made = getattr(nf.estimators, name)(cell, loss_fn, **settings)
      resets = None if resets is None else jnp.array(resets)

      @jax.jit
      def summed(params):
        state = made.init(params, jax.random.key(0))
        total, begin = jax.tree.map(jnp.zeros_like, params), 0
        for length in segments:
          piece = jax.tree.map(
            lambda leaf, b=begin, n=length: leaf[b : b + n], (xs, ys, resets)
          )
          state, estimate = made.update(params, state, *piece)
          total = jax.tree.map(jnp.add, total, estimate.grads)
          begin += length
        return total

      total = summed(params)
      actual, reference = (
        flatten_util.ravel_pytree(tree)[0].astype(jnp.float64)
        for tree in (total, expected)
      )
      error = jnp.linalg.norm(actual - reference)
      bound = _TOLERANCE[dtype] * float(jnp.linalg.norm(reference))
      self.assertLessEqual(float(error), bound)


if __name__ == "__main__":
  absltest.main()
