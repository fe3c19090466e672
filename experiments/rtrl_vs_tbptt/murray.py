"""Can real-time recurrent learning do what was left out for being slow?

Murray compares learning rules on one small task: 50 leaky tanh units without
input, all started at 0.1, shall draw a sum of three sines in 100 steps. His
notebook trains with BPTT and with his local rule, and leaves out RTRL "because
it's very slow". Lazy RTRL is the same gradient at O(n^3) a step instead of
O(n^4), so here it runs. What a student should take from it:

- RTRL and BPTT are one gradient computed in two orders. Where parameters change
  only after a trial, they give the same learning curve, up to rounding.
- Rounding does not stay small. The network starts in its chaotic regime (gain
  1.5) and crosses steep places of the loss; in some trial the two curves part,
  by a factor even, and so do two BPTT runs whose initial weights differ in the
  last bit (grey in the figure). A curve is reproducible to the last bit or in
  distribution, seldom in between. They meet again: both end at the same loss.
- One seed says little. The final losses of BPTT alone spread over a factor of
  ten, more than lies between the two published numbers, of BPTT and RFLO.

  python -m experiments.rtrl_vs_tbptt.murray --config.num_trials=1000

takes 30 seconds (--full, every seed by RTRL for all 10,000 trials: 15 minutes).
The quick setting trains by BPTT for the published 10,000 trials and by RTRL for
fewer. Numbers to expect: final losses between 2e-4 and 2e-3, their logarithms
0.26 decades apart.

The setting is that of the author's notebook, read there:

  h_t = h_{t-1} + (tanh(W h_{t-1} + W_in x_t) - h_{t-1}) / tau,  y_t = w_out h_t

for t = 1 ... 99; y_0 = 0 counts as the first output and is right; x = 0; no
bias (b is the random feedback of RFLO). Its "Err" is (1/2) mean_t error^2, half
the mean squared error; so is every loss here. Its BPTT sends w_out error_{t+1}
back from step t where the gradient has w_out error_t. The cosine of the two is
0.9996 at the start, but the end is lower, by 0.19 decades over 64 networks, so
this study also trains with the notebook's own direction ("shifted").
"""

import dataclasses
import math
import time

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import cli, progress, study
from experiments.rtrl_vs_tbptt import murray_claims as claims_lib
from experiments.rtrl_vs_tbptt import murray_figure as figure_lib


@dataclasses.dataclass(frozen=True)
class Config:
  """The published setting, and how much of it is trained by which method."""

  num_units: int = 50  # n.
  time_constant: float = 10.0  # tau, steps.
  num_steps: int = 100  # T, steps of a trial; the first is the initial state.
  gain: float = 1.5  # w_rec ~ gain N(0, 1) / sqrt(n).
  learning_rate: float = 0.03  # Of w_rec and w_out, on the loss (1/2) MSE.
  num_trials: int = 10_000  # By BPTT.
  num_seeds: int = 12  # Networks trained by BPTT.
  rtrl_num_trials: int = 400  # By RTRL.
  rtrl_num_seeds: int = 2  # How many of the same networks, by RTRL.
  flush_every: int = 25  # Steps between two flushes of lazy RTRL.
  seed: int = 0  # Of the initial weights.


def leaky_cell(
  *, num_units: int, time_constant: float, gain: float
) -> nf.AffineCell:
  """The leaky tanh cell, one input: a cell that the library does not have.

    h_t = h_tm1 + (tanh(W [h_tm1, x_t]) - h_tm1) / tau,  h_0 = 0.1

  The parameters enter as one matrix times one vector, so an `AffineCell` needs
  only what comes before the product and what comes after it.

  Args:
    num_units: n.
    time_constant: tau, in steps.
    gain: standard deviation of the recurrent weights times sqrt(n).

  Returns:
    The cell; parameters W [n, n + 1]; state h [n].
  """

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


def run(config: Config) -> dict[str, np.ndarray]:
  """Trains the same networks by BPTT and by RTRL.

  Args:
    config: the setting.

  Returns:
    The loss of each trial, before its update: `bptt` [S, N], `nudged` [S, M],
    BPTT from weights changed in the last bit, `shifted` [S, N], BPTT as in
    the notebook, and `rtrl` [R, M]; the outputs
    after training `bptt_outputs` [S, T], `rtrl_outputs` [R, T]; the `target`
    [T]; and `seconds`, for one trial of one network by BPTT and by RTRL.

  Raises:
    ValueError: if a setting is out of range.
  """
  _check(config)
  cell = leaky_cell(
    num_units=config.num_units,
    time_constant=config.time_constant,
    gain=config.gain,
  )
  shared = config.rtrl_num_seeds
  keys = jax.random.split(jax.random.key(config.seed), config.num_seeds)
  params = jax.vmap(lambda key: _init(config, cell, key))(keys)
  first = jax.tree.map(lambda leaf: leaf[:shared], params)
  nudged = jax.tree.map(lambda leaf: jnp.nextafter(leaf, jnp.inf), params)
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
  return {
    **{name: losses for name, (losses, _, _) in fits.items()},
    **{f"{name}_outputs": fits[name][1] for name in ("bptt", "rtrl")},
    "target": target(config.num_steps),
    "seconds": np.array([fits["bptt"][2], fits["rtrl"][2]]),
  }


def _check(config):
  for field in dataclasses.fields(config):
    value = getattr(config, field.name)
    if field.name != "seed" and not value > 0:
      raise ValueError(f"expected {field.name} > 0, got {field.name}={value!r}")
  if config.num_steps < 2:
    raise ValueError(f"expected num_steps >= 2, got {config.num_steps}")
  if config.rtrl_num_seeds > config.num_seeds:
    raise ValueError(
      "expected rtrl_num_seeds <= num_seeds, which are trained by BPTT, got "
      f"{config.rtrl_num_seeds} and {config.num_seeds}"
    )
  if config.rtrl_num_trials > config.num_trials:
    raise ValueError(
      "expected rtrl_num_trials <= num_trials, those of BPTT, got "
      f"{config.rtrl_num_trials} and {config.num_trials}"
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


def _timed(fit, params):
  """Returns losses [S, N], outputs [S, T], seconds per network and trial."""
  compiled = jax.jit(jax.vmap(fit)).lower(params).compile()
  start = time.monotonic()
  losses, outputs = jax.tree.map(np.asarray, compiled(params))
  return losses, outputs, (time.monotonic() - start) / losses.size


def _outputs(cell, params, num_steps):
  def body(state_tm1, x_t):
    state_t = cell.step(params["cell"], state_tm1, x_t)
    return state_t, params["readout"] @ state_t

  inputs = jnp.zeros((num_steps, 1))
  start = nf.base.initial_state(cell, params["cell"])
  _, outputs = lax.scan(body, start, inputs)
  return jnp.concatenate([jnp.zeros(1), outputs])


STUDY = study.Study(
  name="rtrl_vs_tbptt/murray",
  question="Can RTRL do what was left out for being slow?",
  Config=Config,
  run=run,
  claims=claims_lib.all_claims,
  plot=figure_lib.plot,
  full=Config(num_seeds=20, rtrl_num_trials=10_000, rtrl_num_seeds=20),
)

if __name__ == "__main__":
  cli.main(STUDY)
