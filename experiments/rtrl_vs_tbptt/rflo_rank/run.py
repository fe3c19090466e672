"""Trains linear networks, and looks at the rank of what they learned."""

import dataclasses
import functools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, settings, sweeps
from experiments.rtrl_vs_tbptt.rflo_rank import readings

_NUM_INPUTS = 3


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """The network, its teacher, and the training."""

  num_units: settings.Count = 12  # n, of the network and of its teacher.
  # m, of each task.
  num_outputs: settings.Ascending[settings.Count] = (1, 2, 4)
  decay: settings.Fraction = 0.3  # Of RFLO's traces, a step.
  num_steps: settings.Count = 10  # Of an episode.
  num_episodes: settings.Count = 4  # All of them are seen at every update.
  num_updates: settings.Several = 120  # Of gradient descent.
  learning_rate: settings.Positive = 0.01  # Of gradient descent.
  adam_rate: settings.Positive = 0.005  # Of Adam.
  num_seeds: settings.Several = 8  # Networks, each with a teacher of its own.
  seed: settings.Seed = 0  # Of networks, teachers, inputs and feedback.

  def rules(self) -> Iterator[tuple[bool, str]]:
    """Asks for a singular value beyond the bound."""
    yield self.num_outputs[-1] < self.num_units, "num_outputs < num_units"


class Results(NamedTuple):
  """What S networks learned from teachers of M numbers of outputs."""

  num_outputs: np.ndarray  # [M]
  # Of the change of the recurrent weights, by method.
  singular: dict[str, np.ndarray]  # [S, M, N]
  losses: dict[str, np.ndarray]  # Before and after, by method  [S, M, 2]
  # The same with the most outputs, from zero input and readout weights.
  from_zero: dict[str, np.ndarray]  # [S, 2]


class Method(NamedTuple):
  """How the gradient is found, and what is done with it."""

  estimator: nf.base.GradientEstimator
  optimizer: optax.GradientTransformation
  is_whole: bool = True  # Whether an episode is one segment, or each step.
  learns_readout: bool = True


def methods(config: Config) -> dict[str, Method]:
  """Returns all that are compared, by name."""
  make = {"num_inputs": _NUM_INPUTS, "num_units": config.num_units}
  cell, tanh = nf.cells.linear(**make), nf.cells.vanilla(**make)
  sgd = optax.sgd(config.learning_rate)
  # What Adam adds to its denominator is no part of the argument.
  adam = optax.adam(config.adam_rate, eps=1e-30)
  rflo = functools.partial(nf.estimators.rflo, decay=config.decay)
  random, truncated = rflo(cell, loss_fn), nf.estimators.truncated_bptt
  symmetric = rflo(cell, loss_fn, feedback="symmetric")
  return {
    readings.RANDOM: Method(random, sgd),
    readings.SYMMETRIC: Method(symmetric, sgd, learns_readout=False),
    readings.BPTT: Method(truncated(cell, loss_fn), sgd),
    readings.ONE_STEP: Method(truncated(cell, loss_fn), sgd, is_whole=False),
    readings.TANH: Method(rflo(tanh, loss_fn), sgd),
    readings.ADAM: Method(random, adam),
  }


def loss_fn(params: nf.base.Params, h_t: jax.Array, y_t: Any) -> jax.Array:
  """Returns half the squared error of the outputs that there are."""
  error = params["readout"] @ h_t - y_t.value
  return 0.5 * jnp.sum(y_t.weight * error**2)


def run(config: Config) -> Results:
  """Trains with every method."""
  keys = jax.random.split(jax.random.key(config.seed), config.num_seeds)
  most = config.num_outputs[-1]
  # The most outputs once more, from zero.
  numbers = np.array([*config.num_outputs, most])
  is_zero = np.arange(len(numbers)) == len(numbers) - 1
  singular, losses, from_zero = {}, {}, {}
  with jax.enable_x64(True):
    over = jax.vmap(lambda *args: draw(config, *args), (None, 0, 0))
    drawn = sweeps.sweep(
      lambda key: over(key, numbers, is_zero), keys, quick=True
    )
    for name, method in progress.track(methods(config).items(), "methods"):
      learn = jax.vmap(learner(config, method), (0, 0, None))
      values, found = sweeps.sweep(learn, *drawn, keys, quick=True)
      singular[name], losses[name] = values[:, :-1], found[:, :-1]
      from_zero[name] = found[:, -1]
  return Results(numbers[:-1], singular, losses, from_zero)


def draw(
  config: Config, key: jax.Array, num_outputs: jax.Array, is_zero: jax.Array
) -> tuple[nf.base.Params, nf.Episode]:
  """Returns a network, and episodes of a teacher [E, T, ...]."""
  key_network, key_teacher, key_x = jax.random.split(key, 3)
  cell = nf.cells.linear(num_inputs=_NUM_INPUTS, num_units=config.num_units)
  most, scale = config.num_outputs[-1], math.sqrt(config.num_units)

  def network(key):
    key_cell, key_readout = jax.random.split(key)
    weights = cell.init(key_cell).astype(float)
    # Half of an orthogonal recurrence: what is past fades.
    weights = weights.at[:, : config.num_units].multiply(0.5)
    readout = jax.random.normal(key_readout, (most, config.num_units), float)
    return {"cell": weights, "readout": readout / scale}

  def episode(x):
    def body(h, x_t):
      h = cell.step(teacher["cell"], h, x_t)
      return h, teacher["readout"] @ h

    return jax.lax.scan(body, jnp.zeros(config.num_units, float), x)[1]

  teacher = network(key_teacher)
  shape = config.num_episodes, config.num_steps
  x = jax.random.normal(key_x, (*shape, _NUM_INPUTS), float)
  used = jnp.asarray(jnp.arange(most) < num_outputs, float)
  weight = jnp.broadcast_to(used, (*shape, most))
  y = nf.Target(jax.vmap(episode)(x), weight)
  start = network(key_network)
  recurrent = start["cell"].at[:, config.num_units :].set(0)
  start["cell"] = jnp.where(is_zero, recurrent, start["cell"])
  return start, nf.Episode(x, y)


def learner(config: Config, method: Method) -> Any:
  """Returns what trains one network on one number of outputs."""

  def learn(start, episodes, key):
    if method.learns_readout:  # From zero it aligns with the feedback.
      start = start | {"readout": jnp.zeros_like(start["readout"])}
    # The same at every update, so that the feedback is.
    key_feedback = jax.random.fold_in(key, 1)

    def gradient(params):
      def one(episode):
        return nf.training.episode_gradient(
          method.estimator,
          params,
          key_feedback,
          *episode,
          segment=config.num_steps if method.is_whole else 1,
        )

      estimates = jax.vmap(one)(episodes)
      mean = jax.tree.map(lambda leaf: jnp.mean(leaf, 0), estimates)
      return optax.tree.scale(1 / config.num_steps, mean)

    def body(carry, _):
      params, state = carry
      loss, grads = gradient(params)
      updates, state = method.optimizer.update(grads, state, params)
      updates["readout"] *= method.learns_readout
      return (optax.apply_updates(params, updates), state), loss

    carry = start, method.optimizer.init(start)
    (end, _), losses = jax.lax.scan(body, carry, length=config.num_updates)
    change = (end["cell"] - start["cell"])[:, : config.num_units]
    values = jnp.linalg.svd(change, compute_uv=False)
    return values, losses[jnp.array([0, -1])]

  return learn
