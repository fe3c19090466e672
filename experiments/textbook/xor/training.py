"""Training of 2-2-1 networks on the four patterns of XOR, many at once.

An epoch is one step: the batch holds all patterns.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, sweeps
from experiments.textbook.xor import formulas, readings

_act = nf.activations
_leaky = _act.leaky_relu(negative_slope=0.1)
# Activations of the hidden and of the output layer.
KINDS = {
  readings.RELU: (_act.relu, _act.relu),
  readings.LINEAR: (_act.relu, _act.identity),
  readings.LEAKY: (_leaky, _act.identity),
  readings.SIGMOID: (_act.sigmoid, _act.sigmoid),
}


class Starts(NamedTuple):
  """Random starts of one kind of network; units are dead if r' = 0 always."""

  error: np.ndarray  # Of an output, start first  [S, rates, records + 1]
  dead_start: np.ndarray  # Which units are, output last  [S, rates, 3]
  dead_end: np.ndarray  # After training  [S, rates, 3]
  moved: np.ndarray  # Farthest of a weight into each unit  [S, rates, 3]


def train_printed(
  learning_rates: Sequence[float], num_epochs: int
) -> readings.Weights:
  """Trains the printed ReLU network, once with each rate; under float64."""
  start = jax.tree.map(jnp.asarray, formulas.as_params(readings.PRINTED))
  layers = KINDS[readings.RELU]
  params = sweeps.sweep(
    lambda rate: _fit(layers, rate, start, num_epochs), np.array(learning_rates)
  )
  return formulas.as_weights(params)


def train_starts(
  kind: str,
  learning_rates: Sequence[float],
  keys: jax.Array,
  *,
  num_epochs: int,
  num_records: int,
) -> Starts:
  """Trains one kind of network from the random start of each key [S]."""
  layers, rates = KINDS[kind], jnp.array(learning_rates)

  def one(rate, start):
    def part(params, index):
      progress.tick(index, num_records, kind)
      params = _fit(layers, rate, params, num_epochs // num_records)
      return params, _judge(layers, params)[0]

    end, errors = jax.lax.scan(part, start, jnp.arange(num_records))
    error, dead_start = _judge(layers, start)
    dead_end = _judge(layers, end)[1]
    return Starts(
      jnp.append(error, errors), dead_start, dead_end, _moved(start, end)
    )

  # Weights from N(0, 1 / fan-in), biases 0; drawn before, since in one program
  # with the training they would be computed twice, and differ in the last bit.
  starts = sweeps.sweep(
    lambda key: nf.mlp.init(key, [2, 2, 1]), keys, quick=True
  )
  each_rate = jax.vmap(one, (0, None))
  return sweeps.sweep(lambda start: each_rate(rates, start), starts)


def _moved(start, end):
  """Returns how far the incoming weights of each unit went, [..., 3]."""
  distances = [
    jnp.maximum(
      jnp.max(jnp.abs(after["w"] - before["w"]), axis=-1),
      jnp.abs(after["b"] - before["b"]),
    )
    for before, after in zip(start, end, strict=True)
  ]
  return jnp.concatenate(distances, axis=-1)


def _judge(layers, params):
  """Returns the largest error, and which units have slope 0 everywhere."""
  patterns = jnp.asarray(readings.PATTERNS, params[0]["w"].dtype)
  z, a = jax.vmap(lambda x: nf.mlp.forward(params, x, layers))(patterns)
  targets = jnp.asarray(readings.TARGETS, a[-1].dtype)
  slopes = [f.slope(z_l) for f, z_l in zip(layers, z, strict=True)]
  is_dead = jnp.all(jnp.concatenate(slopes, axis=1) == 0, axis=0)
  return jnp.max(jnp.abs(a[-1][:, 0] - targets)), is_dead


def _fit(layers, learning_rate, params, num_epochs):
  """Returns the parameters after batch gradient descent, equation 1.9."""

  def loss(params, x, t):
    return nf.losses.quadratic(nf.mlp.apply(params, x, layers), t)

  dtype = params[0]["w"].dtype
  return nf.minibatch.fit(
    loss,
    optax.sgd(learning_rate),
    params,
    jax.random.key(0),  # One batch holds all patterns: nothing is shuffled.
    jnp.asarray(readings.PATTERNS, dtype),
    jnp.asarray(readings.TARGETS[:, None], dtype),
    batch_size=len(readings.PATTERNS),
    num_epochs=num_epochs,
  ).params
