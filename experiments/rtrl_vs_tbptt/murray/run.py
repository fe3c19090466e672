"""Trains networks on Murray's task by BPTT and by RTRL."""

import dataclasses
import math
import time
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, settings


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """The published setting, and how much of it is trained by which method."""

  num_units: settings.Count = 50  # n.
  time_constant: settings.Positive = 10.0  # tau, steps.
  # T, steps of a trial; the first is the initial state.
  num_steps: settings.Count = 100
  gain: settings.Positive = 1.5  # w_rec ~ gain N(0, 1) / sqrt(n).
  # Of w_rec and w_out, on the loss (1/2) MSE.
  learning_rate: settings.Positive = 0.03
  num_trials: settings.Count = 10_000  # By BPTT.
  num_seeds: settings.Count = 12  # Networks trained by BPTT.
  rtrl_num_trials: settings.Count = 400  # By RTRL.
  rtrl_num_seeds: settings.Count = 2  # How many of the same networks, by RTRL.
  flush_every: settings.Count = 25  # Steps between two flushes of lazy RTRL.
  seed: settings.Seed = 0  # Of the initial weights.

  def __post_init__(self) -> None:
    """Refuses what RTRL could not be compared with."""
    super().__post_init__()
    settings.require(
      self.num_seeds >= 2 and self.num_steps >= 2,
      "num_seeds >= 2 and num_steps >= 2",
      num_seeds=self.num_seeds,
      num_steps=self.num_steps,
    )
    settings.require(
      self.rtrl_num_seeds <= self.num_seeds,
      "rtrl_num_seeds <= num_seeds, which are trained by BPTT",
      rtrl_num_seeds=self.rtrl_num_seeds,
      num_seeds=self.num_seeds,
    )
    settings.require(
      self.rtrl_num_trials <= self.num_trials,
      "rtrl_num_trials <= num_trials, those of BPTT",
      rtrl_num_trials=self.rtrl_num_trials,
      num_trials=self.num_trials,
    )


class Results(NamedTuple):
  """What is kept; S networks by BPTT, R <= S of them by RTRL."""

  bptt: np.ndarray  # Loss of each trial, before its update  [S, N]
  nudged: np.ndarray  # The same from weights changed in the last bit  [R, M]
  shifted: np.ndarray  # In the direction of the notebook's BPTT  [S, N]
  rtrl: np.ndarray  # By RTRL  [R, M]
  bptt_outputs: np.ndarray  # After training  [S, T]
  rtrl_outputs: np.ndarray  # After training  [R, T]
  target: np.ndarray  # [T]
  seconds: np.ndarray  # Of one trial of one network, BPTT and RTRL  [2]


def leaky_cell(
  *, num_units: int, time_constant: float, gain: float
) -> nf.AffineCell:
  """h_t = h_tm1 + (tanh(W [h_tm1, x_t]) - h_tm1) / tau,  h_0 = 0.1."""

  def init(key):
    key_recurrent, key_input = jax.random.split(key)
    recurrent = jax.random.normal(key_recurrent, (num_units, num_units))
    return jnp.concatenate(
      [
        gain * recurrent / math.sqrt(num_units),
        jax.random.uniform(key_input, (num_units, 1), minval=-0.1, maxval=0.0),
      ],
      axis=1,
    )

  def features(h_tm1, x_t):
    return jnp.concatenate([h_tm1, x_t])

  def activate(a, h_tm1):
    return h_tm1 + (jnp.tanh(a) - h_tm1) / time_constant

  return nf.AffineCell(
    init=init,
    initial_state=lambda: jnp.full(num_units, 0.1, float),
    step=nf.base.affine_step(features, activate),
    features=features,
    activate=activate,
    input_spec=jax.ShapeDtypeStruct((1,), jnp.float32),
  )


def target(num_steps: int) -> np.ndarray:
  """Returns the sum of sines [T] that the network shall draw."""
  phase = 2 * np.pi * np.arange(num_steps) / num_steps
  return np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.25 * np.sin(4 * phase)


