"""Claims of the study of exactness, from its stored arrays.

The arrays are described at `exactness.run`.
"""

import functools

import numpy as np

from experiments import study

_claim = functools.partial(study.Claim, "S4-5.2")
_lstm_claim = functools.partial(study.Claim, "S0-5.2-equations")
_SHEET = (
  "Problem sheet 4, question 5.2 (complete the bracket: dh_n/dtheta = "
  "dh_n/dh_{n-1} dh_{n-1}/dtheta + dh_n/dtheta_n)"
)
_NOTES = (
  "Sikdar, Neural networks and deep learning: exercises, 2021, section 5.2, "
  "equations (5.1) to (5.6)"
)
# What these claims expect is not in the paper, which defines the method.
_ROLLING = (
  "expected by us of the truncation defined in: Williams, Peng, An efficient "
  "gradient-based algorithm for on-line training of recurrent network "
  "trajectories, 1990 (BPTT(h), truncated to h steps)"
)
_DECAY = (
  "Pascanu, Mikolov, Bengio, On the difficulty of training recurrent neural "
  "networks, 2013: gradients vanish if the largest singular value is below 1 "
  "and the activation's slope at most 1"
)
_EXACT = (
  ("RTRL", "RTRL, for every segment length,"),
  ("lazy RTRL", "Lazy RTRL, for every segment length,"),
  ("diagonal RTRL", "Diagonal RTRL, for every segment length,"),
  ("truncated BPTT", "Truncated BPTT with one segment of all T steps"),
  ("rolling BPTT", "Rolling BPTT with a window of all T steps"),
)
# Deviations below this are used to fit a slope: the next order then moves the
# slope by about as much.
_SMALL = 0.01


def all_claims(results: study.Results) -> list[study.Claim]:
  """Compares the measured errors with rounding, decay and first order."""
  return [
    *_exact(results),
    *_truncated(results),
    *_online(results),
    *_lstm(results),
  ]


def mean_errors(
  results: study.Results,
  estimator: str,
  *,
  column: str = "error",
  dtype: str = "float64",
) -> tuple[np.ndarray, np.ndarray]:
  """Returns lengths and means over seeds, on the first cell.

  Args:
    results: what `exactness.run` returned.
    estimator: a key of `exactness.ESTIMATORS`.
    column: "error" or "cosine".
    dtype: the number format.

  Returns:
    The lengths, ascending, and the means.
  """
  rows = np.flatnonzero(
    (results["estimator"] == estimator)
    & (results["cell"] == results["cell"][0])
    & (results["dtype"] == dtype)
  )
  rows = rows[np.argsort(results["length"][rows])]
  return results["length"][rows], np.mean(results[column][rows], axis=1)


def rounding(results: study.Results, dtype: str) -> float:
  """Returns the relative error that T steps of rounding can explain.

  Args:
    results: what `exactness.run` returned.
    dtype: the number format.

  Returns:
    T units in the last place, times ten for the several operations of a step.
  """
  return 10 * int(results["num_steps"]) * float(np.finfo(dtype).eps)


def _is_exact(results):
  truncated = np.isin(results["estimator"], ("truncated BPTT", "rolling BPTT"))
  return ~truncated | (results["length"] == results["num_steps"])


def _exact(results):
  double = results["dtype"] == "float64"
  for name, label in _EXACT:
    rows = _is_exact(results) & double & (results["estimator"] == name)
    if np.any(rows):
      cells = ", ".join(dict.fromkeys(results["cell"][rows]))
      yield _claim(
        f"{label} gives the gradient of the whole sequence in float64 "
        f"({cells}): the largest relative error.",
        _SHEET,
        0.0,
        float(np.max(results["error"][rows])),
        rounding(results, "float64"),
      )
  rows = _is_exact(results) & ~double
  yield _claim(
    "In float32 the exact methods differ from the float64 gradient by rounding "
    "alone: the largest relative error.",
    _SHEET,
    0.0,
    float(np.max(results["error"][rows])),
    rounding(results, "float32"),
  )
  yield _claim(
    "RTRL has at step t the gradient of that step's own loss through steps "
    "1 ... t, before later steps are seen: the largest relative error.",
    _SHEET,
    0.0,
    float(np.max(results["step_error"])),
    rounding(results, "float64"),
  )


