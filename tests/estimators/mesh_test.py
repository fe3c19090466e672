"""Many devices: shard_map with its defaults, explicit meshes, a sharded J."""

import functools

import jax
import numpy as np
import optax
from absl.testing import absltest, parameterized
from jax import numpy as jnp
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import nnfun as nf
from tests import oracles
from tests.estimators import tables

_NUM_DEVICES, _BATCH, _NUM_STEPS = 8, 16, 4
_CASES = [case[1:] for case in tables.CASES]


def _mesh(axis_type):
  if len(jax.devices()) < _NUM_DEVICES:
    raise absltest.SkipTest("needs 8 devices (jax_num_cpu_devices)")
  return jax.make_mesh((_NUM_DEVICES,), ("data",), axis_types=(axis_type,))


def _batch():
  episodes = [oracles.make_episode(_NUM_STEPS, seed=i) for i in range(_BATCH)]
  return jax.tree.map(lambda *leaves: jnp.array(np.stack(leaves)), *episodes)


def _mean(tree):
  return jax.tree.map(lambda leaf: leaf.mean(0), tree)


def _pmean():
  """Averages gradients over the devices, as first link of an optimiser."""
  return optax.stateless(lambda updates, _: jax.lax.pmean(updates, "data"))


def _same(actual, expected, tolerance=1e-9):
  for a, e in zip(*map(jax.tree.leaves, (actual, expected)), strict=True):
    np.testing.assert_allclose(a, e, rtol=tolerance, atol=tolerance)


@functools.cache
def _gradients_fn(name, cell_name):
  """Maps (params, xs, ys) to the estimate of every example of a batch."""
  _, _, _, estimator = tables.make(name, cell_name)
  # Of rtrl as blocks, between which J is carried.
  segment = 2 if name == "rtrl" else 1
  one = functools.partial(
    nf.training.episode_gradient, estimator, segment=segment
  )
  return jax.vmap(one, (None, None, 0, 0))


def _estimates(name, cell_name, params, xs, ys):
  """Those, and the estimate of the first two steps from one fresh state."""
  _, _, _, estimator = tables.make(name, cell_name)
  key = jax.random.key(0)
  state = estimator.init(params, key)
  one = lambda x, y: estimator.update(params, state, x[:2], y[:2])[1]
  gradients = _gradients_fn(name, cell_name)(params, key, xs, ys)
  return gradients, jax.vmap(one)(xs, ys)


@functools.cache
def _expected(name, cell_name):
  """The same on one device."""
  _, _, params, _ = tables.make(name, cell_name)
  estimates = jax.jit(functools.partial(_estimates, name, cell_name))
  return jax.tree.map(np.asarray, estimates(params, *_batch()))


