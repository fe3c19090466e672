"""Deep stacks online: a stack that ends early, and claims of wrong results."""

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

import nnfun as nf
from experiments import sweeps
from experiments.rtrl_vs_tbptt import deep_online
from experiments.rtrl_vs_tbptt.deep_online import (
  claims,
  networks,
  readings,
  run,
)
from tests import oracles
from tests.experiments import study_case

_SMALL = run.Config(
  max_layers=3,
  num_units=3,
  length=3,
  checkpoints=(0, 2),
  batch_size=2,
  num_seeds=3,
)


class CaseTest(study_case.StudyCase):
  study = deep_online.STUDY
  small = _SMALL

  def test_limits(self):
    """One layer and the last one are exact; nothing else is, nor by chance."""
    results = self.results()
    own, within = np.moveaxis(results.last_error, -1, 0)
    self.assertLess(own.max(), 1e-4)
    self.assertGreater(within.min(), 1e-2)
    np.testing.assert_allclose(results.cosine[:, 0, :, 0], 1, atol=1e-5)
    np.testing.assert_allclose(results.layer_cosine[..., 0, 0], 1, atol=1e-5)
    self.assertLess(results.cosine[:, 1:, :, 0].max(), 1 - 1e-5)
    is_there = np.arange(3) < results.num_layers[:, None]
    found = results.layer_cosine[:, :, 0, 0] != 0
    np.testing.assert_array_equal(found, np.broadcast_to(is_there, found.shape))

  def test_training_moves_the_stacks(self):
    losses = self.results().loss
    self.assertGreater(np.abs(losses[..., 1] - losses[..., 0]).min(), 1e-4)


class NetworksTest(absltest.TestCase):
  def test_a_stack_that_ends_early_is_a_shorter_one(self):
    """Its loss and gradient are those of two layers; above there is none."""
    with oracles.float64():
      deep, short = networks.stack(3, 2), networks.stack(2, 2)
      case = networks.Case(jnp.array(2), jnp.array(0.5))
      params = networks.draw(deep, jax.random.key(0), case)
      params = jax.tree.map(lambda leaf: leaf.astype(float), params)
      x, y = networks.task(3).sample(jax.random.key(1))
      x = x.astype(float)

      def short_loss(params, state, y_t):
        logits = params["readout"]["weights"] @ jnp.tanh(state[1])
        log_p = jax.nn.log_softmax(logits + params["readout"]["bias"])
        return -y_t.weight * jnp.where(
          y_t.value < 4, log_p[jnp.minimum(y_t.value, 3)], 0
        )

      found = nf.training.exact_gradient(
        deep, networks.loss_fn, params, x, (y, jnp.full(len(x), 2))
      )
      fewer = params | {"cell": params["cell"][:2]}
      loss, exact = oracles.whole_gradient(short, short_loss, fewer, x, y)
      np.testing.assert_allclose(found.loss, loss, rtol=1e-12)
      below = found.grads | {"cell": found.grads["cell"][:2]}
      oracles.assert_same_gradient(below, exact)
      above = found.grads["cell"][2]
      chex.assert_trees_all_equal(above, jax.tree.map(jnp.zeros_like, above))

  def test_radii_are_those_of_the_ring(self):
    case = networks.Case(jnp.array(2), jnp.array(0.6))
    cell = networks.stack(2, 50)
    params = sweeps.quick_jit(lambda k: networks.draw(cell, k, case))(
      jax.random.key(0)
    )
    for theta in params["cell"]:
      radii = np.exp(-np.exp(theta["nu"]))
      self.assertTrue(np.all((radii >= 0.6) & (radii <= 1)))
      # Inputs of variance 1 give states of variance 1.
      np.testing.assert_allclose(
        np.exp(2 * theta["log_gamma"]), 1 - radii**2, rtol=1e-3
      )

  def test_cosines_by_hand(self):
    exact = (jnp.array([3.0, 4.0]), jnp.array([1.0, 0.0]), jnp.zeros(2))
    online = (jnp.array([4.0, 3.0]), jnp.array([1.0, 1.0]), jnp.zeros(2))
    whole, layers, error = run._compare(online, exact, 2)
    self.assertAlmostEqual(float(whole), 25 / np.sqrt(26 * 27), places=6)
    expected = [1 / np.sqrt(2), 24 / 25, 0]  # From the last one down.
    np.testing.assert_allclose(layers, expected, rtol=1e-6)
    self.assertAlmostEqual(float(error), 1.0, places=6)


