"""Which truncation window learns which dependency?

The target y_t = 0.5 + 0.5 x_{t - t1} - 0.25 x_{t - t2} needs two coins of the
past, so the loss of a predictor tells what it knows: 0.6616 nats nothing,
0.5192 the first coin, 0.6277 the second, 0.4545 both. A window of k steps holds
x_{t - d} only for d < k; so one expects a staircase of floors, the first step
at k = t1 + 1 and the second at k = t2 + 1. What a student should take from the
figure instead:

- The state remembers what the gradient cannot see. A random orthogonal
  recurrence keeps coins for several steps, and a readout alone learns from them
  (the control with frozen recurrent weights); the immediate gradient, k = 1,
  uses both coins of (4, 6). Truncation does not make an n-gram model.
- There is one step, not two. With t1 inside the window t2 is learned as well,
  however far beyond the window it is.
- A window that ends just short of t1 is worse than none. To its gradient the
  coins inside the window are noise, because no target depends on them yet, and
  the same weights carry the coins that matter: the network first learns, then
  unlearns what it had, down to the floor of a network without memory, and ends
  below the network whose recurrence was never trained. At k = t1 the coin is
  just visible, in the state from which the window starts: some seeds hold it.
- Exact credit (lazy RTRL) has no such length to choose and reaches the floor.

  python -m experiments.rtrl_vs_tbptt.delayed_addition --config.num_units=64

takes 35 seconds (--full: 7 minutes). The setting is Marschall, Cho & Savin's:
32 tanh units, orthogonal start, plain SGD at every step of one stream. --full
has their learning rate 0.001 for their 1e5 steps, where unlearning has only
begun, and 0.03 beside it; the quick setting is 0.03 for 3.6e4 steps, to see the
end (at 0.06 even the exact gradient diverges for some seeds). Numbers to expect
at 0.03: RTRL 0.455 and 0.457; windows of t1 - 1 steps 0.63 and 0.68, of t1 + 1
steps 0.455 and 0.458.
"""

import dataclasses
import math

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import cli, progress, study
from experiments.rtrl_vs_tbptt import delayed_addition_claims as claims_lib
from experiments.rtrl_vs_tbptt import delayed_addition_figure as figure_lib
from experiments.rtrl_vs_tbptt import delayed_addition_theory as theory

_NUM_BLOCKS = 50  # Points of a learning curve.
_WARM_UP = 50  # Steps of the held-out stream which only fill the state.


@dataclasses.dataclass(frozen=True)
class Config:
  """The network, its training, and the truncations."""

  num_units: int = 32  # n.
  num_steps: int = 36_000  # Length of the training stream.
  # Of SGD, per step of the stream; claims on truncation are about the largest.
  learning_rates: tuple[float, ...] = (0.03,)
  delays: tuple[int, ...] = (4, 6, 6, 10)  # t1, t2 of each task in turn, steps.
  windows: tuple[int, ...] = (1, 3, 4, 5, 6, 7)  # k of BPTT(1, k), steps.
  segments: tuple[int, ...] = (5, 10)  # K of BPTT(K, K), steps.
  num_seeds: int = 8  # Networks, each with a stream of its own.
  num_test_steps: int = 2000  # Length of the held-out stream of each network.
  seed: int = 0  # Of networks and streams.


