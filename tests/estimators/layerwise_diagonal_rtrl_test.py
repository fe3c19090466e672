"""Diagonal RTRL in layers: exact in one, and known how it is not in several."""

import functools

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import flatten_util
from jax import numpy as jnp
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

import nnfun as nf
from tests import oracles

_NUM_STEPS = 6


def _stack(depth):
  """Layers of three kinds, with states of one part and of two."""
  kinds = (
    nf.cells.lru,
    nf.cells.elstm,
    functools.partial(nf.cells.indrnn, activation=jnp.tanh),
  )
  cells, num_inputs = [], oracles.NUM_INPUTS
  for make in kinds[:depth]:
    cells.append(make(num_inputs=num_inputs, num_units=3))
    num_inputs = 6 if make is nf.cells.lru else 3
  return nf.cells.stack(cells)


@functools.cache
def _problem(cell_name):
  """With one estimator each, so that programs are compiled once."""
  cell = {
    "two": lambda: _stack(2),
    "three": lambda: _stack(3),
    "nested": lambda: nf.cells.stack([_stack(2), *_stack(3).layers[2:]]),
  }.get(cell_name, oracles.CELLS.get(cell_name))()
  loss_fn = oracles.make_loss(cell)
  estimator = nf.estimators.layerwise_diagonal_rtrl(cell, loss_fn)
  return cell, loss_fn, estimator


def _episode_gradient(estimator, params, segment, resets=None):
  xs, ys = oracles.make_episode(_NUM_STEPS)
  gradient = functools.partial(
    nf.training.episode_gradient, estimator, segment=segment, resets=resets
  )
  return jax.jit(gradient)(params, jax.random.key(0), xs, ys).grads


def _flat(function, *like):
  """The function of flat arguments, with a flat result."""
  unravels = [flatten_util.ravel_pytree(tree)[1] for tree in like]

  def flat(*args):
    trees = (u(arg) for u, arg in zip(unravels, args, strict=True))
    return flatten_util.ravel_pytree(function(*trees))[0]

  return flat


def _naive_gradients(cell, loss_fn, params, xs, ys):
  """The recursion of every layer by itself, in dense matrices."""

  def reach(params, before, x_t, shifts):
    """The states of all layers, each moved a little."""
    states = []
    for layer, theta, s, shift in zip(
      cell.layers, params["cell"], before, shifts, strict=True
    ):
      s = jax.tree.map(jnp.add, layer.step(theta, s, x_t), shift)
      states.append(s)
      x_t = layer.output(s)
    return tuple(states)

  @jax.jit
  def follow(params, before, influences, x_t, y_t):
    zeros = jax.tree.map(jnp.zeros_like, before)
    after = reach(params, before, x_t, zeros)
    direct = jax.grad(loss_fn)(params, after, y_t)
    slopes = jax.grad(
      lambda shifts: loss_fn(params, reach(params, before, x_t, shifts), y_t)
    )(zeros)
    grads, carried = [], []
    for layer, theta, s, s_t, slope, g, e in zip(
      cell.layers,
      params["cell"],
      before,
      after,
      slopes,
      direct["cell"],
      influences,
      strict=True,
    ):
      step = _flat(
        lambda theta, s, x_t=x_t, layer=layer: layer.step(theta, s, x_t),
        theta,
        s,
      )
      flat_theta, unravel = flatten_util.ravel_pytree(theta)
      immediate, phi = jax.jacfwd(step, (0, 1))(
        flat_theta, flatten_util.ravel_pytree(s)[0]
      )
      carried.append(phi @ e + immediate)
      through = flatten_util.ravel_pytree(slope)[0] @ carried[-1]
      grads.append(jax.tree.map(jnp.add, g, unravel(through)))
      x_t = layer.output(s_t)
    return after, carried, {**direct, "cell": tuple(grads)}

  state, result = oracles.start(cell, params), []
  influences = [
    jnp.zeros([flatten_util.ravel_pytree(tree)[0].size for tree in pair])
    for pair in zip(state, params["cell"], strict=True)
  ]
  for x_t, y_t in zip(xs, ys, strict=True):
    state, influences, grads = follow(params, state, influences, x_t, y_t)
    result.append(grads)
  return result


def _sum(trees):
  return jax.tree.map(lambda *leaves: sum(leaves), *trees)


