"""Claims of the study of exactness."""

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, theory
from experiments.rtrl_vs_tbptt.exactness import readings

_BRACKET = theory(
  "S4-5.2", "question 5.2, with the bracket completed; by jax.grad", "S4"
)
_STALE = theory(
  "S4-5.2", "parameters of past steps differ by rate times gradients since"
)
_WINDOW = theory(
  "S4-5.2", "BPTT(h), as it is defined there; by jax.grad", "williams1990"
)
_LIMITS = theory(
  "P7", "with full reach, rank or window nothing is left out", "menick2020"
)
_RULES = theory(
  "P7",
  "J_t = carry(J_tm1) + I_t, dense; e-prop and RFLO likewise",
  "menick2020",
)
# A step has several operations, each rounded.
_UNITS = 10.0
_ROUNDING = "relative error, largest, in T units in the last place"


def claims(results: study.Results) -> list[Claim]:
  """Compares errors with rounding, and with first order."""
  parts = _sequences, _online, _family, _others
  return [claim for part in parts for claim in part(results)]


def _in_units(results, errors):
  return errors / (int(results.num_steps) * float(np.finfo(float).eps))


def _own_errors(results, rows):
  cases = zip(results.estimator, results.cell, results.length, strict=True)
  names = np.array(["{} on {}, {} steps".format(*case) for case in cases])
  errors = _in_units(results, results.own_error.max(axis=0))
  return dict(zip(names[rows], errors[rows], strict=True))


def _sequences(results):
  exact = np.isin(results.estimator, readings.EXACT)
  yield _BRACKET.at_most(
    "exact",
    "RTRL, textbook, lazy or diagonal, in segments of any length, gives the "
    "gradient of the whole sequence, up to rounding.",
    _UNITS,
    _own_errors(results, exact),
    quantity=_ROUNDING,
  )
  _, errors = readings.by_length(results, readings.TRUNCATED)
  yield _WINDOW.at_most(
    "truncations",
    "Truncated BPTT is the gradient of each loss through its own segment, "
    "rolling BPTT(1, k) that through its last k steps.",
    _UNITS,
    _own_errors(results, ~exact),
    quantity=_ROUNDING,
    note="Without the bracket's first term, by BPTT(1, 1), "
    f"{errors[:, 0].mean():.2f} of the whole gradient is missing.",
  )


def _online(results):
  rates = results.learning_rates
  names = [f"learning rate {rate:g}" for rate in rates]
  errors = _in_units(results, results.shift_error.max(axis=(0, 2)))
  yield _BRACKET.at_most(
    "each-step",
    "At every step RTRL has the derivative of that step's loss by a common "
    "shift of all parameters used so far, also while they change.",
    _UNITS,
    dict(zip(names, errors, strict=True)),
    quantity=_ROUNDING,
    note="At a learning rate of 0 this is the gradient, and there before later "
    "steps are seen.",
  )
  yield _STALE.equivalent(
    "staleness",
    "Updated at every step, RTRL deviates from the gradient at the present "
    "parameters in first order of the learning rate.",
    1.0,
    measure.slope(np.log(rates[1:]), np.log(results.stale_error[:, 1:])),
    margin=0.02,  # At a rate of 0.0001 the next order is below a hundredth.
    quantity="exponent of the learning rate in the relative deviation",
  )


def _family(results):
  names, errors = results.family.name, results.family.error.max(axis=0)
  is_limit = results.family.is_limit
  quantity = "relative error, largest, in float64"
  yield _LIMITS.at_most(
    "limits",
    "SnAp of full reach, a sketch or OK of full rank, and truncation that "
    "never cuts, give the gradient of the whole sequence.",
    1e-10,
    dict(zip(names[is_limit], errors[is_limit], strict=True)),
    quantity=quantity,
  )
  yield _RULES.at_most(
    "rules",
    "SnAp, e-prop and RFLO, with the readout's own feedback, are the recursion "
    "of RTRL with less of its Jacobian.",
    1e-10,
    dict(zip(names[~is_limit], errors[~is_limit], strict=True)),
    quantity=quantity,
  )


def _others(results):
  where = "section 5.2, equations (5.1) to (5.6)"
  yield Source("S0-5.2-equations", "S0", where).at_most(
    "lstm",
    "The LSTM of equations (5.1) to (5.6), with W_r and W_l in R^(d x p), is "
    "the cell used here.",
    _UNITS,
    _in_units(results, results.lstm),
    quantity="difference in (ltm, wm), largest, in T units in the last place",
    note="Erratum: the text prints W_r and W_l in R^(p x d), for inputs in R^p "
    "and memories in R^d; then W x_t exists only if p = d.",
  )
