"""How far back does a gradient reach, and does it decide learning?

g_k = norm(d loss_T / d s_{T-k}) of simple, gated and diagonal networks, at the
start and after training. LSTMs "were developed in order to circumvent the
vanishing gradient problem" (S. Sikdar, section 5.2). What a student should take
from the figure:

- A simple network multiplies the gradient at every step by at most lambda_1
  gamma, its largest singular value times the largest slope (Pascanu et al.).
  The bound is attained by orthogonal matrices where the slopes are largest, and
  a little noise at the input is enough to fall far below it. Eigenvalues bound
  nothing: a network with all of them 0 can explode.
- An LSTM's gates alone are no cure. Its memory keeps sigmoid(b) per step, b the
  forget bias, and what goes round through the gates adds at most 1/4 at rest:
  with b = 0 it forgets faster than an orthogonal tanh network, at the start as
  fast as a GRU. With b = 3, or once training has opened the gates, it keeps.
- Copying is learned by linear recurrences which keep everything, orthogonal or
  diagonal (LRU). tanh networks and LSTMs stay at the floor of networks without
  memory, also the LSTM whose gradient does not vanish: a gradient that arrives
  is necessary, not sufficient. Adding, which needs one gate, LSTMs learn.
- Temporal order: with clipping and the regulariser Omega every run gets there
  in about a thousand updates; without, some stay with one letter of two known.

  python -m experiments.gradient_flow.recurrent --config.omega_weight=2

takes 35 seconds (--full: a quarter of an hour). Numbers to expect: factors per
step at the start 0.74, 0.94, 1.04 for LSTMs with forget bias 0, 1, 3; copying
0.04 against a floor of 0.347; 1,200 updates with Omega, published 2,000.

Temporal order is in the published setting (50 "smart tanh" units, batches of
20, learning rate 0.01, threshold 1, alpha 4), but for 2,000 updates, where SGD
takes 21,000 and clipping 11,000. In 30,000 (--full) these are not as
published: four runs of five get there with SGD, three within 5,000 updates and
one after 27,500, and three with clipping, within 10,000. The second letter
stands in the fifth tenth of the sequence in the text, in the sixth in the code
(`second_tenth`); equation 9 compares norms, equation 10 and the code their
squares (`squared_norms`).

Copying is over T = 20 blanks, and as published over 100 in --full (there with
RMSProp at 0.001, batches of 20; but 40 units, and the gradient clipped as a
whole, not by entries). An orthogonal matrix which training may move, and the
LRU, both linear, stand for the unitary network.
"""

import dataclasses

import jax
import numpy as np

from experiments import cli, progress, study
from experiments.gradient_flow import recurrent_bounds as bounds
from experiments.gradient_flow import recurrent_claims as claims_lib
from experiments.gradient_flow import recurrent_figure as figure_lib
from experiments.gradient_flow import recurrent_lags as lags_lib
from experiments.gradient_flow import recurrent_networks as networks
from experiments.gradient_flow import recurrent_order as order

_NUM_POINTS = 20  # Of a learning curve.
_NUM_SAMPLES = 2000  # Of the adding problem, to see its floor.


@dataclasses.dataclass(frozen=True)
class Config:
  """The networks and tasks; temporal order has settings of its own."""

  num_units: int = 24  # N, real numbers of a network's output; even.
  num_seeds: int = 3  # Networks of each kind.
  learning_rate: float = 0.002  # Of RMSProp on copy and adding.
  batch_size: int = 10  # Episodes of an update, copy and adding.
  copy_length: int = 5  # Symbols to be repeated, of an alphabet of 8.
  copy_delay: int = 20  # Blanks between, steps.
  copy_updates: int = 600
  adding_steps: int = 20  # Length of a sequence of the adding problem.
  adding_updates: int = 300
  # Largest singular values in units of 1 / gamma, ascending; the bound says
  # something below 1.
  gains: tuple[float, ...] = (0.5, 0.9, 1.5)
  # Standard deviations of the input noise, ascending, the first 0.
  input_scales: tuple[float, ...] = (0.0, 0.1, 1.0)
  order_steps: int = 20  # Length of a sequence of temporal order, at least 10.
  # The tenth of the sequence with the second letter: 5 in the authors' code, 4
  # in their text.
  second_tenth: int = 5
  order_units: int = 50
  order_updates: int = 2000
  check_every: int = 100  # Updates between two tests of temporal order.
  num_tests: int = 1000  # Sequences of a test.
  order_seeds: int = 3
  order_batch_size: int = 20
  order_learning_rate: float = 0.01  # Of SGD.
  clip_norm: float = 1.0  # Of the gradient, temporal order.
  omega_weight: float = 4.0  # alpha.
  squared_norms: bool = True  # Omega of equation 10 and the code, not 9.
  seed: int = 0


def run(config: Config) -> dict[str, np.ndarray]:
  """Measures gradients by lag, and trains.

  Args:
    config: the setting.

  Returns:
    What `lags_lib.measure_all` returns for the networks `names` [V] on the
    copy task; training losses `copy_losses` [V, S, P], `adding_losses` [3, S,
    P]; the cost of a guess on their episodes, `copy_guess`, `adding_guess`;
    what `bounds.measure` and `order.measure` return; and some of `config`.

  Raises:
    ValueError: if a setting is out of range.
  """
  _check(config)
  keys = jax.random.split(jax.random.key(config.seed), 3)
  results = {}
  parts = {
    "bounds": lambda: bounds.measure(
      config.gains,
      config.input_scales,
      num_units=config.num_units,
      num_steps=_copy_job(config).num_steps,
      num_seeds=config.num_seeds,
      seed=config.seed,
    ),
    "copy": lambda: _copy(config, keys[0]),
    "adding": lambda: _adding(config, keys[1]),
    "temporal order": lambda: order.measure(_order_setting(config), keys[2]),
  }
  for part in progress.track(parts, "gradient by lag"):
    results |= parts[part]()
  kept = "copy_length", "copy_delay", "gains", "input_scales", "order_updates"
  return results | {name: np.array(getattr(config, name)) for name in kept}


