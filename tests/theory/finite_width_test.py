"""Exact laws against small random networks, many of them."""

import math

import numpy as np
from absl.testing import absltest, parameterized
from scipy import special

from nnfun.theory import finite_width, spectra


def _networks(num, width, depth, relu, orthogonal, seed=0):
  """Returns mean squared and mean fourth powers of singular values [num]."""
  rng = np.random.default_rng(seed)
  jacobian = np.broadcast_to(np.eye(width), (num, width, width))
  signal = np.broadcast_to(rng.normal(size=width), (num, width))
  for _ in range(depth):
    w = rng.normal(size=(num, width, width))
    if orthogonal:
      w, r = np.linalg.qr(w)
      w = w * np.sign(np.einsum("rii->ri", r))[:, np.newaxis]
    else:
      w = w / width**0.5
    w = w * (2**0.5 if relu else 1)
    signal = np.einsum("rij,rj->ri", w, signal)
    slope = (signal > 0) * 1.0 if relu else np.ones_like(signal)
    signal, jacobian = slope * signal, slope[..., np.newaxis] * (w @ jacobian)
  gram = jacobian.transpose(0, 2, 1) @ jacobian
  return np.einsum("rii->r", gram) / width, np.sum(gram**2, (1, 2)) / width


class RelativeVarianceTest(parameterized.TestCase):
  @parameterized.parameters((False, False), (True, False), (True, True))
  def test_of_narrow_networks(self, relu, orthogonal):
    num, width, depth = 20_000, 4, 2
    square, fourth = _networks(num, width, depth, relu, orthogonal)
    expected = finite_width.relative_variance(
      width, depth, relu=relu, orthogonal=orthogonal
    )
    for samples, exact in ((square, 1), (fourth, 1 + expected)):
      error = samples.std() / num**0.5
      self.assertLess(abs(samples.mean() - exact), 4 * error)
    # The limit of infinite width would be noticed.
    ratio = 2.0 if relu else 1.0
    limit = spectra.relative_variance(ratio, depth, orthogonal=orthogonal)
    self.assertGreater(abs(samples.mean() - 1 - limit), 4 * error)

  @parameterized.parameters((1.0, False), (2.0, False), (2.0, True))
  def test_wide_networks_are_those_of_the_limit(self, ratio, orthogonal):
    expected = spectra.relative_variance(ratio, 6, orthogonal=orthogonal)
    found = finite_width.relative_variance(
      10**7, 6, relu=ratio == 2, orthogonal=orthogonal
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)

  def test_orthogonal_matrices_stretch_alike(self):
    found = finite_width.relative_variance(5, 9, relu=False, orthogonal=True)
    self.assertEqual(found, 0)

  @parameterized.parameters(0, -3)
  def test_refuses(self, width):
    message = f"a positive width, got {width}"
    with self.assertRaisesRegex(ValueError, message):
      finite_width.relative_variance(width, 2, relu=True, orthogonal=False)


class ReluNormTest(parameterized.TestCase):
  def test_law_by_its_factors(self):
    widths, num = (3, 6, 4), 200_000
    rng = np.random.default_rng(0)
    k = rng.binomial(widths, 0.5, (num, 3))
    alive = k[np.all(k > 0, 1)]
    logs = np.sum(np.log(rng.chisquare(alive) * 2 / np.array(widths)), 1)
    mean, variance = finite_width.relu_log_norm(widths)
    error = logs.std() / len(logs) ** 0.5
    self.assertLess(abs(logs.mean() - mean), 4 * error)
    squares = (logs - mean) ** 2
    error = squares.std() / len(logs) ** 0.5
    self.assertLess(abs(squares.mean() - variance), 4 * error)

  def test_law_of_networks(self):
    num, width, depth = 20_000, 6, 3
    rng = np.random.default_rng(1)
    signal, tangent = np.broadcast_to(
      rng.normal(size=(2, 1, width)), (2, num, width)
    )
    for _ in range(depth):
      w = rng.normal(size=(num, width, width)) * (2 / width) ** 0.5
      signal, tangent = (
        np.einsum("rij,rj->ri", w, v) for v in (signal, tangent)
      )
      active = signal > 0
      signal, tangent = signal * active, tangent * active
    start = np.random.default_rng(1).normal(size=(2, width))
    mean, variance = finite_width.relu_log_norm([width] * depth)
    for after, before in ((signal, start[0]), (tangent, start[1])):
      squares = np.sum(after**2, 1) / np.sum(before**2)
      logs = np.log(squares[squares > 0])
      error = logs.std() / len(logs) ** 0.5
      self.assertLess(abs(logs.mean() - mean), 4 * error)
      error = np.std((logs - mean) ** 2) / len(logs) ** 0.5
      self.assertLess(abs(np.mean((logs - mean) ** 2) - variance), 4 * error)
      fourth = squares**2
      exact = finite_width.relu_fourth_moment([width] * depth)
      error = fourth.std() / num**0.5
      self.assertLess(abs(fourth.mean() - exact), 4 * error)

  @parameterized.parameters(1, 2, 3, 10, 51, 1000)
  def test_binomial_weights_are_exact(self, width):
    # With integers of any size, which are slow for wide layers.
    k = np.arange(1, width + 1)
    weights = [
      math.comb(width, i) / (2**width - 1) for i in range(1, width + 1)
    ]
    means = special.digamma(k / 2) + math.log(4 / width)
    mean = math.fsum(weights * means)
    spread = (means - mean) ** 2 + special.polygamma(1, k / 2)
    found = finite_width.relu_log_norm([width])
    expected = mean, math.fsum(weights * spread)
    np.testing.assert_allclose(found, expected, rtol=1e-12)

  @parameterized.parameters(10**4, 10**6)
  def test_layers_of_any_width(self, width):
    found = finite_width.relu_log_norm([width])
    expected = -2.5 / width, 5 / width
    np.testing.assert_allclose(found, expected, rtol=10 / width)

  def test_wide_layers(self):
    widths = [1000] * 20
    mean, variance = finite_width.relu_log_norm(widths)
    np.testing.assert_allclose((mean, variance), (-0.05, 0.1), rtol=0.01)
    fourth = finite_width.relu_fourth_moment(widths)
    np.testing.assert_allclose(math.log(fourth), 0.1, rtol=0.01)

  @parameterized.parameters(((),), ((3, 0),))
  def test_refuses(self, widths):
    for fn in (finite_width.relu_log_norm, finite_width.relu_fourth_moment):
      with self.assertRaisesRegex(ValueError, "one or more positive widths"):
        fn(widths)


if __name__ == "__main__":
  absltest.main()
