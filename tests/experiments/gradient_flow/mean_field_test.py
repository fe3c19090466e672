"""Mean-field theory: networks against naive loops, a small study, controls."""

from unittest import mock

import jax
import numpy as np
from absl.testing import absltest, parameterized

from experiments.gradient_flow import mean_field
from experiments.gradient_flow.mean_field import networks, run, training
from nnfun.theory import mean_field as library
from tests.experiments import study_case

_SMALL = run.Config(
  sigma_w=(1.3, 2.5),
  variances_w=(1.3, 1.7, 2.5),
  width=100,
  num_layers=30,
  num_inputs=3,
  num_seeds=16,
  num_points=3,
  num_curve=3,
  train_variances=(0.5, 1.76, 20.0),
  train_depths=(3, 24),
  train_seeds=4,
  train_width=32,
  train_examples=400,
  num_epochs=4,
  learning_rate=8e-3,
)


def _small():
  return study_case.results_of(mean_field.STUDY, _SMALL)


def _failed(results):
  claims = mean_field.STUDY.claims(results)
  return [claim.key for claim in claims if claim.holds is False]


class CaseTest(study_case.StudyCase):
  study = mean_field.STUDY
  small = _SMALL


class NetworksTest(parameterized.TestCase):
  def test_propagation_is_that_of_a_loop(self):
    # The first network of the study, by its own draws, through two layers.
    results, width = _small(), _SMALL.width
    keys = run._keys(_SMALL, 0, _SMALL.num_seeds, 31)[0, :3]
    draws = np.asarray(jax.random.normal(keys[0], (6, width)), float)
    frame = np.linalg.qr(draws[:3].T)[0].T * width**0.5
    layers = [networks._draw(key, width) for key in keys[1:]]
    for s in (0, 1):
      c = 1 - results.distance[0, 0, s, 0]
      gram = np.full((3, 3), c) + (1 - c) * np.eye(3)
      values, vectors = np.linalg.eigh(gram)
      root = vectors * np.sqrt(values) @ vectors.T
      inputs = results.theory.q[s] ** 0.5 * root @ frame
      tangents = draws[3:]
      for i, (w, b) in enumerate(layers):
        w = results.sigma_w[s] * np.asarray(w, float)
        b = results.sigma_b[s] * np.asarray(b, float)
        moved = [
          w @ ((1 - np.tanh(x) ** 2) * u)
          for x, u in zip(inputs, tangents, strict=True)
        ]
        inputs = np.array([w @ np.tanh(x) + b for x in inputs])
        growth = [m @ m / (u @ u) for m, u in zip(moved, tangents, strict=True)]
        tangents = moved
        c = np.mean(
          [
            inputs[j]
            @ inputs[k]
            / np.linalg.norm(inputs[j])
            / np.linalg.norm(inputs[k])
            for j, k in ((0, 1), (0, 2), (1, 2))
          ]
        )
        for found, expected in (
          (results.q[0, i, s], np.mean(inputs**2)),
          (results.distance[0, i + 1, s, 0], 1 - c),
          (results.growth[0, i, s], np.mean(growth)),
        ):
          np.testing.assert_allclose(found, expected, rtol=1e-3)

  def test_maps_are_those_of_a_layer(self):
    # One network of the study against the integrals, by many.
    for drawn in (_small().map_q, _small().map_c):
      error = drawn.measured.std(axis=0, ddof=1) / _SMALL.num_seeds**0.5
      away = np.abs(drawn.measured.mean(axis=0) - drawn.theory)
      np.testing.assert_array_less(away, 5 * error)

  def test_layers_beyond_the_depth_do_nothing(self):
    rng = np.random.default_rng(0)
    layer = lambda *shape: {
      "w": rng.normal(size=(*shape[:-1], 5, shape[-1])),
      "b": rng.normal(size=(*shape[:-1], 5)),
    }
    params = {"first": layer(6), "hidden": layer(3, 5), "last": layer(5)}
    x = np.linspace(-1, 1, 6)
    logits = jax.jit(training.logits)
    for depth in (1, 3, 4):
      h = np.tanh(params["first"]["w"] @ x + params["first"]["b"])
      for i in range(depth - 1):
        h = np.tanh(params["hidden"]["w"][i] @ h + params["hidden"]["b"][i])
      expected = params["last"]["w"] @ h + params["last"]["b"]
      with jax.enable_x64(True):
        found = logits(params, x, depth)
      np.testing.assert_allclose(found, expected, rtol=1e-10)

  def test_networks_start_as_the_theory_assumes(self):
    params = training.init(jax.random.key(0), 1.5, 0.2, 64, 32, 9)
    for name, sigma_w, fan_in in (
      ("first", 1.5, 64),
      ("hidden", 1.5, 32),
      ("last", 1.0, 32),
    ):
      w, b = np.asarray(params[name]["w"]), np.asarray(params[name]["b"])
      self.assertEqual(w.shape[-1], fan_in)
      for values, sigma in ((w * fan_in**0.5, sigma_w), (b, 0.2)):
        squares = values.ravel() ** 2 / sigma**2
        error = (2 / squares.size) ** 0.5
        self.assertLess(abs(squares.mean() - 1), 4 * error)