class LayerwiseTest(parameterized.TestCase):
  @parameterized.product(cell_name=("lru", "elstm"), segment=(1, 3))
  def test_one_layer_is_exact(self, cell_name, segment):
    with oracles.float64():
      cell, loss_fn, estimator = _problem(cell_name)
      params = oracles.make_params(cell)
      xs, ys = oracles.make_episode(_NUM_STEPS)
      _, exact = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
      actual = _episode_gradient(estimator, params, segment)
      oracles.assert_same_gradient(actual, exact)

  @parameterized.parameters("two", "three")
  def test_every_layer_follows_its_own_recursion(self, cell_name):
    with oracles.float64():
      cell, loss_fn, estimator = _problem(cell_name)
      params = oracles.make_params(cell)
      xs, ys = oracles.make_episode(_NUM_STEPS)
      expected = _naive_gradients(cell, loss_fn, params, xs, ys)
      state = estimator.init(params, jax.random.key(0))
      update = jax.jit(estimator.update)
      for t, grads in enumerate(expected):
        state, estimate = update(params, state, xs[t : t + 1], ys[t : t + 1])
        oracles.assert_same_gradient(estimate.grads, grads)

  def test_a_stack_is_biased_but_for_its_last_layer(self):
    with oracles.float64():
      cell, loss_fn, estimator = _problem("three")
      params = oracles.make_params(cell)
      xs, ys = oracles.make_episode(_NUM_STEPS)
      _, exact = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
      actual = _episode_gradient(estimator, params, 1)
      last = {"top": actual["cell"][-1], "readout": actual["readout"]}
      oracles.assert_same_gradient(
        last, {"top": exact["cell"][-1], "readout": exact["readout"]}
      )
      norm = nf.numerics.global_norm
      for layer in (0, 1):
        error = jax.tree.map(
          jnp.subtract, actual["cell"][layer], exact["cell"][layer]
        )
        self.assertGreater(norm(error), 0.01 * norm(exact["cell"][layer]))
      # In one segment there is no boundary at which anything is left out.
      whole = _episode_gradient(estimator, params, _NUM_STEPS)
      oracles.assert_same_gradient(whole, exact)

  def test_a_stack_in_a_stack_is_its_layers(self):
    with oracles.float64():
      flat, nested = _problem("three"), _problem("nested")
      params = oracles.make_params(flat[0])
      first, second, third = params["cell"]
      folded = {**params, "cell": ((first, second), third)}
      actual = _episode_gradient(nested[2], folded, 2)
      expected = _episode_gradient(flat[2], params, 2)
      (first, second), third = actual["cell"]
      oracles.assert_same_gradient(
        {**actual, "cell": (first, second, third)}, expected
      )
      # Other estimators take it as any cell.
      exact = _episode_gradient(nf.estimators.rtrl(*nested[:2]), folded, 2)
      self.assertEqual(jax.tree.structure(exact), jax.tree.structure(folded))

  def test_resets_leave_nothing_behind_in_any_layer(self):
    """Not even of an episode that diverged."""
    cell, _, estimator = _problem("two")
    params = oracles.make_params(cell)
    xs, ys = oracles.make_episode(_NUM_STEPS)
    xs = xs.at[1:3].set(jnp.nan)
    update = jax.jit(estimator.update)
    fresh = state = estimator.init(params, jax.random.key(0))
    state, _ = update(params, state, xs[:3], ys[:3], jnp.zeros(3, bool))
    for resets, before in (
      (jnp.array([True, False, False]), state),
      (jnp.zeros(3, bool), fresh),
    ):
      after, estimate = update(params, before, xs[3:], ys[3:], resets)
      if before is state:
        together = after, estimate
    chex.assert_trees_all_equal(together, (after, estimate), strict=True)
    # In the midst of a segment: what is after it is an episode by itself.
    resets = jnp.array([False, False, True])
    after, _ = update(params, state, xs[3:], ys[3:], resets)
    alone, _ = estimator.update(params, fresh, xs[5:], ys[5:])
    chex.assert_trees_all_close(after, alone, rtol=1e-5, atol=1e-6)

  def test_streams_on_many_devices(self):
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    with oracles.float64():
      cell, _, estimator = _problem("two")
      params = oracles.make_params(cell)
      xs, ys = oracles.make_episode(_NUM_STEPS)
      xs = jnp.stack([xs * (1 + 0.1 * i) for i in range(8)])
      ys = jnp.stack([ys] * 8)

      def run(params, xs, ys):
        one = functools.partial(
          nf.training.episode_gradient, estimator, segment=2
        )
        return jax.vmap(one, (None, None, 0, 0))(
          params, jax.random.key(0), xs, ys
        )

      sharded = jax.shard_map(
        run,
        mesh=mesh,
        in_specs=(P(), P("data"), P("data")),
        out_specs=P("data"),
      )
      actual, expected = (jax.jit(f)(params, xs, ys) for f in (sharded, run))
      oracles.assert_same_gradient(actual.grads, expected.grads)

  @parameterized.parameters("vanilla", "stack", "bare")
  def test_layers_have_to_be_diagonal(self, cell_name):
    cell = oracles.CELLS[cell_name]()
    with self.assertRaisesRegex(
      ValueError, r"stack of DiagonalCells.*\(lru, elstm, indrnn\).*got \w*Cell"
    ):
      nf.estimators.layerwise_diagonal_rtrl(cell, oracles.make_loss(cell))

  def test_a_stack_knows_its_layers(self):
    cells = [oracles.CELLS[name]() for name in ("lru", "vanilla")]
    cell = nf.cells.stack(cells)
    self.assertIsInstance(cell, nf.StackedCell)
    self.assertEqual(cell.layers, tuple(cells))
    np.testing.assert_array_equal(
      cell.output(cell.initial_state()), jnp.zeros(oracles.NUM_UNITS)
    )


if __name__ == "__main__":
  absltest.main()
