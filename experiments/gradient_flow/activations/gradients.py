"""Random networks: their gradients, and what theory and papers say of them."""

import itertools
from typing import NamedTuple

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import sweeps
from experiments.gradient_flow.activations import networks
from nnfun import depth
from nnfun.theory import mean_field, quadrature

_DIVISOR = 8  # VGG-B has this many times as many filters.
VGG_FILTERS = (8, 8, 16, 16, 32, 32, 64, 64, 64, 64)


class Gradients(NamedTuple):
  """Of the biases, for K activations and G gains of the weights."""

  gains: np.ndarray  # sigma_w, 0.25 to 16 over the largest slope  [K, G]
  log_deltas: np.ndarray  # log norm(dC / d b^l)  [S, K, G, L]
  theory: np.ndarray  # E log norm(delta^l) / norm(delta^{l+1})  [K, G, L - 1]
  correction: np.ndarray  # What the width takes from it  [K, G, L - 1]


def gradients(
  rng: np.random.Generator, *, num_seeds: int, num_layers: int, width: int
) -> Gradients:
  """Draws networks without biases, and runs them with all activations."""
  inputs, cotangents = rng.standard_normal((2, num_seeds, width))
  inputs /= np.sqrt(np.mean(inputs**2, axis=1, keepdims=True))
  shape = num_seeds, num_layers, width, width
  matrices = rng.standard_normal(shape) / width**0.5
  max_slopes = np.array([[a.max_slope] for a in networks.ACTIVATIONS])
  gains = 0.25 * 2 ** (np.arange(13) / 2) / max_slopes

  def over_gains(fn, *shared):
    kinds = jnp.arange(len(gains))
    one = jax.vmap(lambda kind, gain: fn(kind, gain, *shared), (None, 0))
    return jax.vmap(one)(kinds, gains)

  @sweeps.quick_jit
  def measure(*draws):
    # Seed by seed, and all gains at once: they share the matrices.
    deltas = lax.map(lambda draw: over_gains(log_deltas, *draw), draws)
    return deltas, *over_gains(_theory, num_layers, width)

  # A signal of ReLUs grows to 1e52; single precision would not hold it.
  with jax.enable_x64(True):
    found = measure(matrices, inputs, cotangents)
  return Gradients(gains, *map(np.asarray, found))


def log_deltas(
  kind: jax.Array, gain: jax.Array, w: jax.Array, x: jax.Array, end: jax.Array
) -> jax.Array:
  """Returns log norm(dC / d b^l) [L] for weights gain w [L, N, N].

  `end` is d C / d a^L.
  """
  # W = sigma_w G in a layer sigma(W a) is G in a layer sigma(sigma_w G a), so
  # that one matrix serves all gains; then d / dz is sigma_w times larger.
  sigma = networks.chosen(kind)
  result = depth.propagate(
    {"w": w, "b": jnp.zeros_like(w[..., 0])},
    x,
    lambda output: depth.normalize(end),
    sigma._replace(
      fn=lambda z: sigma.fn(gain * z),
      slope=lambda z: gain * sigma.slope(gain * z),
    ),
  )
  return depth.log_layer_norms(result).b - jnp.log(gain)


def _theory(kind, gain, num_layers, width):
  """Mean-field theory with its first correction in 1 / N.

  A layer multiplies the squared norm by a mean of N terms sigma_w^2 sigma'^2
  g^2 with g ~ N(0, 1): its mean is chi_1 = sigma_w^2 E[sigma'^2], its relative
  variance (3 k - 1) / N with k = E[sigma'^4] / E[sigma'^2]^2. So the logarithm
  is log(chi_1) / 2 - (3 k - 1) / 4 N.
  """
  sigma = networks.chosen(kind)

  def layer(q, _):
    chi_1 = mean_field.chi_1(sigma, q, gain)
    fourth = quadrature.gaussian_mean(lambda u: sigma.slope(u) ** 4, q)
    correction = (3 * gain**4 * fourth / chi_1**2 - 1) / (4 * width)
    growth = jnp.log(chi_1) / 2 - correction
    after = mean_field.variance_map(sigma, q, gain, 0.0)
    return after, (growth, correction)

  return lax.scan(layer, gain**2, length=num_layers - 1)[1]