def _check(config):
  for name in ("num_seeds", "order_seeds"):
    if getattr(config, name) < 2:
      raise ValueError(
        f"expected {name} >= 2 for a standard error, got "
        f"{getattr(config, name)}"
      )
  counts = (
    "batch_size",
    "copy_length",
    "copy_updates",
    "adding_updates",
    "order_units",
    "check_every",
    "num_tests",
    "order_batch_size",
  )
  for name in counts:
    if getattr(config, name) < 1:
      raise ValueError(f"expected {name} >= 1, got {getattr(config, name)}")
  if config.num_units < 2 or config.num_units % 2:
    raise ValueError(
      f"expected num_units even and >= 2, got {config.num_units}"
    )
  if config.copy_delay < 2:
    raise ValueError(f"expected copy_delay >= 2, got {config.copy_delay}")
  for name in ("copy_updates", "adding_updates"):
    if getattr(config, name) % _NUM_POINTS:
      raise ValueError(
        f"expected {name} to be a multiple of {_NUM_POINTS}, the points of a "
        f"curve, got {getattr(config, name)}"
      )
  if config.order_updates < 1 or config.order_updates % config.check_every:
    raise ValueError(
      f"expected order_updates to be a multiple of check_every = "
      f"{config.check_every}, got {config.order_updates}"
    )
  gains, scales = config.gains, config.input_scales
  ascending = list(gains) == sorted(set(gains))
  if not gains or not ascending or not 0 < gains[0] < 1 < gains[-1]:
    raise ValueError(
      f"expected positive gains, ascending, on both sides of 1, got {gains}"
    )
  if not scales or scales[0] != 0 or list(scales) != sorted(set(scales)):
    raise ValueError(f"expected input_scales ascending from 0, got {scales}")
  order.make_task(_order_setting(config))  # These check their own sizes.
  _adding_job(config)


def _copy_job(config):
  return networks.copy_job(
    length=config.copy_length,
    delay=config.copy_delay,
    num_updates=config.copy_updates,
  )


def _adding_job(config):
  return networks.adding_job(
    num_steps=config.adding_steps, num_updates=config.adding_updates
  )


def _order_setting(config):
  return order.Setting(
    num_steps=config.order_steps,
    second_tenth=config.second_tenth,
    num_units=config.order_units,
    num_updates=config.order_updates,
    check_every=config.check_every,
    num_tests=config.num_tests,
    num_seeds=config.order_seeds,
    batch_size=config.order_batch_size,
    learning_rate=config.order_learning_rate,
    clip_norm=config.clip_norm,
    omega_weight=config.omega_weight,
    squared_norms=config.squared_norms,
  )


def _train(config, job, families, key):
  """Returns parameters before and after, and learning curves [V, S, P]."""
  key_start, key_train = jax.random.split(key)
  names = [n for n, net in networks.NETWORKS.items() if net.family in families]
  start = networks.start(
    job,
    names,
    key_start,
    num_units=config.num_units,
    num_seeds=config.num_seeds,
  )
  trained, losses = {}, []
  for family in progress.track(families, job.name):
    params, curves = networks.train(
      job,
      family,
      start,
      key_train,
      learning_rate=config.learning_rate,
      batch_size=config.batch_size,
    )
    trained |= params
    losses.append(curves)
  losses = np.concatenate(losses)
  return (
    start,
    trained,
    losses.reshape(*losses.shape[:2], _NUM_POINTS, -1).mean(-1),
  )


def _copy(config, key):
  job = _copy_job(config)
  key_train, key_data = jax.random.split(key)
  start, trained, losses = _train(config, job, networks.FAMILIES, key_train)
  episodes = _episodes(job, key_data, config.num_seeds)
  labels, counts = episodes.y.value[:, -1], episodes.y.weight
  asked = counts * (episodes.y.value < 8)  # 8 is the blank.
  return {
    "names": np.array(list(networks.NETWORKS)),
    "copy_losses": losses,
    "copy_guess": np.log(8) * asked.sum(axis=1) / counts.sum(axis=1),
    **lags_lib.measure_all(start, trained, episodes.x, labels),
  }


def _adding(config, key):
  job = _adding_job(config)
  key_train, key_data = jax.random.split(key)
  _, _, losses = _train(config, job, ("lstm",), key_train)
  episodes = _episodes(job, key_data, _NUM_SAMPLES)
  errors = (episodes.y.value[:, -1] - 1.0) ** 2
  return {"adding_losses": losses, "adding_guess": errors}


def _episodes(job, key, num_episodes):
  sample = jax.jit(
    jax.vmap(job.task.sample), compiler_options=networks.QUICK_COMPILER
  )
  return jax.tree.map(np.asarray, sample(jax.random.split(key, num_episodes)))


STUDY = study.Study(
  name="gradient_flow/recurrent",
  question="How far back does a gradient reach, and does it decide learning?",
  Config=Config,
  run=run,
  claims=claims_lib.all_claims,
  plot=figure_lib.plot,
  full=Config(
    num_units=40,
    num_seeds=5,
    learning_rate=0.001,
    batch_size=20,
    copy_length=10,
    copy_delay=100,
    copy_updates=3000,
    adding_steps=100,
    adding_updates=4000,
    order_updates=30_000,
    check_every=250,
    num_tests=10_000,
    order_seeds=5,
  ),
)

if __name__ == "__main__":
  cli.main(STUDY)
