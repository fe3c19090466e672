"""Training of 2-2-1 networks on the four patterns of XOR, many at once.

An epoch is one step: the batch holds all patterns.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress
from experiments.textbook import xor_source

_act = nf.activations
# For programs that run for milliseconds and compile for seconds.
jit = functools.partial(
  jax.jit, compiler_options={"xla_backend_optimization_level": 0}
)


class Variant(NamedTuple):
  """A kind of network."""

  label: str
  hidden: nf.activations.Activation
  output: nf.activations.Activation


VARIANTS = (
  Variant("ReLU (the notes)", _act.relu, _act.relu),
  Variant("ReLU, linear output", _act.relu, _act.identity),
  Variant(
    "leaky ReLU, linear output",
    _act.leaky_relu(negative_slope=0.1),
    _act.identity,
  ),
  Variant("sigmoid (their table)", _act.sigmoid, _act.sigmoid),
)


def draw(seed: int, num_seeds: int) -> nf.base.Params:
  """Draws weights from N(0, 1 / fan-in), biases 0: leaves [S, ...]."""
  keys = jax.random.split(jax.random.key(seed), num_seeds)
  params = jit(jax.vmap(lambda key: nf.mlp.init(key, [2, 2, 1])))(keys)
  return jax.tree.map(np.asarray, params)


def train_printed(
  learning_rates: Sequence[float], num_epochs: int
) -> xor_source.Weights:
  """Trains the printed ReLU network; call it under float64.

  Args:
    learning_rates: one network each.
    num_epochs: steps of batch gradient descent.

  Returns:
    The weights at the end, W [L, 2, 3] and U [L, 3].
  """
  start = jax.tree.map(jnp.asarray, xor_source.as_params(xor_source.PRINTED))
  train = jax.vmap(lambda rate: _fit(VARIANTS[0], rate, start, num_epochs))
  return xor_source.as_weights(jax.jit(train)(jnp.array(learning_rates)))


def train_starts(
  variant: Variant,
  learning_rates: Sequence[float],
  starts: nf.base.Params,
  *,
  num_epochs: int,
  num_records: int,
) -> dict[str, np.ndarray]:
  """Trains one kind of network from random starts, at all rates [L].

  Args:
    variant: the kind.
    learning_rates: each with the same starts.
    starts: parameters, leaves [S, ...].
    num_epochs: steps of batch gradient descent.
    num_records: how often the networks are judged on the way.

  Returns:
    `error` [L, S], the largest of an output in the end; `solved`
    [L, records + 1], the fraction with every error below 0.1; `dead_start`,
    `dead_end` [L, S, 3], units with slope 0 on all patterns, the output last;
    `dead_moved` [L], how far weights into units dead at the start went.
  """
  rates = jnp.array(learning_rates)

  def train(rate, params):
    return _fit(variant, rate, params, num_epochs // num_records)

  train = jax.jit(jax.vmap(jax.vmap(train, (None, 0)), (0, 0)))
  judge = jit(jax.vmap(jax.vmap(lambda p: _judge(variant, p))))
  start = params = jax.tree.map(
    lambda leaf: np.stack([leaf] * len(rates)), starts
  )
  judged = [judge(params)]
  for _ in progress.track(range(num_records), variant.label):
    params = train(rates, params)
    judged.append(judge(params))
  errors = np.stack([np.asarray(error) for error, _ in judged], axis=-1)
  dead_start, dead_end = (np.asarray(judged[i][1]) for i in (0, -1))
  return {
    "error": errors[..., -1],
    "solved": np.mean(errors < 0.1, axis=1),
    "dead_start": dead_start,
    "dead_end": dead_end,
    "dead_moved": _dead_moved(start, params, dead_start),
  }


def _judge(variant, params):
  """Returns the largest error, and which units have slope 0 everywhere."""
  layers = (variant.hidden, variant.output)
  patterns = jnp.asarray(xor_source.PATTERNS, params[0]["w"].dtype)
  z, a = jax.vmap(lambda x: nf.mlp.forward(params, x, layers))(patterns)
  targets = jnp.asarray(xor_source.TARGETS, a[-1].dtype)
  slopes = [f.slope(z_l) for f, z_l in zip(layers, z, strict=True)]
  is_dead = jnp.all(jnp.concatenate(slopes, axis=1) == 0, axis=0)
  return jnp.max(jnp.abs(a[-1][:, 0] - targets)), is_dead


def _dead_moved(start, end, dead):
  """Returns how far the incoming weights of dead units went, [L]."""
  before, after = (xor_source.as_weights(p) for p in (start, end))
  hidden = np.max(np.abs(after.hidden - before.hidden), axis=-1)
  output = np.max(np.abs(after.output - before.output), axis=-1)
  moved = np.concatenate([hidden, output[..., None]], axis=-1)
  return np.max(np.where(dead, moved, 0), axis=(1, 2))


def _fit(variant, learning_rate, params, num_epochs):
  """Returns the parameters after batch gradient descent, equation 1.9."""
  layers = (variant.hidden, variant.output)

  def loss(params, x, t):
    return nf.losses.quadratic(nf.mlp.apply(params, x, layers), t)

  dtype = params[0]["w"].dtype
  return nf.minibatch.fit(
    loss,
    optax.sgd(learning_rate),
    params,
    jax.random.key(0),  # One batch holds all patterns: nothing is shuffled.
    jnp.asarray(xor_source.PATTERNS, dtype),
    jnp.asarray(xor_source.TARGETS[:, None], dtype),
    batch_size=len(xor_source.PATTERNS),
    num_epochs=num_epochs,
  ).params