def _results(**changes):
  """Results as a run would store them if all claims were true."""
  rng = np.random.default_rng(0)
  num_layers, r_min = np.array([1, 2, 3, 4, 4]), np.array([0, 0, 0, 0, 0.9])
  shape = 8, 5, 2
  above = np.arange(4)
  longer = 1 + (r_min > 0)[:, None]
  own = np.where(above < num_layers[:, None], 1 - 0.15 * above * longer, 0)
  whole = 1.1 - 0.1 * num_layers
  noise = 1 + 0.01 * rng.normal(size=(*shape, 1))
  cosine = whole[:, None, None] * np.array([1.0, 0.6]) * noise
  layers = own[:, None, None] * np.array([1.0, 0.6])[:, None]
  error = np.broadcast_to([1e-7, 0.5], (*shape, 2))
  results = run.Results(
    num_layers,
    r_min,
    np.array([0, 40]),
    np.ones(shape),
    cosine,
    layers * noise[..., None],
    error,
  )
  for name, change in changes.items():
    results = results._replace(**{name: change(getattr(results, name).copy())})
  return results


def _exchange(cosine):
  """Errors within the step look better at one depth, at one time."""
  cosine[:, 2, 1] = cosine[:, 2, 1, ::-1]
  return cosine


def _put(index, value):
  def change(array):
    array[index] = value
    return array

  return change


_ALL = slice(None)


class ClaimsTest(parameterized.TestCase):
  def judged(self, results):
    return {c.key: c.holds for c in claims.claims(results)}

  def test_hold_together(self):
    judged = self.judged(_results())
    self.assertLen(judged, 7)
    self.assertTrue(all(judged.values()), judged)

  @parameterized.parameters(
    ("last_error", _put((0, 0, 1, 0), 1e-2), {"one-layer"}),
    ("last_error", _put((3, 4, 0, 0), 1e-2), {"last-layer"}),
    ("cosine", _put((_ALL, 1, _ALL, 0), 0.9999), {"deeper"}),
    ("cosine", _put((_ALL, 3, _ALL, 0), 0.95), {"depth"}),
    ("cosine", _exchange, {"spatial"}),
    (
      "layer_cosine",
      lambda c: np.where(c != 0, 2 - c, 0),
      {"below", "memory"},
    ),
    ("layer_cosine", lambda c: c[:, [0, 1, 2, 4, 3]], {"memory"}),
  )
  def test_fail_one_by_one(self, name, change, expected):
    judged = self.judged(_results(**{name: change}))
    failed = {key for key, holds in judged.items() if holds is False}
    self.assertEqual(failed, expected)

  def test_below_is_the_mean_of_the_layers_there(self):
    results = _results(layer_cosine=lambda c: np.round(c * 0 + 1))
    found = readings.below(results)
    np.testing.assert_allclose(found[:, 0], 0)
    np.testing.assert_allclose(found[:, 1:], 1)


class ConfigTest(parameterized.TestCase):
  @parameterized.parameters(
    (dict(checkpoints=(5, 10)), "checkpoints from 0"),
    (dict(checkpoints=(0,)), "more than one of checkpoints"),
    (dict(r_mins=(0.5,)), "more than one of r_mins"),
    (dict(r_mins=(0.5, 1.0)), "r_mins < 1"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**settings)


if __name__ == "__main__":
  absltest.main()
