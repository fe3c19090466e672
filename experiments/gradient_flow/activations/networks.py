"""Random networks of one activation, and their gradients."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import sweeps
from nnfun import depth

LEAK = 0.1


class Kind(NamedTuple):
  """An activation, and what `depth.propagate` must be told about it."""

  activation: nf.activations.Activation
  homogeneous: bool = False  # sigma(c z) = c sigma(z) for c > 0.


def _sigmoid(max_slope):
  return Kind(nf.activations.scaled_sigmoid(max_slope=max_slope))


KINDS = {
  "sigmoid": Kind(nf.activations.sigmoid),  # Its largest slope is 1/4.
  "sigmoid, slope 1/2": _sigmoid(0.5),
  "sigmoid, slope 4": _sigmoid(4.0),
  "sigmoid, slope 16": _sigmoid(16.0),
  "tanh": Kind(nf.activations.tanh),
  "ReLU": Kind(nf.activations.relu, True),
  "LeakyReLU": Kind(nf.activations.leaky_relu(negative_slope=LEAK), True),
}


class Weights(NamedTuple):
  """Standard Gaussian draws that all activations and gains share."""

  matrices: np.ndarray  # [S, L, N, N], entries of variance 1 / N
  inputs: np.ndarray  # [S, N], mean square 1
  cotangents: np.ndarray  # [S, N], d C / d a^L


class Gradients(NamedTuple):
  """The gradient of the biases, for one activation."""

  gains: np.ndarray  # sigma_w, 0.25 to 16 over the largest slope  [G]
  log_deltas: np.ndarray  # log norm(dC / d b^l)  [S, G, L]


def draw(
  rng: np.random.Generator, *, num_seeds: int, num_layers: int, width: int
) -> Weights:
  """Draws networks without biases."""

  def normal(*shape):
    return rng.standard_normal((num_seeds, *shape), np.float32)

  inputs = normal(width)
  size = np.sqrt(np.mean(inputs**2, axis=1, keepdims=True))
  matrices = normal(num_layers, width, width) / np.float32(width**0.5)
  return Weights(matrices, inputs / size, normal(width))


def gradients(weights: Weights) -> dict[str, Gradients]:
  """Returns the gradients of all kinds."""
  found = {}
  for homogeneous in (False, True):
    group = {n: k for n, k in KINDS.items() if k.homogeneous == homogeneous}
    slopes = np.array([[k.activation.max_slope] for k in group.values()])
    gains = 0.25 * 2 ** (np.arange(25) / 4) / slopes  # 4 in an octave.
    deltas = log_deltas(list(group.values()), weights, gains)
    deltas = np.moveaxis(deltas, 2, 1)
    found |= dict(zip(group, map(Gradients, gains, deltas), strict=True))
  return found


def log_deltas(
  kinds: Sequence[Kind], weights: Weights, gains: np.ndarray
) -> np.ndarray:
  """Returns log norm(dC / d b^l) for gains [K, G]  [K, G, S, L]."""

  def measure(index, gain, matrices, x, cotangent):
    # W = sigma_w G in a layer sigma(W a) is G in a layer sigma(sigma_w G a),
    # so that one matrix serves all gains; then d / dz is sigma_w times larger.
    activation = nf.activations.Activation(
      fn=lambda z: switched(index, kinds, "fn")(gain * z),
      slope=lambda z: gain * switched(index, kinds, "slope")(gain * z),
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
  gains = jnp.asarray(gains, weights.matrices.dtype)
  return over(
    len(kinds), lambda i, g, w: over_gains(i, g[i], *w), gains, weights
  )


def switched(
  index: jax.Array, kinds: Sequence[Kind], part: str
) -> Callable[[jax.Array], jax.Array]:
  """Returns the value or the slope of the activation with this number."""
  fns = [getattr(kind.activation, part) for kind in kinds]
  return lambda z: lax.switch(index, fns, z)


def over(num_kinds: int, fn: Callable[..., Any], *shared: Any) -> Any:
  """Runs fn(index, *shared) for one activation after the other."""
  # One program for all: compiling takes longer than running.
  indices = jnp.arange(num_kinds)
  run = jax.jit(lambda *shared: lax.map(lambda i: fn(i, *shared), indices))
  return jax.tree.map(np.asarray, run(*shared))


def chain_errors(rng: np.random.Generator, num_chains: int) -> np.ndarray:
  """Returns how far dC / d b_1, dC / d b_3 are from the products  [C, K, 2]."""
  errors = []
  with jax.enable_x64(True):
    for kind in KINDS.values():
      measure = functools.partial(_chain_error, kind.activation)
      numbers = rng.standard_normal((num_chains, 10))
      errors.append(sweeps.sweep(measure, numbers, quick=True))
  return np.stack(errors, axis=1)


def _chain_error(activation, numbers):
  w, b, (x, y) = numbers[:4], numbers[4:8], numbers[8:]
  params = tuple({"w": w[i, None, None], "b": b[i, None]} for i in range(4))

  def cost(params):
    output = nf.mlp.apply(params, x[np.newaxis], [activation] * 4)
    return nf.losses.quadratic(output, y[np.newaxis])

  grads = jax.grad(cost)(params)
  zs, outputs = nf.mlp.forward(params, x[np.newaxis], [activation] * 4)
  s_1, s_2, s_3, s_4 = (activation.slope(z)[0] for z in zs)
  b_3 = s_3 * w[3] * s_4 * (outputs[-1][0] - y)
  found = jnp.stack([s_1 * w[1] * s_2 * w[2] * b_3, b_3])
  actual = jnp.stack([grads[0]["b"][0], grads[2]["b"][0]])
  return jnp.abs(found - actual) / (1 + jnp.abs(actual))
