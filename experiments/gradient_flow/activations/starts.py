"""How networks are started, and what that does to their gradients."""

from collections.abc import Sequence

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf
from experiments import sweeps
from nnfun import depth

VGG_FILTERS = (64, 64, 128, 128, 256, 256, 512, 512, 512, 512)


def start(
  name: str, rng: np.random.Generator, shape: tuple[int, ...]
) -> np.ndarray:
  """Draws weights [..., outputs, n] as the papers on starts write them."""
  num_outputs, num_inputs = shape[-2:]
  if name == "He":
    normal = rng.standard_normal(shape, np.float32)
    return np.float32((2 / num_inputs) ** 0.5) * normal
  bound = {
    "standard": (1 / num_inputs) ** 0.5,  # Of variance 1 / (3 n).
    "Glorot": (6 / (num_inputs + num_outputs)) ** 0.5,
  }[name]
  return rng.uniform(-bound, bound, shape).astype(np.float32)


def network(
  name: str, rng: np.random.Generator, num_nets: int, shapes: Sequence[tuple]
) -> tuple[dict[str, np.ndarray], ...]:
  """Draws networks with biases of 0, from the shapes of their weights."""
  return tuple(
    {
      "w": start(name, rng, (num_nets, *shape)),
      "b": np.zeros((num_nets, *shape[:-1]), np.float32),
    }
    for shape in shapes
  )


def singular_values(
  rng: np.random.Generator, *, num_nets: int, width: int
) -> np.ndarray:
  """Returns the mean singular value of tanh layers' Jacobians  [nets, 2, 2]."""
  xs = rng.standard_normal((num_nets, width), np.float32)
  tanh = [nf.activations.tanh] * 4

  @jax.jit
  @jax.vmap
  def jacobians(params, x):
    return jnp.stack(depth.layer_jacobians(params, x, tanh))

  found = []
  for name in ("standard", "Glorot"):
    params = network(name, rng, num_nets, [(width, width)] * 4)
    for size in (0.01, 1.0):
      # NumPy's, because XLA takes seconds to compile its own.
      values = np.linalg.svd(jacobians(params, size * xs), compute_uv=False)
      found.append(np.mean(values, axis=(1, 2)))
  return np.stack(found, axis=1).reshape(num_nets, 2, 2)


def vgg_gradient(
  rng: np.random.Generator, *, divisor: int, size: int, num_nets: int
) -> np.ndarray:
  """Returns the mean square gradient, into conv2 over out of conv10  [nets]."""
  # A torus of size x size pixels: all have the same surroundings. With 1 / k of
  # the filters the deviation is sqrt(k) times larger, which leaves what a layer
  # does to the variance as it is.
  filters = [n // divisor for n in VGG_FILTERS]
  pixels = np.arange(size**2).reshape(size, size)
  shifts = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
  # Of each pixel the nine that the kernel sees [size^2, 9].
  seen = np.stack([np.roll(pixels, s, (0, 1)).ravel() for s in shifts], axis=1)

  def normal(*shape):
    return rng.standard_normal((num_nets, *shape), np.float32)

  def run(x, kernels):
    for kernel in kernels:
      x = nf.activations.relu(x[seen].reshape(size**2, -1) @ kernel)
    return x

  def measure(image, kernels, cotangent):
    first = run(image, kernels[:1])
    _, pull = jax.vjp(lambda x: run(x, kernels[1:]), first)
    return jnp.mean(pull(cotangent)[0] ** 2) / jnp.mean(cotangent**2)

  kernels = [
    np.float32(0.01 * divisor**0.5) * normal(9 * num_inputs, num_filters)
    for num_inputs, num_filters in zip([3, *filters], filters, strict=False)
  ]
  image, cotangent = normal(size**2, 3), normal(size**2, filters[-1])
  return sweeps.sweep(measure, image, kernels, cotangent)