def chain_errors(rng: np.random.Generator) -> np.ndarray:
  """Returns how far dC / d b_1, dC / d b_3 are from the products  [C, 2]."""
  sigma = nf.activations.scaled_sigmoid(max_slope=16.0)

  def measure(w, b, x, y):
    def cost(b):
      a, zs = x, []
      for w_l, b_l in zip(w, b, strict=True):
        zs.append(w_l * a + b_l)
        a = sigma(zs[-1])
      return nf.losses.quadratic(a, y), (jnp.stack(zs), a)

    grads, (zs, a) = jax.grad(cost, has_aux=True)(b)
    s = sigma.slope(zs)
    b_3 = s[2] * w[3] * s[3] * (a - y)
    found = jnp.stack([s[0] * w[1] * s[1] * w[2] * b_3, b_3])
    return jnp.abs(found - grads[::2]) / (1 + jnp.abs(found))

  with jax.enable_x64(True):
    w, b = rng.standard_normal((2, 1000, 4))
    return sweeps.sweep(
      measure, w, b, *rng.standard_normal((2, 1000)), quick=True
    )


def singular_values(rng: np.random.Generator, width: int) -> np.ndarray:
  """Returns the mean singular value of the Jacobian of a fourth tanh layer.

  With the standard and with Glorot's start, at small inputs [nets, 2].
  """
  found = []
  for name in ("standard", "Glorot"):
    a = 0.01 * rng.standard_normal((8, width, 1))
    for _ in range(4):
      w = networks.start(name, rng, (8, width, width))
      a = np.tanh(w @ a)
    jacobians = (1 - a**2) * w
    found.append(np.linalg.svd(jacobians, compute_uv=False).mean(axis=1))
  return np.stack(found, axis=1)


def vgg_gradient(rng: np.random.Generator, num_nets: int) -> np.ndarray:
  """Returns the mean square gradient, into conv2 over out of conv10  [nets]."""
  # A torus of 6 x 6 pixels: all have the same surroundings.
  pixels = np.arange(36).reshape(6, 6)
  shifts = itertools.product((-1, 0, 1), repeat=2)
  # Of each pixel the nine that the kernel sees [36, 9].
  seen = np.stack([np.roll(pixels, s, (0, 1)).ravel() for s in shifts], axis=1)

  def normal(*shape):
    return rng.standard_normal((num_nets, *shape), np.float32)

  def measure(x, kernels, cotangent):
    def run(x):
      for kernel in kernels:
        x = nf.activations.relu(x[seen].reshape(36, -1) @ kernel)
      return x

    _, pull = jax.vjp(run, x)
    return jnp.mean(pull(cotangent)[0] ** 2) / jnp.mean(cotangent**2)

  # With 1 / k of the filters the deviation is sqrt(k) times larger, which
  # leaves what a layer does to the variance as it is.
  deviation = np.float32(0.01 * _DIVISOR**0.5)
  kernels = [
    deviation * normal(9 * num_inputs, num_filters)
    for num_inputs, num_filters in itertools.pairwise(VGG_FILTERS)
  ]
  # Behind conv1, which the gradient does not pass.
  x = np.maximum(normal(36, VGG_FILTERS[0]), 0)
  cotangents = normal(36, VGG_FILTERS[-1])
  return sweeps.sweep(measure, x, kernels, cotangents, quick=True)


def dead(rng: np.random.Generator, num_nets: int, width: int) -> np.ndarray:
  """Says whether all inputs give 0 behind each hidden layer  [nets, 9]."""
  # Without biases f is linear along both rays: constant if both have died out.
  # The size of the weights does not matter.
  a = np.array([[1, -1]] + [[0, 0]] * (width - 1), np.float32)
  found = []
  for _ in range(9):
    weights = rng.standard_normal((num_nets, width, width), np.float32)
    a = np.maximum(weights @ a, 0)
    found.append(~np.any(a, axis=(1, 2)))
  return np.stack(found, axis=1)
