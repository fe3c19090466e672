"""How signals and gradients change from layer to layer of a network.

A thousand layers take numbers out of any floating format. `Scaled` keeps their
exponent apart as an integer: scaling by powers of two rounds nothing, and the
logarithm of a norm is taken at the end.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
from jax import lax
from jax import numpy as jnp

from nnfun import activations as activations_lib
from nnfun import base, mlp, numerics

Activation = activations_lib.Activation


class Scaled(NamedTuple):
  """The array mantissa * 2^exponent, whatever its size."""

  mantissa: base.Array  # [..., N], largest entry in [1/2, 1), or all 0
  exponent: base.Array  # [...], int32


def normalize(
  mantissa: base.Array, exponent: base.Array | int = 0, *, ndim: int = 1
) -> Scaled:
  """Moves the size of an array into the exponent.

  Args:
    mantissa: [..., N], finite.
    exponent: [...], integers; the array meant is mantissa * 2^exponent.
    ndim: how many axes at the end share one exponent; 2 for matrices.

  Returns:
    The same array with its largest entry in [1/2, 1).

  >>> normalize(jnp.array([3.0, -20.0]))
  Scaled(mantissa=Array([ 0.09375, -0.625  ], dtype=float32),
         exponent=Array(5, dtype=int32))
  """
  axes = tuple(range(-ndim, 0))
  _, shift = jnp.frexp(jnp.max(jnp.abs(mantissa), axis=axes))
  shift = shift.astype(jnp.int32)
  scaled = jnp.ldexp(mantissa, -jnp.expand_dims(shift, axes))
  return Scaled(scaled, shift + jnp.asarray(exponent, jnp.int32))


def value(scaled: Scaled) -> base.Array:
  """Returns the array itself: 0 or infinite where it leaves the format.

  Args:
    scaled: one vector [N], or any number of them.

  Returns:
    The shape of the mantissa.
  """
  mantissa, exponent = scaled
  return jnp.ldexp(mantissa, exponent[..., jnp.newaxis])


def add(x: Scaled, y: Scaled) -> Scaled:
  """Returns the sum of two vectors, with the larger of their exponents.

  Args:
    x: one vector [N].
    y: one vector [N].

  Returns:
    x + y, not normalised.
  """
  # The exponent of a zero vector says nothing and must not swallow the other.
  exponent = jnp.maximum(
    jnp.where(jnp.any(x.mantissa), x.exponent, y.exponent),
    jnp.where(jnp.any(y.mantissa), y.exponent, x.exponent),
  )
  aligned = [jnp.ldexp(v.mantissa, v.exponent - exponent) for v in (x, y)]
  return Scaled(aligned[0] + aligned[1], exponent)


def log_norm(scaled: Scaled) -> base.Array:
  """Returns the logarithm of the Euclidean norm, log norm(v) + n log 2.

  Args:
    scaled: vectors v 2^n, [..., N].

  Returns:
    [...]; -inf for a zero vector.
  """
  norms = jnp.linalg.norm(scaled.mantissa, axis=-1)
  return numerics.safe_log(norms) + scaled.exponent * math.log(2)


class LayerNorms(NamedTuple):
  """One number for the biases and one for the weights of each layer."""

  b: base.Array  # [L], norm(dC / d b^l)
  w: base.Array  # [L], norm(dC / d w^l), Frobenius


def layer_norms(grads: base.Params) -> LayerNorms:
  """Returns the size of each layer's gradient.

  Args:
    grads: the gradient of a network of `mlp`, of one example or a mean.

  Returns:
    The norms, first layer first.
  """
  return LayerNorms(
    *(
      jnp.stack([numerics.global_norm(layer[name]) for layer in grads])
      for name in LayerNorms._fields
    )
  )


def layer_jacobians(
  params: base.Params, x: base.Array, activations: Sequence[Activation]
) -> tuple[base.Array, ...]:
  """Returns d a^l / d a^{l-1} = diag(sigma'(z^l)) w^l of every layer.

  Their product (`product`) is the Jacobian of output and input.

  Args:
    params: the layers, w [N_l, N_{l-1}].
    x: one input [I].
    activations: sigma^1 ... sigma^L; of one that mixes the units of its layer
      the whole Jacobian takes the place of the diagonal matrix.

  Returns:
    L matrices [N_l, N_{l-1}].

  Raises:
    ValueError: as `mlp.forward` does.
  """
  zs = mlp.forward(params, x, activations).preactivations

  def jacobian(layer, activation, z):
    slope = activation.slope(z)
    if slope.ndim == 2:
      return slope @ layer["w"]
    return slope[:, jnp.newaxis] * layer["w"]

  return tuple(map(jacobian, params, activations, zs))


def product(matrices: base.Array | Sequence[base.Array]) -> Scaled:
  """Multiplies matrices, however many, without leaving the number format.

    J = M_L ... M_2 M_1

  Args:
    matrices: an array [L, N, N], or a sequence of L matrices that fit one
      another, M_1 first.

  Returns:
    J, with one exponent for the matrix.

  Raises:
    ValueError: if there is no matrix.
  """
  if not len(matrices):
    raise ValueError("expected at least one matrix, got none")

  def multiply(so_far, matrix):
    mantissa, exponent = so_far
    return normalize(matrix @ mantissa, exponent, ndim=2), None

  so_far = normalize(matrices[0], ndim=2)
  if isinstance(matrices, Sequence):
    for matrix in matrices[1:]:
      so_far, _ = multiply(so_far, matrix)
    return so_far
  return lax.scan(multiply, so_far, matrices[1:])[0]


def log_singular_values(matrix: Scaled) -> base.Array:
  """Returns the logarithms of a matrix's singular values, largest first.

  Singular values below the largest one times the format's precision are
  rounding errors, as in every product of matrices.

  Args:
    matrix: [M, N] with one exponent, from `product` or `normalize(ndim=2)`.

  Returns:
    [min(M, N)].
  """
  values = jnp.linalg.svd(matrix.mantissa, compute_uv=False)
  return numerics.safe_log(values) + matrix.exponent * math.log(2)


class Propagation(NamedTuple):
  """What a deep network of equal layers computes for one example.

  The gradient is their product, dC / d w^l_ij = delta^l_i a^{l-1}_j.
  """

  inputs: Scaled  # a^{l-1}, [L, N]
  output: Scaled  # a^L, [N]
  deltas: Scaled  # delta^l = dC / d z^l = dC / d b^l, [L, N]


def propagate(
  layers: base.Params,
  x: base.Array,
  output_gradient: Callable[[Scaled], Scaled],
  activation: Activation,
  *,
  homogeneous: bool = False,
) -> Propagation:
  """Runs a network forward and backward, at any depth.

    z^l = w^l a^{l-1} + b^l,  a^l = sigma(z^l),
    delta^l = (w^{l+1})^T delta^{l+1} * sigma'(z^l)

  The gradient never leaves the number format. The forward signal does not
  either if the activation is bounded, or homogeneous and declared so.

  Args:
    layers: {"w": [L, N, N], "b": [L, N]}, the stacked layers of an `mlp`.
    x: one input [N].
    output_gradient: a^L -> dC / d a^L; see `gradient_of`.
    activation: elementwise, the same in all layers.
    homogeneous: whether sigma(c z) = c sigma(z) for all c > 0, as for the
      identity, ReLU and leaky ReLU.

  Returns:
    The inputs of the layers and the errors.

  Raises:
    ValueError: if the shapes do not fit.

  >>> layers = {"w": jnp.full((1000, 1, 1), 2.0), "b": jnp.zeros((1000, 1))}
  >>> end = lambda a: Scaled(jnp.ones(1), jnp.int32(0))
  >>> identity = activations_lib.identity
  >>> deep = propagate(layers, jnp.ones(1), end, identity, homogeneous=True)
  >>> print(f"2^{log_layer_norms(deep).b[0] / jnp.log(2):.2f}")
  2^999.00
  """
  _check_equal(layers, x)

  def forward(a, layer):
    if homogeneous:
      signal = Scaled(layer["w"] @ a.mantissa, a.exponent)
      z, exponent = add(signal, normalize(layer["b"]))
    else:
      z, exponent = layer["w"] @ value(a) + layer["b"], 0
    return normalize(activation(z), exponent), (a, activation.slope(z))

  def backward(error, layer):
    w, slope = layer
    delta = normalize(error.mantissa * slope, error.exponent)
    return normalize(w.T @ delta.mantissa, delta.exponent), delta

  output, (inputs, slopes) = lax.scan(forward, normalize(x), layers)
  _, deltas = lax.scan(
    backward, output_gradient(output), (layers["w"], slopes), reverse=True
  )
  return Propagation(inputs, output, deltas)


def gradient_of(cost: mlp.Cost, y: base.PyTree) -> Callable[[Scaled], Scaled]:
  """Returns dC / d a^L of an ordinary cost, for `propagate`.

  Args:
    cost: (a^L, y) -> scalar, differentiable at outputs the format can hold.
    y: the target.

  Returns:
    The function from a^L to its gradient.
  """
  return lambda output: normalize(jax.grad(cost)(value(output), y))


def log_layer_norms(propagation: Propagation) -> LayerNorms:
  """Returns the logarithm of the size of each layer's gradient.

    norm(dC / d b^l) = norm(delta^l),
    norm(dC / d w^l) = norm(delta^l) norm(a^{l-1})

  Args:
    propagation: of one example.

  Returns:
    The logarithms, first layer first; -inf where nothing arrives.
  """
  b = log_norm(propagation.deltas)
  return LayerNorms(b=b, w=b + log_norm(propagation.inputs))


def _check_equal(layers, x):
  w, b = jnp.shape(layers["w"]), jnp.shape(layers["b"])
  size = jnp.shape(x)
  if len(size) != 1 or len(w) != 3 or w[1:] != size * 2 or b != w[:1] + size:
    raise ValueError(
      "expected stacked layers w [L, N, N], b [L, N] and one input [N], got w "
      f"{list(w)}, b {list(b)} and x {list(size)}"
    )
