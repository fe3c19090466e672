"""Training of 2-2-1 networks on the four patterns of XOR, many at once.

A network is [3, 3] as in `readings`. An epoch is one step: the batch holds all
patterns.
"""

from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf
from experiments import sweeps
from experiments.textbook.xor import formulas, readings

_act = nf.activations
_leaky = _act.leaky_relu(negative_slope=0.1)
# Activations of the hidden and of the output layer.
KINDS = {
  readings.RELU: (_act.relu, _act.relu),
  readings.LINEAR: (_act.relu, _act.identity),
  readings.LEAKY: (_leaky, _act.identity),
}
_NUM_RECORDS = 20  # How often the random starts are judged.


class Starts(NamedTuple):
  """Random starts of one kind of network; units are dead if r' = 0 always."""

  epochs: np.ndarray  # When they were judged  [records + 1]
  does_xor: np.ndarray  # With every error < 0.1  [S, records + 1]
  dead: np.ndarray  # Which units are, the output last  [S, records + 1, 3]


class Reached(NamedTuple):
  """The printed ReLU network after training, with rates 0.01 and 1."""

  networks: np.ndarray  # [2, 3, 3]
  outputs: np.ndarray  # For each pattern  [2, 4]


def train_printed() -> Reached:
  """Trains the printed network; under float64."""
  layers = KINDS[readings.RELU]

  def one(learning_rate):
    start = jnp.array(readings.PRINTED)
    network = _descend(layers, learning_rate, start, num_epochs=30_000)
    return Reached(network, _forward(layers, network).outputs[-1][:, 0])

  return sweeps.sweep(one, np.array([0.01, 1.0]), quick=True)


def train_starts(
  kind: str, seed: int, num_starts: int, learning_rate: float, num_epochs: int
) -> Starts:
  """Trains one kind of network from random starts, the same for each kind."""
  layers, num_epochs = KINDS[kind], num_epochs // _NUM_RECORDS
  # Weights from N(0, 1 / fan-in), biases 0.
  rng = np.random.default_rng(seed)
  starts = rng.normal(0, [0.5**0.5, 0.5**0.5, 0], (num_starts, 3, 3))

  def one(start):
    def part(network, _):
      after = _descend(layers, learning_rate, network, num_epochs)
      return after, _judge(layers, network)

    return jax.lax.scan(part, start, length=_NUM_RECORDS + 1)[1]

  epochs = num_epochs * np.arange(_NUM_RECORDS + 1)
  return Starts(epochs, *sweeps.sweep(one, starts, quick=True))


def _forward(layers, network):
  """Returns what the layers compute for each pattern, [4, units]."""
  params = formulas.as_params(network)
  patterns = jnp.array(readings.PATTERNS, network.dtype)
  return jax.vmap(lambda x: nf.mlp.forward(params, x, layers))(patterns)


def _judge(layers, network):
  """Returns whether it does XOR, and which units have slope 0 everywhere."""
  z, a = _forward(layers, network)
  slopes = [f.slope(z_l) for f, z_l in zip(layers, z, strict=True)]
  is_dead = jnp.all(jnp.concatenate(slopes, axis=1) == 0, axis=0)
  return jnp.all(jnp.abs(a[-1][:, 0] - readings.TARGETS) < 0.1), is_dead


def _descend(layers, learning_rate, start, num_epochs):
  """Returns the network after batch gradient descent, equation 1.9."""

  def cost(network):
    y = _forward(layers, network).outputs[-1][:, 0]
    return nf.losses.quadratic(y, readings.TARGETS) / len(readings.TARGETS)

  def step(_, network):
    return network - learning_rate * jax.grad(cost)(network)

  return jax.lax.fori_loop(0, num_epochs, step, start)
