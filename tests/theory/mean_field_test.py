"""The maps against random layers, and their slopes against closed forms."""

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

from nnfun import activations
from nnfun.theory import mean_field

RELU, ERF = activations.relu, activations.erf


class MapTest(parameterized.TestCase):
  def test_one_random_layer(self):
    # A simulation: 64 layers of 400 units, common inputs of variance 2 and
    # correlation 0.6.
    rng = np.random.default_rng(0)
    frame = np.linalg.qr(rng.normal(size=(400, 2)))[0] * 20
    x = np.stack([frame[:, 0], 0.6 * frame[:, 0] + 0.8 * frame[:, 1]])
    x *= 2**0.5
    w = rng.normal(size=(64, 400, 400)) * 1.5 / 20
    b = rng.normal(size=(64, 1, 400)) * 0.3
    after = np.tanh(x) @ w.transpose(0, 2, 1) + b
    squares = np.mean(after**2, -1)
    c = np.mean(np.prod(after, 1), -1) / np.sqrt(np.prod(squares, 1))
    maps = lambda q, c: (
      mean_field.variance_map(activations.tanh, q, 1.5, 0.3),
      mean_field.correlation_map(activations.tanh, c, q, 1.5, 0.3),
    )
    predictions = jax.jit(maps)(2.0, 0.6)
    for measured, expected in zip((squares[:, 0], c), predictions, strict=True):
      error = measured.std(ddof=1) / 8
      self.assertLess(abs(measured.mean() - float(expected)), 4 * error)
      self.assertGreater(
        abs(measured.mean() - 0.9 * float(expected)), 4 * error
      )

  def test_relu_maps(self):
    # The arc-cosine kernel.
    maps = lambda q, c: (
      mean_field.variance_map(RELU, q, 1.2, 0.5, kinks=(0.0,)),
      mean_field.correlation_map(RELU, c, q, 1.2, 0.5, kinks=(0.0,)),
    )
    with jax.enable_x64(True):
      q, c = jax.jit(maps)(3.0, -0.4)
    angle = np.arccos(-0.4)
    kernel = (np.sin(angle) + (np.pi - angle) * -0.4) / (2 * np.pi)
    np.testing.assert_allclose(q, 1.44 * 3 / 2 + 0.25, rtol=1e-12)
    covariance = 1.44 * 3 * kernel + 0.25
    np.testing.assert_allclose(
      c, covariance / (1.44 * 3 / 2 + 0.25), rtol=1e-11
    )


class SlopeTest(parameterized.TestCase):
  def test_chi_2(self):
    # E[phi''^2] = pi^2 / 4 q (1 + pi q)^(-3/2).
    with jax.enable_x64(True):
      found = jax.jit(lambda q: mean_field.chi_2(ERF, q, 1.5))(0.8)
    expected = 2.25 * np.pi**2 / 4 * 0.8 * (1 + np.pi * 0.8) ** -1.5
    np.testing.assert_allclose(found, expected, rtol=1e-10)

  def test_chi_of_relu_is_the_angle(self):
    with jax.enable_x64(True):
      chi = lambda c: mean_field.chi(RELU, c, 1.0, 1.3, kinks=(0.0,))
      value, slope = jax.jit(jax.value_and_grad(chi))(0.5)
    angle = np.arccos(0.5)
    expected = 1.69 * (np.pi - angle) / (2 * np.pi)
    np.testing.assert_allclose(value, expected, rtol=1e-11)
    expected = 1.69 / (2 * np.pi * np.sin(angle))
    np.testing.assert_allclose(slope, expected, rtol=1e-8)


class ShapeTest(parameterized.TestCase):
  def test_refuses_vectors(self):
    vector = jnp.ones(3)
    for fn in (
      lambda: mean_field.variance_map(ERF, vector, 1.5, 0.3),
      lambda: mean_field.correlation_map(ERF, 0.5, vector, 1.5, 0.3),
      lambda: mean_field.chi(ERF, 0.5, vector, 1.5),
      lambda: mean_field.chi_1(ERF, vector, 1.5),
      lambda: mean_field.chi_2(ERF, vector, 1.5),
    ):
      with self.assertRaisesRegex(ValueError, r"a scalar q, got shape \[3\]"):
        fn()
    for fn in (
      lambda: mean_field.correlation_map(ERF, vector, 1.0, 1.5, 0.3),
      lambda: mean_field.chi(ERF, vector, 1.0, 1.5),
    ):
      with self.assertRaisesRegex(ValueError, r"a scalar c, got shape \[3\]"):
        fn()

  def test_vmap_gives_each_its_scalar(self):
    # chi_1 = sigma_w^2 (1 + pi q)^(-1/2), as E[phi'(u)^2] of erf, and the
    # arc-sine kernel (Williams, Infinite networks, 1997).
    qs, cs = np.array([0.3, 0.8, 2.0]), np.array([-0.5, 0.1, 0.9])
    both = lambda q, c: (
      mean_field.chi_1(ERF, q, 1.5),
      mean_field.correlation_map(ERF, c, q, 1.5, 0.0),
    )
    with jax.enable_x64(True):
      chi_1, c = jax.jit(jax.vmap(both))(qs, cs)
    expected = 2.25 / np.sqrt(1 + np.pi * qs)
    np.testing.assert_allclose(chi_1, expected, rtol=1e-10)
    x = np.pi * qs / (2 + np.pi * qs)
    expected = np.arcsin(x * cs) / np.arcsin(x)
    np.testing.assert_allclose(c, expected, rtol=1e-10)


if __name__ == "__main__":
  absltest.main()
