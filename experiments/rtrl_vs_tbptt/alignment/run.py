"""Compares every estimator with the exact gradient along training."""

import dataclasses
import math
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, settings, sweeps
from experiments.rtrl_vs_tbptt.alignment import methods, problems, readings

_KEYS_AT_A_TIME = 32  # More would need the memory of all at once.


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """Networks and tasks, and where along training gradients are compared."""

  # The first cell is compared on all tasks, the others on the first task.
  cells: tuple[str, ...] = (readings.VANILLA, readings.SPARSE)
  tasks: tuple[str, ...] = problems.QUICK  # What networks learn.
  estimators: tuple[str, ...] = methods.QUICK  # Those compared.
  num_units: settings.Count = 24  # n, of each layer.
  num_steps: settings.Count = 50  # T of an episode.
  # How many updates with the exact gradient come before a comparison.
  checkpoints: settings.Ascending[settings.Whole] = (0, 30, 120)
  batch_size: settings.Count = 4  # Episodes for an update.
  learning_rate: settings.Positive = 0.01  # Of Adam.
  num_keys: settings.Several = 16  # Estimates by each random estimator.
  num_seeds: settings.Several = 8  # Networks, each with episodes of its own.
  seed: settings.Seed = 0  # Of networks, episodes and estimators.

  def rules(self) -> Iterator[tuple[bool, str]]:
    """Refuses names that are not there, and lengths that do not fit."""
    yield self.cells[0] == readings.VANILLA, f"cells from {readings.VANILLA!r}"
    known = set(methods.TABLE)
    yield set(self.estimators) <= known, f"estimators among {sorted(known)}"
    known = {cell for method in methods.TABLE.values() for cell in method.cells}
    yield set(self.cells) <= known, f"cells among {sorted(known)}"
    known = set(problems.TASKS)
    yield set(self.tasks) <= known, f"tasks among {sorted(known)}"
    yield (
      self.checkpoints[0] == 0 < self.checkpoints[-1],
      "checkpoints from 0, and one after",
    )
    yield self.num_steps % 10 == 0, "num_steps to be a multiple of 10"


class Errors(NamedTuple):
  """Of estimates of the gradient by the cell's parameters; relative ones."""

  cosine: np.ndarray  # Of the mean and the exact gradient  [S, R, C]
  cosine_of_one: np.ndarray  # Mean over single estimates  [S, R, C]
  norm_ratio: np.ndarray  # Norm of the mean by the exact  [S, R, C]
  projection: np.ndarray  # Of the mean on the exact, 1 is right  [S, R, C]
  bias: np.ndarray  # Distance of the mean  [S, R, C]
  standard_error: np.ndarray  # Of the mean; 0 if not random  [S, R, C]
  deviation: np.ndarray  # Distance of one estimate, rms  [S, R, C]
  # Share of the parameters with a gradient to which no estimate gives any
  dead: np.ndarray  # [S, R, C]


class Results(NamedTuple):
  """Errors of R estimators, C times along training of S networks."""

  estimator: np.ndarray  # [R]
  task: np.ndarray  # [R]
  cell: np.ndarray  # [R]
  is_random: np.ndarray  # [R]
  checkpoints: np.ndarray  # Updates before each comparison  [C]
  num_keys: np.ndarray  # Estimates by each random estimator  []
  losses: np.ndarray  # Of the episodes compared on, mean over steps  [S, R, C]
  errors: Errors


def run(config: Config) -> Results:
  """Compares every estimator with the exact gradient along training."""
  work = [
    (cell, name)
    for cell in config.cells
    for name in config.estimators
    if cell in methods.TABLE[name].cells
  ]
  rows, losses, errors, before = [], [], [], None
  for cell, name in progress.track(work, "estimators"):
    tasks = config.tasks if cell == config.cells[0] else config.tasks[:1]
    if cell != before:
      before, network = cell, problems.network(cell, config.num_units)
      points, exact = _draw(config, network, tasks)
    method = methods.TABLE[name]
    rows += [(name, task, cell, method.is_random) for task in tasks]
    losses.append(exact.loss / config.num_steps)
    errors.append(_compare(config, network, method, points, exact))
  return Results(
    *map(np.array, zip(*rows, strict=True)),
    np.array(config.checkpoints),
    np.array(config.num_keys),
    np.concatenate(losses, axis=1),
    jax.tree.map(lambda *e: np.concatenate(e, axis=1), *errors),
  )