def run(config: Config) -> dict[str, np.ndarray]:
  """Trains with every method and measures what was learned.

  A loss is given as the mean excess over the entropy of the target, plus the
  floor of both: the same expectation as the mean cross-entropy with less noise.

  Args:
    config: the setting.

  Returns:
    By method M, task D, learning rate L and seed S: `curves` [M, D, L, S, B],
    the training loss in blocks; `losses` [M, D, L, S], held out, parameters
    fixed; `shares` [M, D, L, S, 2], how much of each dependency the predictions
    hold. Also `methods` [M], their names, and what is needed of the config.

  Raises:
    ValueError: if a setting is out of range.
  """
  _check(config)
  cell = nf.cells.vanilla(num_inputs=2, num_units=config.num_units)
  params, train, test = _draw(config, cell)
  rates = jnp.array(config.learning_rates)
  predict = _over_runs(_make_predict(cell), (0, 0), (0, None), (0, 0))
  outcomes = []
  jobs = _methods(config, cell)
  for name, job in progress.track(jobs.items(), "delayed addition"):
    # Over seeds, learning rates and tasks.
    fit = _over_runs(
      _make_fit(name, *job), (None, 0, 0), (0, None, None), (None, None, 0)
    )
    trained, curves = fit(rates, params, train)
    log_odds = np.asarray(predict(trained, test))
    outcomes.append((np.asarray(curves), *_judge(config, log_odds, test)))
  curves, excess, shares = (np.stack(o) for o in zip(*outcomes, strict=True))
  entropies = theory.entropy(np.asarray(train.y, float)[..., 0])
  blocks = entropies.reshape(*entropies.shape[:2], _NUM_BLOCKS, -1)
  curves -= blocks.mean(axis=-1)[:, None]
  floors = theory.loss_floors()
  x, y = (np.asarray(v, float)[0, :, :, 0] for v in test)
  return {
    "floors": floors,
    "sampled_floors": theory.sampled_floors(x, y, tuple(_pairs(config)[0])),
    "methods": np.array(list(jobs)),
    "delays": _pairs(config),
    "learning_rates": np.array(config.learning_rates),
    "num_steps": np.array(config.num_steps),
    "curves": floors[-1] + curves,
    "losses": floors[-1] + excess,
    "shares": shares,
  }


def _check(config):
  for name in ("num_units", "num_seeds"):
    if getattr(config, name) < 1:
      raise ValueError(
        f"expected {name} >= 1, got {name}={getattr(config, name)}"
      )
  pairs = np.array(config.delays)
  if pairs.size < 2 or pairs.size % 2 or pairs.min() < 1:
    raise ValueError(
      f"expected delays in pairs t1, t2 of at least 1 step, got {config.delays}"
    )
  if np.any(pairs[::2] >= pairs[1::2]):
    raise ValueError(f"expected t1 < t2 in each pair, got {config.delays}")
  if not config.learning_rates or min(config.learning_rates) <= 0:
    raise ValueError(
      f"expected positive learning_rates, got {config.learning_rates}"
    )
  lengths = (*config.windows, *config.segments)
  if lengths and min(lengths) < 1:
    raise ValueError(
      "expected windows and segments of at least 1 step, got "
      f"{config.windows} and {config.segments}"
    )
  unit = _NUM_BLOCKS * math.lcm(1, *config.segments)
  if config.num_steps < unit or config.num_steps % unit:
    raise ValueError(
      f"expected num_steps to be a multiple of {unit}, {_NUM_BLOCKS} blocks of "
      f"whole segments {config.segments}, got {config.num_steps}"
    )
  shortest = _WARM_UP + max(config.delays) + 100
  if config.num_test_steps < shortest:
    raise ValueError(
      f"expected num_test_steps >= {shortest}, got {config.num_test_steps}"
    )


def _pairs(config):
  return np.array(config.delays).reshape(-1, 2)


def _draw(config, cell):
  """Returns parameters [S, ...] and streams [D, S, T, 2] to train and test."""
  size = config.num_units

  def init(key):
    key_cell, key_readout = jax.random.split(key)
    weights = jax.random.normal(key_readout, (2, size)) / math.sqrt(size)
    readout = {"weights": weights, "bias": jnp.zeros(2)}
    return {"cell": cell.init(key_cell), "readout": readout}

  def streams(key, num_steps):
    episodes = []
    for i, (t1, t2) in enumerate(_pairs(config)):
      task = nf.tasks.delayed_addition(
        num_steps=num_steps, delays=(int(t1), int(t2))
      )
      keys = jax.random.split(jax.random.fold_in(key, i), config.num_seeds)
      episodes.append(jax.vmap(task.sample)(keys))
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *episodes)

  key_init, key_train, key_test = jax.random.split(
    jax.random.key(config.seed), 3
  )
  params = jax.jit(jax.vmap(init))(jax.random.split(key_init, config.num_seeds))
  train = streams(key_train, config.num_steps)
  return params, train, streams(key_test, config.num_test_steps)


