"""The networks that the study of activations draws, and their gradients."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from nnfun import depth
from nnfun.theory import mean_field, quadrature

_LEAK = 0.1


class Kind(NamedTuple):
  """An activation, and what theory must be told about it."""

  activation: nf.activations.Activation
  kinks: tuple[float, ...] = ()
  homogeneous: bool = False  # sigma(c z) = c sigma(z) for c > 0.


def _sigmoid(max_slope):
  return Kind(nf.activations.scaled_sigmoid(max_slope=max_slope))


KINDS = {
  "sigmoid": Kind(nf.activations.sigmoid),  # Its largest slope is 1/4.
  "sigmoid, slope 1": _sigmoid(1.0),
  "sigmoid, slope 4": _sigmoid(4.0),
  "sigmoid, slope 16": _sigmoid(16.0),
  "tanh": Kind(nf.activations.tanh),
  "ReLU": Kind(nf.activations.relu, (0.0,), True),
  "LeakyReLU": Kind(
    nf.activations.leaky_relu(negative_slope=_LEAK), (0.0,), True
  ),
}
SIGMOIDS = tuple(KINDS)[:4]


class Weights(NamedTuple):
  """Standard Gaussian draws that all activations and gains share."""

  matrices: np.ndarray  # [seeds, L, N, N], entries of variance 1 / N
  inputs: np.ndarray  # [seeds, N], mean square 1
  cotangents: np.ndarray  # [seeds, N], d C / d a^L


def draw(
  rng: np.random.Generator, *, num_seeds: int, num_layers: int, width: int
) -> Weights:
  """Draws networks without biases.

  Args:
    rng: randomness.
    num_seeds: how many.
    num_layers: L.
    width: N.

  Returns:
    The weights.
  """

  def normal(*shape):
    return rng.standard_normal((num_seeds, *shape), np.float32)

  inputs = normal(width)
  size = np.sqrt(np.mean(inputs**2, axis=1, keepdims=True))
  matrices = normal(num_layers, width, width) / np.float32(width**0.5)
  return Weights(matrices, inputs / size, normal(width))


def log_deltas(
  kinds: Sequence[Kind], weights: Weights, gains: np.ndarray
) -> np.ndarray:
  """Returns the size of dC / d b^l by activation, gain and layer.

  Args:
    kinds: activations, all homogeneous or none.
    weights: of all networks.
    gains: sigma_w, [kinds, gains].

  Returns:
    log norm(dC / d b^l), [kinds, gains, seeds, L].
  """

  def measure(index, gain, matrices, x, cotangent):
    # W = sigma_w G in a layer sigma(W a) is G in a layer sigma(sigma_w G a),
    # so that one matrix serves all gains; then d / dz is sigma_w times larger.
    activation = nf.activations.Activation(
      fn=lambda z: _switch(index, kinds, "fn", gain * z),
      slope=lambda z: gain * _switch(index, kinds, "slope", gain * z),
      max_slope=1.0,
    )
    result = depth.propagate(
      {"w": matrices, "b": jnp.zeros_like(matrices[..., 0])},
      x,
      lambda output: depth.normalize(cotangent),
      activation,
      homogeneous=kinds[0].homogeneous,
    )
    return depth.log_layer_norms(result).b - jnp.log(gain)

  over_seeds = jax.vmap(measure, (None, None, 0, 0, 0))
  over_gains = jax.vmap(over_seeds, (None, 0, None, None, None))

  @jax.jit
  def over_kinds(gains, weights):
    # One program for all activations: compiling takes longer than running.
    rows = jnp.arange(len(kinds)), gains
    return lax.map(lambda row: over_gains(*row, *weights), rows)

  gains = np.asarray(gains, weights.matrices.dtype)
  return np.asarray(over_kinds(gains, weights))


def _switch(index, kinds, part, z):
  fns = [getattr(kind.activation, part) for kind in kinds]
  return lax.switch(index, fns, z)


class Profile(NamedTuple):
  """What mean-field theory says of each layer, leaves [gains, L]."""

  log_chi: np.ndarray  # log chi_1 at the layer's variance q
  kurtosis: np.ndarray  # E[sigma'^4] / E[sigma'^2]^2 there


def mean_field_profile(
  kind: Kind, gains: np.ndarray, num_layers: int
) -> Profile:
  """Follows the variance from the input, of mean square 1, through the layers.

  Args:
    kind: the activation.
    gains: sigma_w, [gains]; there are no biases.
    num_layers: L.

  Returns:
    The profile. In a homogeneous network it does not depend on q, which is
    held at 1 where it would leave the number format.
  """
  activation, kinks, homogeneous = kind

  def follow(gain):
    def step(q, _):
      chi = mean_field.chi_1(activation, q, gain, kinks=kinks)
      fourth = gain**4 * quadrature.gaussian_mean(
        lambda u: activation.slope(u) ** 4, q, kinks=kinks
      )
      after = mean_field.variance_map(
        activation, q, gain, jnp.zeros([]), kinks=kinks
      )
      after = jnp.where(homogeneous, q, after)
      return after, Profile(jnp.log(chi), fourth / chi**2)

    first = jnp.where(homogeneous, 1.0, gain**2)
    return lax.scan(step, first, None, length=num_layers)[1]

  profile = jax.jit(jax.vmap(follow))(jnp.asarray(gains, float))
  return Profile(*map(np.asarray, profile))


def chain_gradients(
  kind: Kind, rng: np.random.Generator, num_nets: int
) -> dict[str, jax.Array]:
  """Differentiates chains of four neurons.

  Args:
    kind: the activation.
    rng: randomness of weights, biases, input and target, N(0, 1).
    num_nets: how many.

  Returns:
    By automatic differentiation, `b_1` and `b_3`, dC / d b_1 and dC / d b_3;
    the same by the products of the solution, `product_1` and `product_3`, with
    the largest slope in place of each in `bound_1` and `bound_3`; [nets].
  """
  activation = kind.activation

  def one(numbers):
    w, b, (x, y) = numbers[:4], numbers[4:8], numbers[8:]
    params = tuple({"w": w[i, None, None], "b": b[i, None]} for i in range(4))
    activations = [activation] * 4

    def cost(params):
      output = nf.mlp.apply(params, x[np.newaxis], activations)
      return nf.losses.quadratic(output, y[np.newaxis])

    grads = jax.grad(cost)(params)
    zs, outputs = nf.mlp.forward(params, x[np.newaxis], activations)
    found = {}
    for first in (1, 3):
      # dC / d a_4, then sigma'(z) and w of the layers from above.
      product, bound = outputs[-1][0] - y, jnp.abs(outputs[-1][0] - y)
      for i in range(3, first - 2, -1):
        weight = w[i] if i >= first else 1.0
        product = product * activation.slope(zs[i][0]) * weight
        bound = bound * activation.max_slope * jnp.abs(weight)
      found |= {
        f"b_{first}": grads[first - 1]["b"][0],
        f"product_{first}": product,
        f"bound_{first}": bound,
      }
    return found

  return jax.vmap(one)(rng.standard_normal((num_nets, 10)))


def start(
  name: str, rng: np.random.Generator, shape: tuple[int, ...]
) -> np.ndarray:
  """Draws weights as the papers on starts write them.

  Args:
    name: "standard", U(-1 / sqrt(n), 1 / sqrt(n)) for n inputs, of variance
      1 / (3 n); "Glorot", U(-r, r) with r = sqrt(6 / (n + outputs)); or "He",
      N(0, 2 / n).
    rng: randomness.
    shape: [..., outputs, n].

  Returns:
    The weights, float32.
  """
  num_outputs, num_inputs = shape[-2:]
  if name == "He":
    normal = rng.standard_normal(shape, np.float32)
    return np.float32((2 / num_inputs) ** 0.5) * normal
  bound = {
    "standard": (1 / num_inputs) ** 0.5,
    "Glorot": (6 / (num_inputs + num_outputs)) ** 0.5,
  }[name]
  return rng.uniform(-bound, bound, shape).astype(np.float32)


def singular_values(matrices: np.ndarray, xs: np.ndarray) -> np.ndarray:
  """Returns the mean singular value of the layer Jacobians of tanh networks.

  Args:
    matrices: the weights of all layers [nets, L, N, N].
    xs: inputs [nets, N].

  Returns:
    Means over singular values and layers, [nets].
  """
  # NumPy's, because XLA takes seconds to compile its own.
  values = np.linalg.svd(_tanh_jacobians(matrices, xs), compute_uv=False)
  return np.mean(values, axis=(1, 2))


@jax.jit
@jax.vmap
def _tanh_jacobians(matrices, x):
  params = [{"w": w, "b": jnp.zeros(x.shape)} for w in matrices]
  activations = [nf.activations.tanh] * len(params)
  return jnp.stack(depth.layer_jacobians(params, x, activations))


VGG_FILTERS = (64, 64, 128, 128, 256, 256, 512, 512, 512, 512)


def vgg_gradient(
  rng: np.random.Generator, *, divisor: int, size: int, num_nets: int
) -> np.ndarray:
  """Returns how far the gradient of VGG-B falls from conv10 to conv2.

  Ten layers of 3 x 3 convolutions with ReLU, weights N(0, 0.01^2), here on a
  torus and without pooling, so that every pixel has the same surroundings.
  With 1 / k of the filters the deviation is sqrt(k) times larger, which leaves
  what a layer does to the variance as it is.

  Args:
    rng: randomness.
    divisor: k.
    size: pixels in height and width of the image.
    num_nets: how many networks.

  Returns:
    Mean square of the gradient at the input of conv2 over that at the output
    of conv10, [num_nets].
  """
  filters = [n // divisor for n in VGG_FILTERS]
  pixels = np.arange(size**2).reshape(size, size)
  shifts = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
  # Of each pixel the nine that the kernel sees [size^2, 9].
  seen = np.stack([np.roll(pixels, s, (0, 1)).ravel() for s in shifts], axis=1)

  def normal(*shape):
    return rng.standard_normal((num_nets, *shape), np.float32)

  def convolve(x, kernel):
    return jax.nn.relu(x[seen].reshape(size**2, -1) @ kernel)

  def measure(image, kernels, cotangent):
    def above(x):
      for kernel in kernels[1:]:
        x = convolve(x, kernel)
      return x

    _, pull = jax.vjp(above, convolve(image, kernels[0]))
    return jnp.mean(pull(cotangent)[0] ** 2) / jnp.mean(cotangent**2)

  deviation = np.float32(0.01 * divisor**0.5)
  kernels = [
    deviation * normal(9 * num_inputs, num_filters)
    for num_inputs, num_filters in zip([3, *filters], filters, strict=False)
  ]
  image, cotangent = normal(size**2, 3), normal(size**2, filters[-1])
  return np.asarray(jax.jit(jax.vmap(measure))(image, kernels, cotangent))
