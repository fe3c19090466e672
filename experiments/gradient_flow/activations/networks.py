"""Networks of equal hidden layers, their activations and starts."""

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments.gradient_flow.activations import readings
from nnfun import base

ACTIVATIONS = (
  nf.activations.sigmoid,
  nf.activations.tanh,
  nf.activations.relu,
  nf.activations.leaky_relu(negative_slope=readings.LEAK),
)  # Of readings.FAMILIES.


def chosen(kind: jax.Array) -> nf.activations.Activation:
  """Returns the activation with this number, which may be traced."""
  # All are computed: that takes less time than compiling a program for each.
  return nf.activations.Activation(
    fn=lambda z: lax.select_n(kind, *(a.fn(z) for a in ACTIVATIONS)),
    slope=lambda z: lax.select_n(kind, *(a.slope(z) for a in ACTIVATIONS)),
    max_slope=1.0,
  )


def start(
  name: str, rng: np.random.Generator, shape: tuple[int, ...]
) -> np.ndarray:
  """Draws weights [..., m, n] with the variance of a start, all Gaussian."""
  m, n = shape[-2:]
  variance = {"standard": 1 / (3 * n), "Glorot": 2 / (n + m), "He": 2 / n}[name]
  return np.float32(variance**0.5) * rng.standard_normal(shape, np.float32)


def draw(
  name: str, rng: np.random.Generator, num_nets: int, sizes: tuple[int, ...]
) -> base.Params:
  """Draws a first layer, equal hidden layers in one stack, and a last layer.

  The sizes are the units of the input, each hidden layer and the output.
  """
  first, *hidden, last = zip(sizes[1:], sizes[:-1], strict=True)
  return tuple(
    {
      "w": start(name, rng, (num_nets, *shape)),
      "b": np.zeros((num_nets, *shape[:-1]), np.float32),
    }
    for shape in (first, (len(hidden), *hidden[0]), last)
  )


def forward(
  params: base.Params, x: jax.Array, activation: nf.activations.Activation
) -> tuple[jax.Array, jax.Array]:
  """Returns the output [O] and those of the hidden layers [L - 1, N]."""

  def layer(a, params):
    a = activation(params["w"] @ a + params["b"])
    return a, a

  first, hidden, last = params
  a, _ = layer(x, first)
  end, outputs = lax.scan(layer, a, hidden)
  return last["w"] @ end + last["b"], jnp.vstack([a, outputs])