def _methods(config, cell):
  """Returns (estimator, segment, whether the recurrence learns) by name."""
  truncated = nf.estimators.truncated_bptt(cell, _loss)
  methods = {claims_lib.FROZEN: (truncated, 1, False)}
  for k in config.windows:
    rolling = nf.estimators.rolling_bptt(cell, _loss, window=k)
    methods[claims_lib.window(k)] = rolling, 1, True
  for k in config.segments:
    methods[claims_lib.segment(k)] = truncated, k, True
  flush_every = max(1, config.num_units // 2)
  lazy = nf.estimators.rtrl(cell, _loss, flush_every=flush_every)
  return {**methods, claims_lib.RTRL: (lazy, 1, True)}


def _logits(params, state):
  return params["readout"]["weights"] @ state + params["readout"]["bias"]


def _loss(params, state_t, y_t):
  return optax.losses.softmax_cross_entropy(_logits(params, state_t), y_t)


def _over_runs(function, *axes):
  """Compiles a function of one run for all runs, the innermost axis first."""
  for axis in axes:
    function = jax.vmap(function, axis)
  return jax.jit(function)


def _make_fit(name, estimator, segment, learns):
  """Returns (rate, params, stream) -> (params at the end, loss by block)."""

  def fit(rate, params, stream):
    # The gradient is a mean over the segment and comes once a segment: times K,
    # all methods move equally far per step of the stream.
    optimizer = optax.chain(
      optax.sgd(segment * rate),
      optax.masked(optax.set_to_zero(), {"cell": not learns, "readout": False}),
    )

    def block(state, numbered):
      index, episode = numbered
      progress.tick(index, _NUM_BLOCKS, name)
      state, losses = nf.training.train_stream(
        estimator, optimizer, state, *episode, segment=segment
      )
      return state, jnp.mean(losses)

    key = jax.random.key(0)  # The estimators here draw nothing.
    state = nf.training.stream_init(estimator, optimizer, params, key)
    num_steps = stream.x.shape[0]
    blocks = nf.training.cut(stream, num_steps // _NUM_BLOCKS)
    state, curve = lax.scan(block, state, (jnp.arange(_NUM_BLOCKS), blocks))
    return state.params, curve

  return fit


def _make_predict(cell):
  """Returns (params, stream) -> log-odds of the first output [T]."""

  def predict(params, stream):
    def body(state_tm1, x_t):
      state_t = cell.step(params["cell"], state_tm1, x_t)
      first, second = _logits(params, state_t)
      return state_t, first - second

    start = nf.base.initial_state(cell, params["cell"])
    return lax.scan(body, start, stream.x)[1]

  return predict


def _judge(config, log_odds, stream):
  """Returns the excess loss [D, L, S] and the learned shares [D, L, S, 2].

  On the host, in float64: a sum over the whole stream is long for float32.
  """
  coins, target = (np.asarray(v, float)[..., 0] for v in stream)
  after = slice(_WARM_UP, None)
  excess = theory.excess_loss(log_odds[..., after], target[:, None, :, after])
  shares = [
    [
      theory.learned_shares(odds, c, tuple(pair), warm_up=_WARM_UP)
      for odds, c in zip(np.swapaxes(log_odds[d], 0, 1), coins[d], strict=True)
    ]
    for d, pair in enumerate(_pairs(config))
  ]
  return excess.mean(axis=-1), np.swapaxes(shares, 1, 2)


STUDY = study.Study(
  name="rtrl_vs_tbptt/delayed_addition",
  question="Which truncation window learns which dependency?",
  Config=Config,
  run=run,
  claims=claims_lib.all_claims,
  plot=figure_lib.plot,
  full=Config(
    num_steps=100_000,
    learning_rates=(0.001, 0.03),
    windows=(1, 2, 3, 4, 5, 6, 7, 8, 11, 16),
    segments=(2, 4, 5, 8, 10, 20),
    num_seeds=16,
    num_test_steps=10_000,
  ),
)

if __name__ == "__main__":
  cli.main(STUDY)