class ClaimsTest(parameterized.TestCase):
  def test_small_run(self):
    self.assertEmpty(_failed(_small()))

  def test_chi_1_off_by_a_hundredth_in_the_library_is_noticed(self):
    right = library.chi_1

    def wrong(*args, **kwargs):
      return 1.008 * right(*args, **kwargs)

    sigmas = np.array([1.3, 2.5]), np.array([0.3, 0.3])
    with mock.patch.object(library, "chi_1", wrong), jax.enable_x64(True):
      found, _ = run._theory(_SMALL, *sigmas, np.array([2.0]))
    theory = _small().theory
    theory = theory._replace(chi_1=np.append(found.chi_1, theory.chi_1[2:]))
    failed = _failed(_small()._replace(theory=theory))
    self.assertEqual(failed, ["growth-integral"])

  @parameterized.parameters(
    ("q", lambda v: 1.2 * v, "length"),
    ("growth", lambda v: v[..., ::-1], "growth"),
    ("growth", lambda v: 1.2 * v, "critical"),
    ("distance", lambda v: np.minimum(1.2 * v, 1), "correlation"),
    ("distance", lambda v: np.sqrt(v), "depth-scale"),
    ("critical_variance", lambda v: 1.01 * v, "depth-scale-integral"),
    ("accuracy", lambda v: 0.3 * v, "trainable"),
    ("accuracy", lambda v: np.maximum(v, 0.7), "untrainable"),
  )
  def test_wrong_measurements_are_noticed(self, name, wrong, key):
    results = _small()
    results = results._replace(**{name: wrong(getattr(results, name))})
    self.assertIn(key, _failed(results))

  @parameterized.parameters(
    ("q", "length-integral"),
    ("c", "correlation-integral"),
    ("xi_c", "depth-scale-integral"),
  )
  def test_wrong_integrals_are_noticed(self, name, key):
    theory = _small().theory
    values = getattr(theory, name)
    wrong = np.where(values == 1, 1, 1.005 * values)  # c* = 1 says the phase.
    theory = theory._replace(**{name: wrong})
    self.assertEqual(_failed(_small()._replace(theory=theory)), [key])


class ConfigTest(parameterized.TestCase):
  @parameterized.parameters(
    (dict(sigma_w=(2.0, 1.0)), "ascending sigma_w"),
    (dict(num_layers=3), "num_layers >= 30"),
    (dict(train_seeds=1), "train_seeds >= 2"),
    (dict(start_distance=0.5), "start_distance <= 1 / num_inputs"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**settings)


if __name__ == "__main__":
  absltest.main()