def run(config: Config) -> Results:
  """Trains the same networks by BPTT and by RTRL."""
  cell = leaky_cell(
    num_units=config.num_units,
    time_constant=config.time_constant,
    gain=config.gain,
  )
  keys = jax.random.split(jax.random.key(config.seed), config.num_seeds)
  params = jax.vmap(lambda key: _init(config, cell, key))(keys)
  first = jax.tree.map(lambda leaf: leaf[: config.rtrl_num_seeds], params)
  nudged = jax.tree.map(lambda leaf: jnp.nextafter(leaf, jnp.inf), first)
  bptt = nf.estimators.truncated_bptt(cell, _loss)
  rtrl = nf.estimators.rtrl(cell, _loss, flush_every=config.flush_every)
  whole, fewer = config.num_steps - 1, config.rtrl_num_trials
  jobs = {
    "bptt": (_make_fit(config, cell, bptt, whole, config.num_trials), params),
    "nudged": (_make_fit(config, cell, bptt, whole, fewer), nudged),
    "shifted": (_make_shifted_fit(config, cell), params),
    "rtrl": (_make_fit(config, cell, rtrl, 1, fewer), first),
  }
  fits = {
    name: _timed(*job)
    for name, job in progress.track(jobs.items(), "Murray's task")
  }
  return Results(
    **{name: fit.losses for name, fit in fits.items()},
    bptt_outputs=fits["bptt"].outputs,
    rtrl_outputs=fits["rtrl"].outputs,
    target=target(config.num_steps),
    seconds=np.array([fits["bptt"].seconds, fits["rtrl"].seconds]),
  )


def _init(config, cell, key):
  key_cell, key_readout = jax.random.split(key)
  size = 0.1 / math.sqrt(config.num_units)
  shape = (config.num_units,)
  readout = jax.random.uniform(key_readout, shape, minval=-size, maxval=size)
  return {"cell": cell.init(key_cell), "readout": readout}


def _loss(params, state_t, y_t):
  return 0.5 * (params["readout"] @ state_t - y_t) ** 2


def _targets(config):
  return jnp.asarray(target(config.num_steps)[1:], float)


def _optimizer(config):
  # The notebook's mean is over T steps, the first of which has no error.
  share = (config.num_steps - 1) / config.num_steps
  return optax.sgd(share * config.learning_rate), share


def _make_fit(config, cell, estimator, segment, num_trials):
  """Returns params -> (loss of each trial [N], outputs at the end [T])."""
  y = _targets(config)
  task = nf.Task(lambda key: nf.Episode(jnp.zeros((len(y), 1)), y))
  optimizer, share = _optimizer(config)

  def fit(params):
    key = jax.random.key(0)  # Nothing here is drawn.
    state = nf.training.episodes_init(optimizer, params, key)
    state, losses = nf.training.train_episodes(
      estimator,
      optimizer,
      task,
      state,
      num_episodes=num_trials,
      segment=segment,
      on_update=lambda i, *_: progress.tick(i, num_trials, "trials"),
    )
    return share * losses, _outputs(cell, state.params, len(y))

  return fit


def _make_shifted_fit(config, cell):
  """Returns the same for the direction in which the notebook's BPTT goes."""
  y = _targets(config)
  optimizer, share = _optimizer(config)

  def loss_fn(params, state_t, errors_t):
    # Linear, so that what comes back are the errors given: the next one to the
    # state, the present one to the readout.
    error_t, next_error = errors_t
    readout, state = lax.stop_gradient((params["readout"], state_t))
    return next_error * (readout @ state_t) + error_t * (
      params["readout"] @ state
    )

  bptt = nf.estimators.truncated_bptt(cell, loss_fn)

  def trial(carry, index):
    progress.tick(index, config.num_trials, "trials")
    params, state = carry
    errors = _outputs(cell, params, len(y))[1:] - y
    shifted = jnp.append(errors[1:], errors[-1])
    estimate = nf.training.episode_gradient(
      bptt,
      params,
      jax.random.key(0),
      jnp.zeros((len(y), 1)),
      (errors, shifted),
      segment=len(y),
    )
    grads = optax.tree.scale(1 / len(y), estimate.grads)
    updates, state = optimizer.update(grads, state, params)
    loss = 0.5 * share * jnp.mean(errors**2)
    return (optax.apply_updates(params, updates), state), loss

  def fit(params):
    start = params, optimizer.init(params)
    (params, _), losses = lax.scan(trial, start, jnp.arange(config.num_trials))
    return losses, _outputs(cell, params, len(y))

  return fit


class _Fit(NamedTuple):
  losses: np.ndarray  # [S, N]
  outputs: np.ndarray  # [S, T]
  seconds: float  # For one trial of one network.


def _timed(fit, params):
  compiled = jax.jit(jax.vmap(fit)).lower(params).compile()
  start = time.monotonic()
  losses, outputs = jax.tree.map(np.asarray, compiled(params))
  return _Fit(losses, outputs, (time.monotonic() - start) / losses.size)


def _outputs(cell, params, num_steps):
  def body(state_tm1, x_t):
    state_t = cell.step(params["cell"], state_tm1, x_t)
    return state_t, params["readout"] @ state_t

  inputs = jnp.zeros((num_steps, 1))
  start = nf.base.initial_state(cell, params["cell"])
  _, outputs = lax.scan(body, start, inputs)
  return jnp.concatenate([jnp.zeros(1), outputs])
