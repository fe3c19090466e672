"""Claims of the study of delayed addition."""

from experiments import measure, study
from experiments.claims import Claim, Source, theory
from experiments.rtrl_vs_tbptt.delayed_addition import readings

_TASK = "marschall2020"
_FLOORS = theory("P3", "section 4.2; entropies of the target", _TASK)
_CREDIT = theory("P3", "section 4.2; exact credit holds both inputs", _TASK)
_STATE = theory("P3", "section 4.2; a random recurrence has memory", _TASK)
_BLIND = theory(
  "P3", "section 4.2; no input in the window has to do with the target", _TASK
)
_NGRAM = theory(
  "S4-5.1", "question 5.1: is it an n-gram model? By the floors it is not", "S4"
)
_LONG_LAG = Source("P1", "hochreiter1997", "table 2, task 2a")


def claims(results: study.Results) -> list[Claim]:
  """Compares floors and losses with what theory leaves room for."""
  return [
    _floors(results),
    *_exact_credit(results),
    *_state(results),
    *_too_short(results),
    *_beyond(results),
    _long_lag(),
  ]


def _by_task(results, values):
  """Values [S, D] at the last learning rate, by the task's name."""
  names = map(readings.task_name, results.delays)
  return dict(zip(names, values.T, strict=True))


def _means(results, values):
  by_task = _by_task(results, values)
  return {name: measure.mean(v) for name, v in by_task.items()}


def _floors(results):
  floors = readings.FLOORS.items()
  return _FLOORS.zero(
    "floors",
    "The best predictors which know neither, one or both of the two inputs "
    "have cross-entropies of 0.6616, 0.5192, 0.6277 and 0.4545.",
    {
      name: measure.mean(sampled - floor)
      for (name, floor), sampled in zip(
        floors, results.sampled_floors.T, strict=True
      )
    },
    quantity="best table on the streams minus the floor, nats",
    tolerance=0.0034,  # A tenth of the least distance between two of them.
  )


def _exact_credit(results):
  floor = readings.FLOORS["knows both"]
  yield _CREDIT.equivalent(
    "exact-credit",
    "With exact credit (RTRL) the loss ends at the floor of a predictor that "
    "knows both inputs.",
    floor,
    _means(results, results.rtrl.losses[..., -1]),
    quantity="held-out loss, nats",
    margin=(readings.FLOORS["knows t1"] - floor) / 10,
    note="The margin is a tenth of what the second input is worth.",
  )
  slower = results.learning_rates[:-1]
  if len(slower):
    yield _CREDIT.at_most(
      "exact-credit-slowly",
      "At lower learning rates RTRL ends nearer to the floor of both inputs "
      "than to that of the first alone.",
      readings.middle("knows both", "knows t1"),
      {
        f"{name}, rate {rate:g}": mean
        for i, rate in enumerate(slower)
        for name, mean in _means(results, results.rtrl.losses[..., i]).items()
      },
      quantity="held-out loss, nats",
    )


def _state(results):
  yield _STATE.at_most(
    "state-carries",
    "A network of which only the readout is trained beats every predictor "
    "without memory: its random state carries the inputs.",
    readings.FLOORS["knows nothing"],
    _means(results, results.frozen.losses[..., -1]),
    quantity="held-out loss, nats",
    strict=True,
  )
  if "1" in results.windows:
    name = readings.task_name(results.delays[0])
    yield _NGRAM.at_most(
      "immediate",
      "Trained with the immediate gradient, which credits neither input, a "
      "network beats every predictor of one past input.",
      readings.FLOORS["knows t1"],
      measure.mean(results.windows["1"].losses[:, 0, -1]),
      quantity="held-out loss, nats",
      strict=True,
      note=f"With {name}.",
    )


def _too_short(results):
  """A window that ends just short of t1."""
  worse, rises = {}, {}
  for d, (t1, _) in enumerate(results.delays):
    if str(t1 - 1) in results.windows:
      learned = results.windows[str(t1 - 1)]
      name = f"{t1 - 1} steps, {readings.task_name(results.delays[d])}"
      losses = learned.losses[:, d, -1]
      worse[name] = measure.difference(losses, results.frozen.losses[:, d, -1])
      # A tenth of the training against the best block: no minimum of noise
      # rises by as much.
      curves = learned.curves[:, d, -1]
      late = curves[:, -(curves.shape[1] // 10) :].mean(axis=1)
      best = curves[:, curves.mean(axis=0).argmin()]
      rises[name] = measure.difference(late, best)
  if worse:
    yield _BLIND.at_least(
      "worse-than-untrained",
      "Training the recurrence with a window of t1 - 1 steps is worse than not "
      "training it.",
      0.0,
      worse,
      quantity="held-out loss minus that of a frozen recurrence, nats",
      strict=True,
    )
    yield _BLIND.at_least(
      "unlearns",
      "With a window of t1 - 1 steps a network first learns and then unlearns: "
      "its training loss rises again.",
      0.0,
      rises,
      quantity="rise from the best block to the last tenth, nats",
      strict=True,
    )


def _beyond(results):
  """Truncations that hold t1, but not t2."""
  losses = {}
  for kind, found in (
    ("BPTT(1, {0})", results.windows),
    ("BPTT({0}, {0})", results.segments),
  ):
    for d, (t1, t2) in enumerate(results.delays):
      k = t1 + 1
      if str(k) in found and k <= t2:
        name = f"{kind.format(k)}, {readings.task_name(results.delays[d])}"
        losses[name] = measure.mean(found[str(k)].losses[:, d, -1])
  if losses:
    yield _NGRAM.at_most(
      "beyond-the-window",
      "Truncation to t1 + 1 steps lets a network learn the input t2 steps ago, "
      "which no n-gram model of that length sees.",
      readings.middle("knows both", "knows t1"),
      losses,
      quantity="held-out loss, nats",
      note="Nearer to the floor of both inputs than to 0.5192, the least of "
      "any n-gram model of that length.",
    )


def _long_lag():
  return _LONG_LAG.not_run(
    "long-lag",
    "RTRL learns the noise-free task with a lag of 4 symbols in 78 % of 18 "
    "trials, at a learning rate of 1.",
    0.78,
    quantity="share of trials",
    note="Another task, which no setting tests. With a lag of 10 the table has "
    "0 % for RTRL, with a lag of 100 it has 100 % for LSTM.",
  )