def _truncated(results):
  lengths, errors = mean_errors(results, "truncated BPTT")
  windows, rolling = mean_errors(results, "rolling BPTT")
  immediate = results["error"][
    (results["estimator"] == "truncated BPTT") & (results["length"] == 1)
  ]
  if immediate.size:
    yield _claim(
      "The bracket's first term is needed: without it (the immediate gradient, "
      "BPTT(1, 1)) the error is no small one: the least over the seeds.",
      _SHEET,
      (0.1, np.inf),  # A tenth of the gradient; rounding is 1e-15 of it.
      float(np.min(immediate)),
    )
  _, cosines = mean_errors(results, "truncated BPTT", column="cosine")
  for name, values in (
    ("The error of truncated BPTT(K, K) falls", -errors),
    ("The error of rolling BPTT(1, k) falls", -rolling),
    ("The cosine of truncated BPTT(K, K) with the gradient rises", cosines),
  ):
    yield _claim(
      f"{name} with each increase of the truncation: how many of "
      f"{len(values) - 1} increases it does not follow.",
      _ROLLING,
      0.0,
      float(np.sum(np.diff(values) <= 0)),
    )
  yield _claim(
    "Of the same length a rolling window is the better truncation, for every "
    "loss reaches back as far: the error of BPTT(K, K) less that of BPTT(1, K) "
    "at half the sequence.",
    _ROLLING,
    study.POSITIVE,
    float(errors[-2] - rolling[-2]),
  )
  if results["cell"][0] == "vanilla":
    factor = (rolling[-2] / rolling[0]) ** (1 / (windows[-2] - windows[0]))
    yield _claim(
      "What rolling BPTT misses shrinks with each step of the window, at least "
      "by the largest singular value of the recurrent matrix: the mean factor.",
      _DECAY,
      (0.0, float(results["gain"])),
      float(factor),
    )


def _online(results):
  rates, stale = results["learning_rates"], np.mean(results["stale_error"], 1)
  small = stale < _SMALL
  slope = np.nan
  if np.sum(small) >= 2:
    slope = np.polyfit(np.log(rates[small]), np.log(stale[small]), 1)[0]
  yield _claim(
    "With updates at every step RTRL deviates from the gradient at the present "
    "parameters in first order of the learning rate: the slope on log-log "
    "axes.",
    "theory: influence and state were computed with parameters that differ by "
    "learning rate times the gradients since",
    1.0,
    float(slope),
    2 * _SMALL,
  )
  yield _claim(
    "With updates at every step, at any learning rate, RTRL is the derivative "
    "with respect to a common shift of all the parameters used: the largest "
    "relative error.",
    _SHEET + ", theta_n being the copy of step n",
    0.0,
    float(np.max(results["shift_error"])),
    rounding(results, "float64"),
  )


def _lstm(results):
  for whose, error in zip(
    ("the LSTM cell used here (c, h)", "Flax's LSTM cell, its kernels mapped"),
    results["lstm_error"],
    strict=True,
  ):
    yield _lstm_claim(
      "The six equations in the names rem, ltm', save, ltm, focus, wm are "
      f"{whose}: the largest difference in (ltm, wm) over all steps.",
      _NOTES,
      0.0,
      float(error),
      rounding(results, "float64"),
    )
  yield _lstm_claim(
    "Erratum: the source prints W_r and W_l in R^(p x d) for inputs in R^p; "
    "with p and d unequal, how many of the two products with x_t exist. All "
    "are in R^(d x p) where the equations hold above.",
    _NOTES,
    0.0,
    float(results["lstm_printed_defined"]),
  )
