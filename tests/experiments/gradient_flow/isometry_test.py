"""Isometry: networks against naive loops, a small study, controls."""

import jax
import numpy as np
from absl.testing import absltest, parameterized
from scipy import special

from experiments.gradient_flow import isometry
from experiments.gradient_flow.isometry import networks, readings, run, theory
from nnfun.theory import spectra
from tests.experiments import study_case

_FUNCTIONS = (
  lambda z: z,
  lambda z: np.maximum(z, 0),
  lambda z: np.clip(z, -1, 1),
  lambda z: special.erf(np.pi**0.5 / 2 * z),
)


class CaseTest(study_case.StudyCase):
  study = isometry.STUDY
  small = run.Config(
    width=48,
    depth=2,
    num_seeds=60,
    num_matrices=1000,
    shape_seeds=1000,
    narrow_seeds=5000,
  )

  def failed(self, **changes):
    """The claims that fail with changes of the results."""
    claims = self.study.claims(self.results()._replace(**changes))
    return [claim.key for claim in claims if claim.holds is False]

  def keys(self, index, num_seeds, depth):
    """The keys of the layers of the first network of a part of the study."""
    key = jax.random.split(jax.random.key(0), 4)[index]
    return jax.random.split(jax.random.split(key, num_seeds)[0], depth)

  def test_no_claim_fails(self):
    self.assertEmpty(self.failed())

  @parameterized.parameters(
    ("spread", lambda v: v[..., [0, 0]], "spread"),  # Gaussian as orthogonal.
    ("traces", lambda v: v[..., ::-1], "haar"),  # With the signs of LAPACK.
    ("density", lambda v: v[::-1], "distribution"),
    ("squares", lambda v: 1.3 * v, "distribution"),  # Not a critical gain.
    # Without the luck of which units are active; and of linear units.
    ("log_variance", lambda v: 4 * theory.sums(theory.SHAPES), "log-variance"),
    ("second_moment", lambda v: v ** (2 / 5), "second-moment"),
  )
  def test_wrong_measurements_are_noticed(self, name, wrong, key):
    wrong = {name: wrong(getattr(self.results(), name))}
    self.assertEqual(self.failed(**wrong), [key])

  def test_log_norms_are_those_of_a_loop(self):
    # Of the first draw of the study.
    draws = [
      np.asarray(jax.random.normal(key, (24, 24)))
      for key in self.keys(2, 1000, 12)
    ]
    for found, shape in zip(
      self.results().log_norms[0], theory.SHAPES, strict=True
    ):
      signal, tangent = np.ones(shape[0]), np.eye(shape[0])[0]
      fan_ins = (shape[0], *shape[:-1])
      for draw, fan_in, size in zip(draws, fan_ins, shape, strict=False):
        w = draw[:size, :fan_in] * (2 / fan_in) ** 0.5
        active = w @ signal > 0
        signal, tangent = active * (w @ signal), active * (w @ tangent)
      expected = np.log(np.mean(tangent**2) * shape[0])
      np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)

  def test_jacobian_is_that_of_the_network(self):
    # Finite differences through the first network of the study.
    results, width = self.results(), self.small.width
    layers = []
    for key in self.keys(0, 60, 2):
      draw = np.asarray(jax.random.normal(key, (width, width + 1)), float)
      q, r = np.linalg.qr(draw[:, :-1])
      haar = q * np.sign(np.diag(r))
      layers.append((draw[:, :-1] / width**0.5, haar, draw[:, -1]))
    for i, fn in enumerate(_FUNCTIONS):
      u = np.linspace(-7, 7, 100_001)
      p = np.exp(-(u**2) / (2 * theory.Q))
      p /= np.sum(p)
      w = 1 / (p @ np.gradient(fn(u), u) ** 2)  # So that chi_1 = 1.
      b = max(0.0, theory.Q - w * (p @ fn(u) ** 2))
      x = ((theory.Q - b) / w) ** 0.5
      for j in (0, 1):
        outputs = [x + s * np.eye(width) for s in (1e-6, -1e-6)]
        for layer in layers:
          shift = b**0.5 * layer[2]
          outputs = [fn(w**0.5 * z @ layer[j].T + shift) for z in outputs]
        jacobian = (outputs[0] - outputs[1]) / 2e-6
        squares = np.sort(np.linalg.svd(jacobian, compute_uv=False) ** 2)
        spread = np.var(squares) / np.mean(squares) ** 2
        found = results.spread[0, -1, i, j]
        np.testing.assert_allclose(found, spread, rtol=3e-4, atol=1e-5)
        for panel, pair in enumerate(theory.PANELS):
          if pair == (theory.UNITS[i], j):
            found = np.sort(results.squares[0, panel])
            np.testing.assert_allclose(found, squares, rtol=1e-3, atol=1e-4)

  def test_table_is_the_library_s(self):
    self.assertEqual(tuple(networks.UNITS), theory.UNITS)
    units = networks.UNITS.values()
    with jax.enable_x64(True):
      ratios = jax.jit(
        lambda q: [spectra.slope_ratio(u, q, kinks=k) for u, k in units]
      )(theory.Q)
      ratios = list(map(np.asarray, ratios))
    for unit, ratio in zip(theory.UNITS, ratios, strict=True):
      for orthogonal in (False, True):
        expected = spectra.relative_variance(ratio, 5, orthogonal=orthogonal)
        found = theory.table(unit, orthogonal, 5)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12)

  def test_log_second_moment_of_a_log_normal(self):
    samples = np.random.default_rng(0).normal(0.3, 0.5, 40_000)
    found = readings.log_second_moment(samples)
    low, high = found.limits(0.9999)
    self.assertBetween(0.25, low, high)
    self.assertLess(found.error, 0.01)


if __name__ == "__main__":
  absltest.main()