def _draw(config, network, tasks):
  """Returns points [S, Q, ...] and exact gradients [S, Q, C, ...] there."""

  def one(key, index):
    points = problems.points(
      *network,
      problems.sampler(tasks, config.num_steps, index),
      key,
      checkpoints=config.checkpoints,
      batch_size=config.batch_size,
      learning_rate=config.learning_rate,
    )

    def exact(params):
      return nf.training.exact_gradient(*network, params, *points.episode)

    return points, lax.map(exact, points.params)

  keys = jax.random.split(jax.random.key(config.seed), config.num_seeds)
  over_tasks = jax.vmap(one, (None, 0))
  return _sweep(
    config, lambda key: over_tasks(key, np.arange(len(tasks))), keys
  )


def _compare(config, network, method, points, exact):
  """Returns errors [S, Q, C] of one estimator."""
  estimator = method.make(*network)
  num_keys = config.num_keys if method.is_random else 1

  def at(episode, params, exact, key):
    def gradient(key):
      estimate = nf.training.episode_gradient(
        estimator,
        params,
        key,
        *episode,
        segment=method.segment or config.num_steps,
      )
      return estimate.grads["cell"]

    keys = jax.random.split(key, num_keys)
    batch_size = min(num_keys, _KEYS_AT_A_TIME)
    return errors_of(lax.map(gradient, keys, batch_size=batch_size), exact)

  def one(points, exact, key):
    keys = jax.random.split(key, len(config.checkpoints))
    along = points.params, exact.grads["cell"], keys
    return lax.map(lambda now: at(points.episode, *now), along)

  # One axis of members: each further vmap takes its time to trace.
  shape = exact.loss.shape[:2]
  points, exact = jax.tree.map(
    lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), (points, exact)
  )
  keys = jax.random.fold_in(jax.random.key(config.seed), 1)
  keys = jax.random.split(keys, math.prod(shape))
  found = _sweep(config, one, points, exact, keys, is_heavy=method.is_random)
  return jax.tree.map(lambda leaf: leaf.reshape(*shape, -1), found)


def _sweep(config, fn, *members, is_heavy=False):
  quick = not is_heavy and config.num_units < 64
  return sweeps.sweep(fn, *members, quick=quick)


def errors_of(estimates: nf.base.Params, exact: nf.base.Params) -> Errors:
  """Returns errors of estimates, leaves [N, ...]."""
  base = nf.diagnostics.estimator_error(estimates, exact)
  mean = jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), estimates)
  size = optax.tree.norm(exact)

  def cosine(estimate):
    product = optax.tree.vdot(estimate, exact)
    return product / (optax.tree.norm(estimate) * size)

  return Errors(
    cosine=base.cosine,
    cosine_of_one=jnp.mean(jax.vmap(cosine)(estimates)),
    norm_ratio=optax.tree.norm(mean) / size,
    projection=optax.tree.vdot(mean, exact) / size**2,
    bias=base.relative_bias,
    standard_error=jnp.nan_to_num(base.standard_error),
    deviation=base.relative_deviation,
    dead=_dead_share(estimates, exact),
  )


def _dead_share(estimates, exact):
  """Of entries that are not 0, those for which all estimates are."""
  live = jax.tree.map(lambda leaf: leaf != 0, exact)
  dead = jax.tree.map(
    lambda is_live, leaf: is_live & jnp.all(leaf == 0, axis=0), live, estimates
  )
  num_dead, num_live = (
    sum(jnp.sum(leaf) for leaf in jax.tree.leaves(t)) for t in (dead, live)
  )
  return num_dead / num_live
