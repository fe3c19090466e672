"""Isometry: networks against naive loops, a small study, controls."""

import dataclasses
import functools
from unittest import mock

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp
from scipy import special

from experiments.gradient_flow import (
  isometry,
  isometry_networks,
  isometry_theory,
)

_CONFIG = isometry.Config(
  width=16,
  depth=2,
  num_seeds=40,
  num_spectra=20,
  num_points=24,
  shapes=((12,) * 3, (24,) * 6, (8, 24) * 3, (8,) * 12),
  shape_seeds=500,
)


@functools.cache
def _results():
  return isometry.run(_CONFIG)


def _failed(results):
  claims = isometry.STUDY.claims(results)
  return [claim.statement for claim in claims if not claim.holds]


class NetworksTest(parameterized.TestCase):
  def test_log_norms_are_those_of_a_loop(self):
    # Of the first draw of the study.
    found = _results()["log_norms"][0]
    keys = isometry._keys(_CONFIG, 2, _CONFIG.shape_seeds, 12)[0]
    draws = [np.asarray(jax.random.normal(key, (24, 24))) for key in keys]
    for i, shape in enumerate(_CONFIG.shapes):
      signal, tangent = np.ones(shape[0]), np.eye(shape[0])[0]
      fan_ins = (shape[0], *shape[:-1])
      start = np.array([np.mean(signal**2), np.mean(tangent**2)])
      for draw, fan_in, size in zip(draws, fan_ins, shape, strict=False):
        w = draw[:size, :fan_in] * (2 / fan_in) ** 0.5
        active = w @ signal > 0
        signal, tangent = active * (w @ signal), active * (w @ tangent)
      after = np.array([np.mean(signal**2), np.mean(tangent**2)])
      with np.errstate(divide="ignore"):
        expected = np.log(after / start)
      np.testing.assert_allclose(found[:, i], expected, rtol=1e-4, atol=1e-5)

  def test_haar_is_orthogonal_with_a_positive_triangle(self):
    gaussian = np.random.default_rng(0).normal(size=(5, 5))
    with jax.enable_x64(True):
      q, raw = map(np.asarray, isometry_networks.haar(jnp.asarray(gaussian)))
    np.testing.assert_allclose(q @ q.T, np.eye(5), atol=1e-12)
    triangle = q.T @ gaussian
    np.testing.assert_allclose(np.tril(triangle, -1), 0, atol=1e-12)
    self.assertTrue(np.all(np.diag(triangle) > 0))
    np.testing.assert_allclose(np.abs(raw), np.abs(q))

  def test_jacobian_is_that_of_the_network(self):
    # Finite differences through the first network of the study.
    results, width = _results(), _CONFIG.width
    keys = isometry._keys(_CONFIG, 1, _CONFIG.num_seeds, 2)[0]
    with jax.enable_x64(True):
      draws = [
        np.asarray(jax.random.normal(k, (width, width + 1))) for k in keys
      ]
    haar = []
    for draw in draws:
      q, r = np.linalg.qr(draw[:, :-1])
      haar.append(q * np.sign(np.diag(r)))
    functions = {
      "linear": lambda z: z,
      "ReLU": lambda z: np.maximum(z, 0),
      "hard tanh": lambda z: np.clip(z, -1, 1),
      "erf": lambda z: special.erf(np.pi**0.5 / 2 * z),
    }
    for i, fn in enumerate(functions.values()):
      variance_w, variance_b = (
        results["variance_w"][i],
        results["variance_b"][i],
      )
      for j in (0, 1):

        def network(x, i=i, j=j, fn=fn, w=variance_w, b=variance_b):
          for draw, q in zip(draws, haar, strict=True):
            matrix = draw[:, :-1] / width**0.5 if j == 0 else q
            x = fn(w**0.5 * (matrix @ x) + b**0.5 * draw[:, -1])
          return x

        x = np.full(width, ((0.5 - variance_b) / variance_w) ** 0.5)
        steps = 1e-6 * np.eye(width)
        jacobian = [(network(x + s) - network(x - s)) / 2e-6 for s in steps]
        values = np.linalg.svd(np.array(jacobian), compute_uv=False)
        for found, power in (
          (results["mean_1"], 2),
          (results["mean_square_1"], 4),
        ):
          np.testing.assert_allclose(
            found[0, -1, i, j], np.mean(values**power), rtol=1e-5
          )


class TheoryTest(parameterized.TestCase):
  def test_table(self):
    # Pennington et al., table 1: L, 0 and 2 L, L.
    found = [
      isometry_theory.table(unit, orthogonal, 5, 0.5)
      for unit in ("linear", "ReLU")
      for orthogonal in (False, True)
    ]
    self.assertEqual(found, [5, 0, 10, 5])

  def test_extrapolation_leaves_little_at_the_default_widths(self):
    widths = np.array([48, 96])
    for unit in isometry_networks.UNITS:
      for orthogonal in (False, True):
        left = isometry_theory.residual(unit, orthogonal, 4, widths)
        self.assertLess(left, 0.08)


class RunTest(parameterized.TestCase):
  def test_all_claims_hold(self):
    self.assertEmpty(_failed(_results()))

  def test_matrices_with_the_signs_of_lapack_are_noticed(self):
    def broken(gaussian):
      raw = haar(gaussian)[1]
      return raw, raw

    haar, results = isometry_networks.haar, _results()
    with mock.patch.object(isometry_networks, "haar", broken):
      with jax.enable_x64(True):
        found = isometry._jacobians(_CONFIG, results, 1, 16, 40)
    failed = _failed(results | jax.tree.map(np.asarray, found))
    self.assertTrue(any("has mean 0" in s for s in failed), failed)

  @parameterized.parameters(
    ("mean_square_1", lambda v: v[..., ::-1], "extrapolated"),
    ("mean_square_0", lambda v: 2 * v, "exact relative variance"),
    ("mean_1", lambda v: 2 * v, "squared singular value is 1"),
    ("density", lambda v: v[::-1], "are distributed as"),
    ("squares", lambda v: 0.9 * v, "stretched alike"),
    ("traces_1", lambda v: v[..., ::-1], "is not Haar"),
    ("traces_1", lambda v: 2 * v, "has variance 1"),
    ("log_norms", lambda v: 1.5 * v, "follow the exact law"),
    ("log_norms", lambda v: v + 1, "So do their means"),
    ("log_norms", lambda v: 2 * v, "the factor"),
    ("log_norms", lambda v: v[..., ::-1], "R^2"),
    ("log_norms", lambda v: v[..., [0, 3, 2, 1]], "same variance"),
    ("log_norms", lambda v: v + 1, "second moment"),
    ("log_norms", lambda v: 0.2 * v, "matter of luck"),
  )
  def test_wrong_measurements_are_noticed(self, name, wrong, text):
    failed = _failed(_results() | {name: wrong(_results()[name])})
    self.assertTrue(any(text in s for s in failed), failed)

  def test_draws(self):
    self.assertLen(isometry.STUDY.plot(_results()).axes, 4)

  @parameterized.parameters(
    (dict(width=7), "even width"),
    (dict(depth=1), "depth >= 2"),
    (dict(q=0.0), "q > 0"),
    (dict(shapes=((3,), (4, 0))), "two or more shapes"),
  )
  def test_refuses(self, settings, message):
    config = dataclasses.replace(_CONFIG, **settings)
    with self.assertRaisesRegex(ValueError, message):
      isometry.run(config)


if __name__ == "__main__":
  absltest.main()
