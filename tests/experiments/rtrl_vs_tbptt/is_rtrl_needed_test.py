"""Whether RTRL is needed: random paths against loops, claims that can fail."""

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp
from scipy import integrate

import nnfun as nf
from experiments.rtrl_vs_tbptt import is_rtrl_needed
from experiments.rtrl_vs_tbptt.is_rtrl_needed import (
  claims,
  methods,
  readings,
  run,
  tasks,
)
from tests.experiments import study_case

_SMALL = run.Config(
  num_units=5, num_paths=(1, 3), delays=(1, 3), num_steps=50, num_seeds=2
)


class CaseTest(study_case.StudyCase):
  study = is_rtrl_needed.STUDY
  small = _SMALL

  def test_what_is_frozen_does_not_learn(self):
    curves = self.results().curves
    self.assertLen(curves, 7)  # None of the names is used twice.
    for name in curves:
      if name != readings.FROZEN:
        gain = curves[readings.FROZEN] - curves[name]
        self.assertGreater(gain.mean(), 0, name)


def _network(num_units=5, key=0):
  config = run.Config(num_units=num_units, num_paths=(1,))
  cell = run.make_cell(config)
  with jax.enable_x64(True):
    key_cell, key_readout, key_x = jax.random.split(jax.random.key(key), 3)
    weights = cell.init(key_cell).astype(jnp.float64) * 1.5
    readout = jax.random.normal(key_readout, (3, num_units), jnp.float64)
    params = {
      "cell": weights,
      "readout": {"weights": readout, "bias": jnp.ones(3, jnp.float64)},
    }
    x = jax.random.normal(key_x, (9, 3), jnp.float64)
  return cell, params, nf.Episode(x, x[::-1])


def _by_hand(params, episode, is_path):
  """Gradients of every step through the paths that there are, by loops."""
  w = np.asarray(params["cell"])
  v, c = (np.asarray(params["readout"][name]) for name in ("weights", "bias"))
  n, width = w.shape
  h, influence, total = np.zeros(n), np.zeros((n, n, width)), np.zeros_like(w)
  for x, y in zip(*map(np.asarray, episode), strict=True):
    z = np.concatenate([h, x, [1]])
    h = np.tanh(w @ z)
    after = np.zeros_like(influence)
    for i in range(n):
      for j in range(n):
        if is_path[i, j]:
          after[i] += w[i, j] * influence[j]
      after[i, i] += z
      after[i] *= 1 - h[i] ** 2
    influence = after
    error = 2 * (v @ h + c - y)
    total += np.einsum("o,oi,ijk->jk", error, v, influence)
  return total


def _gradient(estimator, params, episode, mask=None):
  state = estimator.init(params, jax.random.key(3))
  if mask is not None:
    influence = state.influence._replace(is_path=jnp.asarray(mask))
    state = state._replace(influence=influence)
  used = getattr(state.influence, "is_path", None)
  return estimator.update(params, state, *episode)[1].grads["cell"], used


class PathsTest(parameterized.TestCase):
  @parameterized.parameters(0, 2)
  def test_is_what_loops_add_up(self, num_paths):
    cell, params, episode = _network()
    with jax.enable_x64(True):
      estimator = methods.random_paths(cell, run.loss_fn, num_paths)
      found, is_path = _gradient(estimator, params, episode)
      np.testing.assert_array_equal(is_path.sum(axis=1), num_paths)
      np.testing.assert_allclose(
        found, _by_hand(params, episode, is_path), rtol=1e-10
      )

  def test_limits(self):
    cell, params, episode = _network()
    with jax.enable_x64(True):
      paths = methods.random_paths(cell, run.loss_fn, 1)
      exact = nf.training.exact_gradient(cell, run.loss_fn, params, *episode)
      own = nf.estimators.snap(cell, run.loss_fn, order=1)
      for mask, expected in (
        (np.ones((5, 5), bool), exact.grads["cell"]),
        (np.eye(5, dtype=bool), _gradient(own, params, episode)[0]),
      ):
        found, _ = _gradient(paths, params, episode, mask)
        np.testing.assert_allclose(found, expected, rtol=1e-10)

  def test_paths_differ_by_seed(self):
    cell, params, _ = _network(8)
    with jax.enable_x64(True):
      paths = methods.random_paths(cell, run.loss_fn, 3)
      states = [paths.init(params, jax.random.key(s)) for s in range(2)]
    masks = [state.influence.is_path for state in states]
    self.assertGreater(np.sum(masks[0] != masks[1]), 0)

  def test_the_gradient_is_taken_apart(self):
    cell, params, episode = _network()
    exact = _by_hand(params, episode, np.ones((5, 5), bool))
    now = _by_hand(params, episode, np.zeros((5, 5), bool))
    with jax.enable_x64(True):
      alone = jax.tree.map(lambda leaf: np.asarray(leaf)[None, None], params)
      streams = jax.tree.map(lambda leaf: np.asarray(leaf)[None, None], episode)
      found = run.take_apart(cell, (alone, alone), streams)
    expected = np.linalg.norm(exact - now) / np.linalg.norm(exact)
    np.testing.assert_allclose(found, np.full((1, 2, 1), expected), rtol=1e-9)