class MeshTest(parameterized.TestCase):
  @parameterized.parameters(*_CASES)
  def test_shard_map_with_its_defaults(self, name, cell_name):
    """Each device has its own data, all the same parameters."""
    mesh = _mesh(AxisType.Auto)
    with oracles.float64():
      _, _, params, _ = tables.make(name, cell_name)
      estimates = functools.partial(_estimates, name, cell_name)
      sharded = jax.shard_map(
        lambda *args: jax.lax.pmean(_mean(estimates(*args)), "data"),
        mesh=mesh,
        in_specs=(P(), P("data"), P("data")),
        out_specs=P(),
      )
      actual = jax.jit(sharded)(params, *_batch())
      _same(actual, _mean(_expected(name, cell_name)))

  @parameterized.parameters("lazy_rtrl", "short_rolling_bptt")
  def test_training_in_shard_map(self, name):
    """Streams side by side, whose gradients the optimiser averages."""
    mesh = _mesh(AxisType.Auto)
    with oracles.float64():
      _, _, params, estimator = tables.make(name, "vanilla")
      xs, ys = _batch()
      key = jax.random.key(0)

      def train(optimizer, params, xs, ys):
        """One stream a device, one step after another."""
        state = nf.training.stream_init(estimator, optimizer, params, key)
        state, losses = nf.training.train_stream(
          estimator, optimizer, state, xs[0], ys[0], segment=1
        )
        return state.params, losses[None]

      sharded = jax.shard_map(
        functools.partial(train, optax.chain(_pmean(), optax.sgd(0.1))),
        mesh=mesh,
        in_specs=(P(), P("data"), P("data")),
        out_specs=(P(), P("data")),
      )
      actual = jax.jit(sharded)(params, xs, ys)

      states = [estimator.init(params, key)] * _NUM_DEVICES
      update, losses = jax.jit(estimator.update), []
      for t in range(_NUM_STEPS):
        estimates = []
        for i in range(_NUM_DEVICES):
          step = xs[2 * i, t : t + 1], ys[2 * i, t : t + 1]
          states[i], estimate = update(params, states[i], *step)
          estimates.append(estimate)
        mean = jax.tree.map(lambda *g: sum(g) / len(g), *estimates)
        params = jax.tree.map(lambda p, g: p - 0.1 * g, params, mean.grads)
        losses.append([e.loss for e in estimates])
      _same(actual, (params, jnp.array(losses).T))

  @parameterized.parameters(False, True)
  def test_training_on_episodes_in_shard_map(self, online):
    """Without averaging, every device trains a network of its own."""
    mesh = _mesh(AxisType.Auto)
    with oracles.float64():
      _, _, params, estimator = tables.make("lazy_rtrl", "vanilla")
      optimizer = optax.adam(0.01)
      task = nf.Task(
        lambda key: nf.Episode(
          jax.random.normal(key, (_NUM_STEPS, oracles.NUM_INPUTS)),
          jnp.ones((_NUM_STEPS, oracles.NUM_OUTPUTS)),
        )
      )

      def train(params, seeds):
        key = jax.random.fold_in(jax.random.key(3), seeds[0])
        state = nf.training.episodes_init(optimizer, params, key)
        state, losses = nf.training.train_episodes(
          estimator,
          optimizer,
          task,
          state,
          num_episodes=2,
          segment=2,
          batch_size=2,
          online=online,
        )
        return jax.tree.map(lambda leaf: leaf[None], (state.params, losses))

      sharded = jax.shard_map(
        train, mesh=mesh, in_specs=(P(), P("data")), out_specs=P("data")
      )
      seeds = jnp.arange(_NUM_DEVICES)
      actual = jax.jit(sharded)(params, seeds)
      alone = jax.jit(lambda seed: train(params, seed[None]))(seeds[5])
      _same(jax.tree.map(lambda leaf: leaf[5:6], actual), alone)

  @parameterized.parameters(False, True)
  def test_a_batch_of_episodes_spread_over_the_devices(self, online):
    """The same episodes, estimates and parameters as on one device."""
    mesh = _mesh(AxisType.Auto)
    with oracles.float64():
      _, _, params, estimator = tables.make("uoro", "vanilla")
      optimizer = optax.adam(0.01)
      task = nf.Task(
        lambda key: nf.Episode(
          jax.random.normal(key, (_NUM_STEPS, oracles.NUM_INPUTS)),
          jnp.ones((_NUM_STEPS, oracles.NUM_OUTPUTS)),
        )
      )
      start = nf.training.episodes_init(optimizer, params, jax.random.key(3))

      def train(state, sharding=None):
        return nf.training.train_episodes(
          estimator,
          optimizer,
          task,
          state,
          num_episodes=2,
          segment=2,
          batch_size=_BATCH,
          online=online,
          sharding=sharding,
        )

      everywhere = NamedSharding(mesh, P())
      train_spread = jax.jit(
        functools.partial(train, sharding=NamedSharding(mesh, P("data")))
      )
      placed = jax.device_put(start, everywhere)
      program = train_spread.lower(placed).compile().as_text()
      self.assertIn("all-reduce", program)
      self.assertNotIn("all-gather", program)
      (actual, losses), (expected, alone) = (
        train_spread(placed),
        jax.jit(train)(start),
      )
      self.assertTrue(actual.params["cell"].sharding.is_fully_replicated)
      _same((actual.params, losses), (expected.params, alone), 1e-10)

  @parameterized.parameters(*_CASES)
  def test_a_batch_on_an_explicit_mesh(self, name, cell_name):
    mesh = _mesh(AxisType.Explicit)
    with oracles.float64():
      _, _, params, _ = tables.make(name, cell_name)
      expected, _ = _expected(name, cell_name)
      with jax.set_mesh(mesh):
        batch = jax.device_put(_batch(), NamedSharding(mesh, P("data")))
        params = jax.device_put(params, NamedSharding(mesh, P()))
        gradients = jax.jit(_gradients_fn(name, cell_name))
        actual = gradients(params, jax.random.key(0), *batch)
        self.assertEqual(actual.loss.sharding.spec, P("data"))
      # Sums are rounded otherwise; between singular values that lie close
      # together the vectors of OK turn by more.
      _same(actual, expected, 1e-6 if name == "ok_rtrl" else 1e-9)

  @parameterized.parameters((1, True), (2, True), (2, False))
  def test_training_on_an_explicit_mesh(self, flush_every, own_resets):
    """A parameter is a scalar. Resets are each example's own, or shared."""
    mesh = _mesh(AxisType.Explicit)
    with oracles.float64():
      cell, _, params, _ = tables.make("lazy_rtrl", "vanilla")
      params = {**params, "readout": jnp.array(0.3)}
      loss_fn = lambda params, h_t, y_t: jnp.sum(
        (params["readout"] * h_t[:2] - y_t) ** 2
      )
      estimator = nf.estimators.rtrl(cell, loss_fn, flush_every=flush_every)
      xs, ys = _batch()
      resets = jax.random.bernoulli(jax.random.key(1), 0.3, ys.shape[:2])
      resets = resets if own_resets else resets[0]

      @jax.jit
      def train(params, xs, ys, resets):
        def one(xs, ys, resets):
          optimizer = optax.adam(0.01)
          state = nf.training.stream_init(
            estimator, optimizer, params, jax.random.key(0)
          )
          return nf.training.train_stream(
            estimator, optimizer, state, xs, ys, segment=1, resets=resets
          )[0].params

        return jax.vmap(one, (0, 0, 0 if own_resets else None))(xs, ys, resets)

      expected = train(params, xs, ys, resets)
      with jax.set_mesh(mesh):
        batch = jax.device_put((xs, ys), NamedSharding(mesh, P("data")))
        spec = P("data") if own_resets else P()
        batch = *batch, jax.device_put(resets, NamedSharding(mesh, spec))
        params = jax.device_put(params, NamedSharding(mesh, P()))
        _same(train(params, *batch), expected)

  @parameterized.parameters(1, 4)
  def test_the_influence_sharded_over_the_parameters(self, flush_every):
    """An eighth of J on each device, and the same gradients."""
    mesh = _mesh(AxisType.Auto)
    cell = nf.cells.vanilla(num_inputs=31, num_units=32)
    loss_fn = lambda params, h_t, y_t: jnp.sum(
      (params["readout"] @ h_t - y_t) ** 2
    )
    params = {
      "cell": cell.init(jax.random.key(0)),
      "readout": jnp.ones((2, 32)),
    }
    xs = jax.random.normal(jax.random.key(1), (6, 31))
    ys = jnp.zeros((6, 2))
    estimator = nf.estimators.rtrl(cell, loss_fn, flush_every=flush_every)
    whole = estimator.init(params, jax.random.key(0))
    place = NamedSharding(mesh, P(None, None, "data"))
    everywhere = NamedSharding(mesh, P())
    shardings = jax.tree.map(lambda _: everywhere, whole)
    influence = shardings.influence._replace(jacobian=[place])
    shardings = shardings._replace(influence=influence)

    def update(params, state, x, y):
      return estimator.update(params, state, x, y)

    alone = jax.jit(update)
    together = jax.jit(update, out_shardings=(shardings, everywhere))
    state = jax.device_put(whole, shardings)
    placed = jax.device_put(params, everywhere)
    step = jax.device_put((xs[:1], ys[:1]), everywhere)

    def num_bytes(update, *args):
      memory = update.lower(*args).compile().memory_analysis()
      return memory.temp_size_in_bytes + memory.output_size_in_bytes

    size = whole.influence.jacobian[0].nbytes
    sharded = num_bytes(together, placed, state, *step)
    unsharded = num_bytes(alone, params, whole, xs[:1], ys[:1])
    self.assertLess(sharded - unsharded / 8, 0.3 * size)
    for t in range(6):
      piece = xs[t : t + 1], ys[t : t + 1]
      whole, expected = alone(params, whole, *piece)
      state, actual = together(
        placed, state, *jax.device_put(piece, everywhere)
      )
      jacobian = state.influence.jacobian[0]
      self.assertEqual(8 * jacobian.addressable_shards[0].data.nbytes, size)
      # float32: another order of the same sums.
      for a, e in zip(*map(jax.tree.leaves, (actual, expected)), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-4, atol=1e-4)


if __name__ == "__main__":
  absltest.main()
