"""Claims on what trains and what does not, from the stored arrays.

The arrays are described at `recurrent.run`.
"""

import functools

import numpy as np

from experiments import study
from experiments.gradient_flow import recurrent_lags as lags_lib
from experiments.gradient_flow import recurrent_networks as networks
from experiments.gradient_flow import recurrent_order as order
from experiments.gradient_flow import recurrent_stored as stored
from experiments.gradient_flow import recurrent_theory as theory

_pascanu_claim = functools.partial(study.Claim, "P16")
_floor_claim = functools.partial(study.Claim, "P9")

PASCANU = (
  "Pascanu, Mikolov, Bengio, On the difficulty of training recurrent neural "
  "networks, 2013"
)
_ARJOVSKY = (
  "Arjovsky, Shah, Bengio, Unitary evolution recurrent neural networks, 2016"
)


def all_claims(results: study.Results) -> list[study.Claim]:
  """Compares training with what is published.

  Args:
    results: see `recurrent.run`.

  Returns:
    The claims on temporal order, copying and adding.
  """
  return [*_temporal_order(results), *_floors(results)]


def _temporal_order(results):
  source = f"{PASCANU}, temporal order, T = 20, smart tanh"
  updates, budget = stored.first_solved(results), int(results["order_updates"])
  reached = {
    method: f"{np.count_nonzero(np.isfinite(runs))} of {len(runs)} {method}"
    for method, runs in zip(order.METHODS, updates, strict=True)
  }
  note = (
    f"Runs at 1 % errors within {budget:,} updates: "
    + "; ".join(reached.values())
    + ". A run that is not counts as infinitely long."
  )
  for method, runs in zip(order.METHODS, updates, strict=True):
    published = theory.PUBLISHED_UPDATES[method]
    if published <= budget:
      yield _pascanu_claim(
        f"Updates until at most 1 % errors, {method}, mean over runs, within a "
        f"factor of two of the published {published:,} (one figure, no "
        "spread).",
        source,
        (published / 2, 2 * published),
        float(np.mean(runs)),
        note=note,
      )
  errors = dict(
    zip(order.METHODS, results["order_errors"].mean(axis=-1), strict=True)
  )
  for method in ("SGD", "clipped"):
    mean, error = stored.mean_and_error(
      errors[method] - errors["clipped, Omega"]
    )
    yield _pascanu_claim(
      f"Clipping and the regulariser learn faster than {method}: share of test "
      f"sequences misclassified, averaged over {budget:,} updates (difference "
      "of runs from the same start, less two standard errors).",
      source,
      study.POSITIVE,
      mean - 2 * error,
    )


def _late(results, array, index):
  """Returns the loss of the last tenth of the training, by seed."""
  curves = results[array][index]
  return curves[:, -(curves.shape[-1] // 10) :].mean(axis=-1)


def _floors(results):
  length, delay = int(results["copy_length"]), int(results["copy_delay"])
  floor = theory.copy_floor(8, length, delay)
  one_symbol = floor / length
  yield _floor_claim(
    f"Guessing {length} symbols of 8 costs {length} ln 8 / (T + {2 * length}) "
    f"nats per step at T = {delay}: the cost on episodes of the task.",
    f"{_ARJOVSKY}, copying memory problem",
    floor,
    float(np.mean(results["copy_guess"])),
    1e-6,  # Every episode costs the same; float32 weights.
  )
  mean, error = stored.mean_and_error(results["adding_guess"])
  yield _floor_claim(
    "Predicting the mean of the adding problem costs 1/6, printed as 0.167 "
    "(on episodes of the task, tolerance four standard errors).",
    f"{_ARJOVSKY}, adding problem",
    theory.ADDING_FLOOR,
    mean,
    4 * error,
  )
  names = [str(name) for name in results["names"]]
  for name in ("tanh", "LSTM, bias 1", "LSTM, bias 3"):
    mean, _ = stored.mean_and_error(
      _late(results, "copy_losses", names.index(name))
    )
    yield _floor_claim(
      f"{name}: trained on copying over {delay} blanks, the loss stays at the "
      "floor, to less than one symbol recalled.",
      f'{_ARJOVSKY}: "almost exactly the same cost as the memoryless strategy"',
      floor,
      mean,
      one_symbol,
    )
  for name in lags_lib.EXACT:
    mean, error = stored.mean_and_error(
      _late(results, "copy_losses", names.index(name))
    )
    yield _floor_claim(
      f"{name}: trained on copying over {delay} blanks, the loss leaves the "
      "floor by more than one symbol (mean plus two standard errors).",
      f"{_ARJOVSKY}: orthogonal and unitary recurrences",
      (-np.inf, floor - one_symbol),
      mean + 2 * error,
    )
  for i, name in enumerate(networks.members("lstm")):
    mean, error = stored.mean_and_error(_late(results, "adding_losses", i))
    yield _floor_claim(
      f"{name}: trained on adding, the squared error leaves the floor of 1/6 "
      "(mean over seeds plus two standard errors).",
      f"{_ARJOVSKY}, adding problem",
      (-np.inf, theory.ADDING_FLOOR),
      mean + 2 * error,
    )