class TasksTest(absltest.TestCase):
  def test_delay(self):
    x, y = tasks.delayed(jax.random.key(0), 40, 3)
    np.testing.assert_array_equal(y[3:], x[:-3])
    self.assertEqual(set(np.unique(x[:, 0])), {-1, 1})

  def test_sine(self):
    x, y = tasks.sine(jax.random.key(0), 4000, 0.3)
    np.testing.assert_array_equal(y[:-1], x[1:])
    x = np.asarray(x[:, 0], float)
    # What 2 cos(w) of the last less the one before leaves is noise.
    left = x[2:] - 2 * np.cos(0.3) * x[1:-1] + x[:-2]
    expected = 0.05 * np.sqrt(2 + 4 * np.cos(0.3) ** 2)
    self.assertAlmostEqual(np.std(left) / expected, 1, delta=0.06)

  def test_lorenz(self):
    x, y = tasks.lorenz(jax.random.key(0), 30, 28.0)
    np.testing.assert_array_equal(y[:-1], x[1:])
    scale, shift = 20, np.array([0, 0, 25])

    def velocity(_, p):
      return [
        10 * (p[1] - p[0]),
        p[0] * (28 - p[2]) - p[1],
        p[0] * p[1] - 8 / 3 * p[2],
      ]

    for before, after in zip(np.asarray(x), np.asarray(y), strict=True):
      path = integrate.solve_ivp(
        velocity, (0, 0.02), before * scale + shift, rtol=1e-9, atol=1e-9
      )
      end = (path.y[:, -1] - shift) / scale
      np.testing.assert_allclose(after, end, atol=1e-4)

  def test_all_have_one_shape_and_change(self):
    key = jax.random.key(0)
    before, after = tasks.before(key, 60, 2), tasks.after(key, 60, (2, 4))
    self.assertEqual(before.x.shape, (4, 60, 3))
    self.assertEqual(after.y.shape, (4, 60, 3))
    np.testing.assert_array_equal(before.x[3], before.y[3])
    for first, then in zip(before.x, after.x, strict=True):
      self.assertGreater(np.abs(first - then).mean(), 0.05)


def _results(**changes):
  """Results as a run would store them if all claims were true."""
  finals = {
    readings.FROZEN: [1, 1, 2, 2],
    readings.RTRL: [0.01] * 4,
    readings.READOUT: [0.02, 0.2, 0.5, 1],
    readings.IMMEDIATE: [0.011, 0.02, 0.06, 0.8],
    readings.SNAP: [0.01, 0.01, 0.01, 0.4],
    "1 of 16 paths": [0.01, 0.01, 0.01, 0.4],
    "4 of 16 paths": [0.01, 0.01, 0.012, 0.03],
  }
  finals |= changes.pop("finals", {})
  noise = 1 + 1e-2 * np.sin(np.arange(6))[:, None, None]
  share = np.array(
    changes.pop("share", [[0.6, 0.5, 0.5, 0.2], [0.9, 0.7, 0.8, 0.99]])
  )
  share = share * (1 + 1e-3 * np.sin(np.arange(6))[:, None, None])
  return run.Results(
    np.array([readings.SINE, readings.LORENZ, "delay of 2", "delay of 4"]),
    np.array(3000),
    np.array([1, 4]),
    np.array(16),
    {
      name: np.array(value, float)[:, None] * noise * np.ones(10)
      for name, value in finals.items()
    },
    share,
  )


class ClaimsTest(parameterized.TestCase):
  def judged(self, **changes):
    found = claims.claims(_results(**changes))
    return {c.key: c.holds for c in found if c.measurement is not None}

  def test_hold_together(self):
    judged = self.judged()
    self.assertLen(judged, 6)
    self.assertTrue(all(judged.values()), judged)

  @parameterized.parameters(
    ({readings.IMMEDIATE: [0.011, 0.08, 0.06, 0.8]}, "immediate-suffices"),
    ({readings.IMMEDIATE: [0.011, 0.02, 0.06, 0.02]}, "immediate-fails"),
    ({readings.IMMEDIATE: [0.011, 0.02, 0.04, 0.8]}, "recovery-hides"),
    ({"4 of 16 paths": [0.01, 0.01, 0.01, 0.2]}, "paths-suffice"),
    ({"4 of 16 paths": [0.2, 0.01, 0.01, 0.01]}, "paths-suffice"),
  )
  def test_fail_by_losses(self, finals, key):
    judged = self.judged(finals=finals)
    failed = {key for key, holds in judged.items() if holds is False}
    self.assertEqual(failed, {key})

  @parameterized.parameters(
    ([[0.6, 0.1, 0.5, 0.2], [0.9, 0.7, 0.8, 0.99]], "share-misleads"),
    ([[0.6, 0.5, 0.5, 0.2], [0.9, 0.7, 0.8, 0.85]], "share-at-rest"),
  )
  def test_fail_by_shares(self, share, key):
    judged = self.judged(share=share)
    failed = {key for key, holds in judged.items() if holds is False}
    self.assertEqual(failed, {key})

  def test_recovery_by_hand(self):
    results = _results(finals={readings.READOUT: [0.505, 1, 0.01, 2]})
    found = readings.recovery(results, readings.READOUT)
    expected = 100 * np.array([0.495 / 0.99, 0, 1, 0])
    np.testing.assert_allclose(found, np.tile(expected, (6, 1)), atol=1e-9)

  @parameterized.parameters(
    (dict(optimizer="Lion"), "optimizer to be one of"),
    (dict(num_paths=(20,)), "num_paths <= num_units"),
    (dict(num_steps=77), "multiple of 50"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**settings)


if __name__ == "__main__":
  absltest.main()
