"""Trains networks on Murray's task by BPTT and by RTRL."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, settings, sweeps

_TIME_CONSTANT = 10.0  # tau, steps.
_GAIN = 1.5  # w_rec ~ gain N(0, 1) / sqrt(n).
_FLUSH_EVERY = 25  # Steps between two flushes of lazy RTRL.


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """The published setting, and how much of it is trained by which method."""

  num_units: settings.Count = 50  # n.
  # T, steps of a trial; the first is the initial state.
  num_steps: settings.Several = 100
  # Of w_rec and w_out, on the loss (1/2) MSE.
  learning_rate: settings.Positive = 0.03
  num_trials: settings.Count = 10_000  # In the notebook's direction.
  num_seeds: settings.Several = 10  # Networks trained in it.
  rtrl_num_trials: settings.Count = 200  # By RTRL and by BPTT.
  # How many of the same networks, by RTRL and by BPTT.
  rtrl_num_seeds: settings.Count = 2
  seed: settings.Seed = 0  # Of the initial weights.

  def rules(self) -> Iterator[tuple[bool, str]]:
    """Asks for networks that are trained in every way."""
    are_among = self.rtrl_num_seeds <= self.num_seeds
    yield are_among, "rtrl_num_seeds <= num_seeds"


class Results(NamedTuple):
  """The loss of each trial, before its update; R of S networks by RTRL."""

  shifted: np.ndarray  # In the direction of the notebook's BPTT  [S, N]
  bptt: np.ndarray  # [R, M]
  nudged: np.ndarray  # BPTT from weights changed in the last bit  [R, M]
  rtrl: np.ndarray  # [R, M]
  seconds: np.ndarray  # Of one trial of one network, BPTT and RTRL  [2]


def leaky_cell(num_units: int) -> nf.AffineCell:
  """h_t = h_tm1 + (tanh(W h_tm1) - h_tm1) / tau,  h_0 = 0.1."""
  normal = jax.nn.initializers.normal(_GAIN / num_units**0.5)

  def features(h_tm1, x_t):
    del x_t
    return h_tm1

  def activate(a, h_tm1):
    return h_tm1 + (jnp.tanh(a) - h_tm1) / _TIME_CONSTANT

  return nf.AffineCell(
    init=lambda key: normal(key, (num_units, num_units), float),
    initial_state=lambda: jnp.full(num_units, 0.1, float),
    step=nf.base.affine_step(features, activate),
    features=features,
    activate=activate,
    input_spec=jax.ShapeDtypeStruct((0,), jnp.float32),
  )


def target(num_steps: int) -> np.ndarray:
  """Returns the sum of sines [T] that the network shall draw."""
  phase = 2 * np.pi * np.arange(num_steps) / num_steps
  return np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.25 * np.sin(4 * phase)


def run(config: Config) -> Results:
  """Trains the same networks by BPTT and by RTRL."""
  keys = jax.random.split(jax.random.key(config.seed), config.num_seeds)
  params = sweeps.sweep(lambda key: start(key, config), keys, quick=True)
  first = jax.tree.map(lambda leaf: leaf[: config.rtrl_num_seeds], params)
  nudged = jax.tree.map(lambda leaf: np.nextafter(leaf, leaf + 1), first)
  both = jax.tree.map(lambda *leaves: np.concatenate(leaves), first, nudged)
  cell, few = leaky_cell(config.num_units), config.rtrl_num_trials
  truncated = nf.estimators.truncated_bptt
  jobs = {
    "shifted": (truncated(cell, _given_errors), params, config.num_trials),
    "BPTT": (truncated(cell, _loss), both, few),
    "RTRL": (
      nf.estimators.rtrl(cell, _loss, flush_every=_FLUSH_EVERY),
      first,
      few,
    ),
  }
  losses, seconds = [], []
  for name in progress.track(jobs, "Murray's task"):
    estimator, starts, num_trials = jobs[name]
    compiled = _make_fit(name, estimator, config, num_trials).lower(starts)
    compiled = compiled.compile()
    before = time.monotonic()
    losses.append(np.asarray(compiled(starts)))
    seconds.append((time.monotonic() - before) / losses[-1].size)
  shifted, bptt, rtrl = losses
  return Results(shifted, *np.split(bptt, 2), rtrl, np.array(seconds[1:]))


def start(key: jax.Array, config: Config) -> nf.base.Params:
  """Draws the weights of one network."""
  key_cell, key_readout = jax.random.split(key)
  shape, size = (config.num_units,), 0.1 / config.num_units**0.5
  return {
    "cell": leaky_cell(config.num_units).init(key_cell),
    "readout": jax.random.uniform(key_readout, shape, float, -size, size),
  }


def _loss(params, state_t, y_t):
  return 0.5 * (params["readout"] @ state_t - y_t) ** 2


def _given_errors(params, state_t, errors_t):
  # Linear, so that what comes back are the errors given: the next one to the
  # state, the present one to the readout.
  error_t, next_error = errors_t
  readout, state = lax.stop_gradient((params["readout"], state_t))
  return next_error * (readout @ state_t) + error_t * (
    params["readout"] @ state
  )


def _make_fit(
  name: str,
  estimator: nf.base.GradientEstimator,
  config: Config,
  num_trials: int,
) -> Callable[[nf.base.Params], jax.Array]:
  """Returns params [S, ...] -> the loss of each trial [S, N]."""
  cell, num_steps = leaky_cell(config.num_units), config.num_steps - 1
  y = jnp.asarray(target(config.num_steps)[1:], float)
  xs = jnp.zeros((num_steps, 0))
  # The notebook's mean is over T steps, the first of which has no error.
  rate = config.learning_rate / config.num_steps

  def trial(params, index):
    progress.tick(index, num_trials, "trials")
    errors = _outputs(cell, params, xs) - y
    shifted = errors, jnp.append(errors[1:], errors[-1])
    grads = nf.training.episode_gradient(
      estimator,
      params,
      jax.random.key(0),  # Nothing is drawn.
      xs,
      shifted if name == "shifted" else y,
      segment=1 if name == "RTRL" else num_steps,
    ).grads
    loss = 0.5 * jnp.sum(errors**2) / config.num_steps
    return optax.tree.add_scale(params, -rate, grads), loss

  def fit(params):
    return lax.scan(trial, params, jnp.arange(num_trials))[1]

  return sweeps.brisk_jit(jax.vmap(fit))


def _outputs(cell, params, xs):
  def body(state_tm1, x_t):
    state_t = cell.step(params["cell"], state_tm1, x_t)
    return state_t, params["readout"] @ state_t

  return lax.scan(body, cell.initial_state(), xs)[1]
