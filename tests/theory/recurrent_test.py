"""Thresholds of recurrent networks against products of Jacobians."""

import math

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

from nnfun import activations
from nnfun.theory import recurrent


def _log_gradient(w, activation, lag, seed=0):
  """Returns log |dh_T / dh_{T - k}| along a run from a random state."""
  rng = np.random.default_rng(seed)
  h, product = rng.normal(size=len(w)), np.eye(len(w))
  for _ in range(lag):
    product = w * np.asarray(activation.slope(jnp.asarray(h)))[None] @ product
    h = w @ np.asarray(activation(jnp.asarray(h)))
  return math.log(np.linalg.norm(product, 2))


class RecurrentTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.enterContext(jax.enable_x64(True))

  @parameterized.parameters((activations.tanh, 1.0), (activations.sigmoid, 4.0))
  def test_thresholds(self, activation, expected):
    # Pascanu et al. 2013: 1 / gamma, gamma = 1 for tanh and 1 / 4 for sigmoid.
    found = recurrent.singular_value_threshold(activation)
    self.assertEqual(found, expected)

  @parameterized.parameters(
    (activations.tanh, 0.9), (activations.sigmoid, 3.9), (activations.tanh, 1.3)
  )
  def test_gradients_stay_below_the_bound(self, activation, largest):
    w = np.random.default_rng(0).normal(size=(6, 6))
    w *= largest / np.linalg.norm(w, 2)
    lags = np.array([1, 5, 20])
    bounds = recurrent.log_gradient_bound(w, activation, lags)
    is_below = largest < recurrent.singular_value_threshold(activation)
    self.assertEqual(bool(bounds[-1] < 0), is_below)
    for lag, bound in zip(lags, bounds, strict=True):
      self.assertLessEqual(_log_gradient(w, activation, lag), float(bound))

  def test_the_bound_is_reached_by_a_linear_orthogonal_network(self):
    w = 1.1 * np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0]
    bound = recurrent.log_gradient_bound(w, activations.identity, 30)
    found = _log_gradient(w, activations.identity, 30)
    np.testing.assert_allclose(found, bound, rtol=1e-10)
    np.testing.assert_allclose(
      recurrent.linear_growth(w), math.log(1.1), rtol=1e-10
    )

  def test_growth_is_by_eigenvalues_not_by_singular_values(self):
    # A shear: it stretches tenfold, and forgets by 0.9 per step in the end.
    w = np.array([[0.9, 10.0], [0.0, 0.9]])
    np.testing.assert_allclose(
      recurrent.linear_growth(w), math.log(0.9), rtol=1e-5
    )
    self.assertGreater(_log_gradient(w, activations.identity, 10), 0)
    self.assertLess(_log_gradient(w, activations.identity, 200), 0)

  def test_horizon(self):
    k = recurrent.vanishing_horizon(0.9, activations.tanh)
    np.testing.assert_allclose(0.9**k, 1e-3, rtol=1e-9)
    k = recurrent.vanishing_horizon(2.0, activations.sigmoid, 0.25)
    np.testing.assert_allclose(k, 2, rtol=1e-9)
    for largest in (1.0, 1.5):
      k = recurrent.vanishing_horizon(largest, activations.tanh)
      self.assertEqual(k, math.inf)

  def test_refuses(self):
    for fraction in (0.0, 1.0):
      with self.assertRaisesRegex(ValueError, "between 0 and 1"):
        recurrent.vanishing_horizon(0.5, activations.tanh, fraction)
    for fn in (
      recurrent.linear_growth,
      lambda w: recurrent.log_gradient_bound(w, activations.tanh, 1),
    ):
      with self.assertRaisesRegex(ValueError, "w \\[N, N\\]"):
        fn(np.ones((2, 3)))


if __name__ == "__main__":
  absltest.main()
