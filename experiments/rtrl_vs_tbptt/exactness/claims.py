"""Claims of the study of exactness."""

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, conjecture, theory
from experiments.rtrl_vs_tbptt.exactness import readings

_BRACKET = theory(
  "S4-5.2", "question 5.2, with the bracket completed; by jax.grad", "S4"
)
_NEEDED = conjecture(
  "S4-5.2", "question 5.2: what the bracket's first term is worth here", "S4"
)
_STALE = theory(
  "S4-5.2", "parameters of past steps differ by rate times gradients since"
)
_WINDOW = theory(
  "S4-5.2", "BPTT(h), as it is defined there; by jax.grad", "williams1990"
)
_DECAY = theory(
  "S4-5.2",
  "from: gradients vanish if the largest singular value is below 1",
  "pascanu2013",
)
_LSTM = Source(
  "S0-5.2-equations", "S0", "section 5.2, equations (5.1) to (5.6)"
)
# A step has several operations, each rounded.
_UNITS = 10.0
_ROUNDING = "relative error, largest, in T units in the last place"


def claims(results: study.Results) -> list[Claim]:
  """Compares errors with rounding, with a bound on decay, and first order."""
  return [
    *_exact(results),
    *_truncated(results),
    _stale(results),
    _lstm(results),
    *_published(),
  ]


def _in_units(results, rows):
  found = results.comparisons
  return {
    f"{found.estimator[i]} on {found.cell[i]}, {found.length[i]} steps, "
    f"{found.dtype[i]}": found.own_error[:, i].max()
    / readings.rounding(results, str(found.dtype[i]))
    for i in np.flatnonzero(rows)
  }


def _exact(results):
  yield _BRACKET.at_most(
    "exact",
    "RTRL, textbook, lazy or diagonal, in segments of any length, gives the "
    "gradient of the whole sequence, up to rounding.",
    _UNITS,
    _in_units(results, np.isin(results.comparisons.estimator, readings.EXACT)),
    quantity=_ROUNDING,
  )
  unit, online = readings.rounding(results, "float64"), results.online
  errors = dict(zip(online.learning_rates, online.shift_error.T, strict=True))
  found = {f"learning rate {r:g}": e.max() / unit for r, e in errors.items()}
  yield _BRACKET.at_most(
    "each-step",
    "At every step RTRL has the derivative of that step's loss by a common "
    "shift of all parameters used so far, also while they change.",
    _UNITS,
    found | {"no updates": results.step_error.max() / unit},
    quantity=_ROUNDING,
    note="Without updates this is the gradient, and there before later steps "
    "are seen.",
  )


def _truncated(results):
  found = results.comparisons
  truncated = ~np.isin(found.estimator, readings.EXACT)
  yield _WINDOW.at_most(
    "truncations",
    "Truncated BPTT is the gradient of each loss through its own segment, "
    "rolling BPTT(1, k) that through its last k steps.",
    _UNITS,
    _in_units(results, truncated & (found.length < results.num_steps)),
    quantity=_ROUNDING,
  )
  _, errors = readings.by_length(results, readings.TRUNCATED)
  yield _NEEDED.at_least(
    "first-term",
    "Without the bracket's first term, by the immediate gradient BPTT(1, 1), "
    "more than a tenth of the gradient is missing.",
    0.1,
    measure.mean(errors[:, 0]),
    quantity="relative error, mean over networks",
  )
  if found.cell[0] == "vanilla":
    windows, errors = readings.by_length(results, readings.ROLLING)
    steps = windows[-2] - windows[0]
    yield _DECAY.at_most(
      "decay",
      "What rolling BPTT misses shrinks with each step of the window, at least "
      "by the largest singular value of the recurrent matrix.",
      float(results.gain),
      measure.mean((errors[:, -2] / errors[:, 0]) ** (1 / steps)),
      quantity="factor of the relative error per step, mean over networks",
    )


def _stale(results):
  rates, stale = results.online.learning_rates, results.online.stale_error
  return _STALE.equivalent(
    "staleness",
    "Updated at every step, RTRL deviates from the gradient at the present "
    "parameters in first order of the learning rate.",
    1.0,
    measure.slope(np.log(rates[:3]), np.log(stale[:, :3])),
    # At the largest of the three the next order is below a hundredth.
    margin=0.02,
    quantity="exponent of the learning rate in the relative deviation",
  )


def _lstm(results):
  unit = readings.rounding(results, "float64")
  return _LSTM.at_most(
    "lstm",
    "The LSTM of equations (5.1) to (5.6), with W_r and W_l in R^(d x p), is "
    "the cell used here, and Flax's.",
    _UNITS,
    {
      "the cell used here": results.lstm.library / unit,
      "Flax's": results.lstm.flax / unit,
    },
    quantity="difference in (ltm, wm), largest, in T units in the last place",
    note="Erratum: the text prints W_r and W_l in R^(p x d), for inputs in R^p "
    "and memories in R^d; then W x_t exists only if p = d.",
  )


def _published():
  snap = Source("P7", "menick2020", "abstract")
  yield snap.not_run(
    "snap",
    "SnAp-1 is no dearer than backpropagation, and better than UORO.",
    (0.0, 1.0),
    quantity="cost of a step over that of BPTT",
    note="Neither estimator is here. SnAp of large n is RTRL, which is.",
  )
  elstm = Source("P8", "irie2024", "copy task")
  yield elstm.not_run(
    "elstm-copy",
    "The eLSTM of 2048 units, trained by exact RTRL, solves the copy task up "
    "to a length of 1000.",
    1.0,
    quantity="share of copies that are right",
    note="At this size in no setting; --config.cells=elstm compares its "
    "gradient at a few units, which is exact.",
  )
  layers = Source("P10", "zucchet2023", "cosine by depth")
  yield layers.not_run(
    "layer-local",
    "Layer-local diagonal RTRL with backpropagation through space is exact for "
    "one layer, approximate for deeper stacks.",
    (0.0, 1.0),
    quantity="cosine with the gradient, two layers and more",
    note="One layer is diagonal RTRL, exact here. The rule for stacks is not "
    "here: theirs are compared by dense RTRL.",
  )
  kronecker = Source("P4", "benzing2019", "the authors' logs, five seeds")
  yield kronecker.not_run(
    "kronecker",
    "The optimal Kronecker-sum estimate OK, of rank 16, reaches copies of "
    "length 41.8 after two million steps.",
    41.8,
    quantity="length T of the curriculum, mean over seeds",
    note="The estimator is not here. KTP, as published, reaches 17.0.",
  )
