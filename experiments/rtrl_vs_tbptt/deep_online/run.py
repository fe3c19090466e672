"""Compares online gradients of deep stacks with the exact ones."""

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, settings, sweeps
from experiments.rtrl_vs_tbptt.deep_online import networks, readings

_ESTIMATORS = {
  readings.LAYERWISE: nf.estimators.layerwise_diagonal_rtrl,
  readings.SPATIAL: nf.estimators.truncated_bptt,
}


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """Stacks, the copy task, and where along training gradients are compared."""

  max_layers: settings.at_least(3) = 4  # Depths are 1 to this.
  # Least radius at the start; all depths have the first, the deepest has all.
  r_mins: tuple[settings.Fraction, ...] = (0.0, 0.9)
  num_units: settings.Count = 8  # Complex ones of a layer.
  length: settings.Count = 8  # Symbols to be copied; an episode has twice.
  # Updates with the exact gradient before each comparison.
  checkpoints: settings.Ascending[settings.Whole] = (0, 20)
  batch_size: settings.Count = 4  # Episodes of an update, or a comparison.
  learning_rate: settings.Positive = 0.02  # Of Adam.
  num_seeds: settings.Several = 40  # Stacks of each kind.
  seed: settings.Seed = 0  # Of stacks and episodes.

  def rules(self) -> Iterator[tuple[bool, str]]:
    """Asks for a start, and radii."""
    yield self.checkpoints[0] == 0, "checkpoints from 0"
    yield len(self.checkpoints) > 1, "more than one of checkpoints"
    yield len(self.r_mins) > 1, "more than one of r_mins"
    yield max(self.r_mins) < 1, "r_mins < 1"


class Results(NamedTuple):
  """Stacks of C kinds, gradients summed over online steps; E estimators."""

  num_layers: np.ndarray  # [C]
  r_min: np.ndarray  # [C]
  checkpoints: np.ndarray  # [K]
  loss: np.ndarray  # Nats a symbol, of the episodes compared on  [S, C, K]
  cosine: np.ndarray  # Of the gradient by all layers  [S, C, K, E]
  # Of each layer's own, the last one first; 0 where there is none.
  layer_cosine: np.ndarray  # [S, C, K, E, max_layers]
  last_error: np.ndarray  # Relative, of the last layer's  [S, C, K, E]


def run(config: Config) -> Results:
  """Trains stacks with the exact gradient, and compares along the way."""
  depths = [
    (depth, config.r_mins[0]) for depth in range(1, config.max_layers + 1)
  ]
  memories = [(config.max_layers, r) for r in config.r_mins[1:]]
  num_layers, r_min = map(np.array, zip(*depths, *memories, strict=True))
  keys = jax.random.split(jax.random.key(config.seed), config.num_seeds)
  # One axis of members: each further vmap takes its time to trace.
  seed, case = np.indices((len(keys), len(r_min))).reshape(2, -1)
  cases = networks.Case(num_layers[case], r_min[case])
  with progress.parts("stacks", 1) as done:
    found = done(
      sweeps.sweep(
        lambda key, case: _measure(config, key, case),
        keys[seed],
        cases,
        quick=True,
      )
    )
  shape = len(keys), len(r_min)
  found = [leaf.reshape(*shape, *leaf.shape[1:]) for leaf in found]
  return Results(num_layers, r_min, np.array(config.checkpoints), *found)


def _measure(config, key, case):
  """Returns losses, cosines, those of layers, and errors of the last one."""
  cell = networks.stack(config.max_layers, config.num_units)
  sample = networks.task(config.length).sample
  num_steps = 2 * config.length
  depth = jnp.full(num_steps, case.num_layers)
  key_net, key_train, key_test = jax.random.split(key, 3)

  def episodes(key):
    x, y = jax.vmap(sample)(jax.random.split(key, config.batch_size))
    return x, (y, jnp.tile(depth, (config.batch_size, 1)))

  @jax.jit  # It is traced once.
  def exact(params, xs, ys):
    def one(x, y):
      return nf.training.exact_gradient(cell, networks.loss_fn, params, x, y)

    return jax.tree.map(lambda leaf: leaf.mean(axis=0), jax.vmap(one)(xs, ys))

  optimizer = optax.adam(config.learning_rate)

  def update(carry, key):
    params, state = carry
    grads = exact(params, *episodes(key)).grads
    updates, state = optimizer.update(grads, state)
    return (optax.apply_updates(params, updates), state), None

  params = networks.draw(cell, key_net, case)
  carry, along = (params, optimizer.init(params)), []
  for i, count in enumerate(np.diff(config.checkpoints, prepend=0)):
    if count:  # There is none before the first comparison.
      keys = jax.random.split(jax.random.fold_in(key_train, i), count)
      carry, _ = lax.scan(update, carry, keys)
    along.append(carry[0])
  along = jax.tree.map(lambda *leaves: jnp.stack(leaves), *along)
  data = episodes(key_test)

  def compare(params):
    loss, reference = exact(params, *data)
    found = []
    for make in _ESTIMATORS.values():
      estimator = make(cell, networks.loss_fn)
      online = jax.vmap(
        lambda x, y, estimator=estimator: nf.training.episode_gradient(
          estimator, params, key, x, y, segment=1
        ).grads["cell"]
      )(*data)
      online = jax.tree.map(lambda leaf: leaf.mean(axis=0), online)
      found.append(_compare(online, reference["cell"], case.num_layers))
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *found)
    return loss / config.length, *stacked

  return lax.map(compare, along)


def _compare(online, exact, num_layers):
  """Returns cosines, of all and of layers, and the last layer's error."""
  pairs = list(zip(online, exact, strict=True))
  cosines = jnp.stack([_cosine(*pair) for pair in pairs])
  norm = optax.tree.norm
  distances = jnp.stack([norm(optax.tree.sub(*pair)) for pair in pairs])
  norms = jnp.stack([norm(gradient) for gradient in exact])
  last = num_layers - 1
  down = last - jnp.arange(len(pairs))
  downwards = jnp.where(down >= 0, cosines[jnp.maximum(down, 0)], 0.0)
  return _cosine(online, exact), downwards, distances[last] / norms[last]


def _cosine(a, b):
  norms = optax.tree.norm(a) * optax.tree.norm(b)
  # Layers which no loss reaches have no gradient.
  is_zero = norms == 0
  return jnp.where(is_zero, 0, optax.tree.vdot(a, b) / (norms + is_zero))
