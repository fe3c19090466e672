"""Claims on gradients by lag in closed form, from the stored arrays.

The arrays are described at `recurrent.run`.
"""

import functools

import numpy as np

from experiments import study
from experiments.gradient_flow import recurrent_bounds as bounds
from experiments.gradient_flow import recurrent_lags as lags_lib
from experiments.gradient_flow import recurrent_networks as networks
from experiments.gradient_flow import recurrent_stored as stored
from experiments.gradient_flow import recurrent_theory as theory
from experiments.gradient_flow import recurrent_training_claims as training

_lstm_claim = functools.partial(study.Claim, "S0-5.2-gradient")
_pascanu_claim = functools.partial(study.Claim, "P16")

_SIKDAR = (
  "S. Sikdar, Neural Networks and Deep Learning: Exercises, section 5.2: LSTMs "
  '"were developed in order to circumvent the vanishing gradient problem"'
)
_EXACT = "theory: product of the step's Jacobians in closed form, NumPy"
_ROUNDING = 1e-10  # Relative, float64 over the lags.


def all_claims(results: study.Results) -> list[study.Claim]:
  """Compares gradients with closed forms, and training with what is published.

  Args:
    results: see `recurrent.run`.

  Returns:
    The claims.
  """
  return [
    *_exact(results),
    *_forget_bias(results),
    *_reach(results),
    *_bound(results),
    *training.all_claims(results),
  ]


def _relative_error(measured, expected):
  return float(np.max(np.abs(measured / expected - 1)))


def _exact(results):
  claim = functools.partial(_lstm_claim, expected=0.0, tolerance=_ROUNDING)
  known = list(networks.ACTIVATIONS).index("linear")
  yield claim(
    "A linear network whose recurrent matrix is g times an orthogonal one has "
    "g_k = g^k g_0, whatever the input: largest relative error over lags.",
    _EXACT,
    measured=_relative_error(
      stored.tightness(results)[known, :, bounds.MATRICES.index("orthogonal")],
      1.0,
    ),
  )
  yield claim(
    "A linear network's gradient at lag k is norm(v W^k) for any W: largest "
    "relative error.",
    _EXACT,
    measured=_relative_error(
      results["bound_lags"][known], results["bound_linear"]
    ),
  )
  gaussian = bounds.MATRICES.index("Gaussian")
  lags, transposed = (
    array[:, gaussian]
    for array in (results["bound_lags"][known], results["bound_transposed"])
  )
  yield _pascanu_claim(
    "Erratum: the Jacobian is printed with the transpose of W. A linear "
    "network's gradient then misses by: smallest over networks of the largest "
    "relative error over lags. (With W it is right: the claim above.)",
    f"{training.PASCANU}, equation 5",
    (0.05, np.inf),
    float(np.min(np.max(np.abs(transposed / lags - 1), axis=-1))),
  )
  yield claim(
    "An LRU's is the root of sum_i abs(lambda_i)^2k abs(v_i)^2, before and "
    "after training: largest relative error.",
    _EXACT,
    measured=_relative_error(
      stored.of(results, "lags", "LRU")[:2],
      stored.of(results, "lags_theory", "LRU")[:2],
    ),
  )
  rest = lags_lib.PHASES.index("rest")
  for family, matrix in (
    ("gru", "1/2 + U_n / 4"),
    ("lstm", "sigmoid(b) + U_g / 4"),
  ):
    yield claim(
      f"Without input a step of the {family.upper()} multiplies the error by "
      f"{matrix}, U the candidate's recurrent matrix: largest relative error.",
      _EXACT,
      measured=max(
        _relative_error(
          stored.of(results, "lags", name)[rest],
          stored.of(results, "lags_theory", name)[rest],
        )
        for name in networks.members(family)
      ),
    )


def _forget_bias(results):
  """What sigmoid(b) says of an LSTM, and what it does not."""
  first, last = stored.pause(results)
  for i, name in enumerate(networks.members("lstm")):
    bias = networks.NETWORKS[name].number
    gate = theory.sigmoid(bias)
    yield _lstm_claim(
      f"An LSTM with forget bias {bias} whose gates read nothing keeps "
      "sigmoid(b) of the gradient per step.",
      "theory: d c_t / d c_tm1 = f_t; " + _SIKDAR,
      gate,
      float(theory.rates(results["cut"][i], 1, last).mean()),
      _ROUNDING,
    )
    at_start = theory.rates(stored.of(results, "lags", name)[0], first, last)
    mean, error = stored.mean_and_error(at_start)
    yield _lstm_claim(
      f"With orthogonal recurrent weights and forget bias {bias} the factor "
      "per step at the start, on the copy task, is from sigmoid(b) to "
      "sigmoid(b) + 1/4 (mean over seeds, tolerance two standard errors).",
      "theory: eigenvalues of sigmoid(b) + U_g / 4, the state near 0",
      (gate, gate + 0.25),
      mean,
      2 * error,
    )


def _log_kept(results, phase, name):
  """Returns log10 of g at the lag of what is to be copied, by seed."""
  lags = stored.of(results, "lags", name)[lags_lib.PHASES.index(phase)]
  needed = stored.pause(results)[1] + 1
  # From lag 1: at lag 0 an LSTM's c has no part in the output yet.
  return np.log10(lags[:, needed] / lags[:, 1])


def _more(results, statement, source, more, less):
  """Claims that (phase, network) `more` keeps more of the gradient."""
  mean, error = stored.mean_and_error(
    _log_kept(results, *more) - _log_kept(results, *less)
  )
  needed = stored.pause(results)[1] + 1
  return _lstm_claim(
    f"{statement} At lag {needed}, in powers of ten, less two standard errors.",
    source,
    study.POSITIVE,
    mean - 2 * error,
  )


def _reach(results):
  yield _more(
    results,
    "At the start an LSTM with forget bias 3 keeps more of the gradient than "
    "an orthogonal tanh network.",
    _SIKDAR,
    ("start", "LSTM, bias 3"),
    ("start", "tanh, orthogonal"),
  )
  yield _more(
    results,
    "Without a forget bias it keeps less than the orthogonal tanh network: the "
    "gates alone are no cure.",
    "theory: at rest no eigenvalue of the LSTM is above 1/2 + 1/4, those of "
    "the tanh network are 1",
    ("start", "tanh, orthogonal"),
    ("start", "LSTM, bias 0"),
  )
  for name, which in (
    ("LSTM, bias 0", "an LSTM without forget bias"),
    ("GRU", "a GRU"),
  ):
    yield _more(
      results,
      f"After training, {which} keeps more of the gradient than at the start.",
      "expected by us: what the task needs to be kept, gates can keep",
      ("trained", name),
      ("start", name),
    )
  yield _more(
    results,
    "After training an LSTM with forget bias 3 keeps more than an orthogonal "
    "tanh network.",
    _SIKDAR,
    ("trained", "LSTM, bias 3"),
    ("trained", "tanh, orthogonal"),
  )


def _bound(results):
  source = f"{training.PASCANU}, equations 6 and 7"
  names = list(networks.ACTIVATIONS)
  orthogonal = bounds.MATRICES.index("orthogonal")
  ratio = stored.tightness(results)
  for name in ("tanh", "sigmoid"):
    of_name = ratio[names.index(name)]
    setting = f"{name}, gamma = {networks.ACTIVATIONS[name].max_slope:g}"
    yield _pascanu_claim(
      "No gradient exceeds (lambda_1 gamma)^k times that at lag 0, lambda_1 "
      f"the largest singular value ({setting}; largest ratio of all networks, "
      "inputs and lags from 1 on; so it vanishes for lambda_1 < 1 / gamma).",
      source,
      (-np.inf, 1.0),
      float(np.max(of_name[..., 1:])),  # At lag 0 it is 1 by definition.
      1e-9,  # Rounding, float64.
    )
    yield _pascanu_claim(
      "The bound is attained: an orthogonal matrix, lambda_1 < 1 / gamma, "
      f"pre-activations 0 ({setting}; smallest ratio).",
      f"theory: every Jacobian is lambda_1 gamma times orthogonal; {source}",
      1.0,
      # Where it vanishes: elsewhere the state 0 is unstable, rounding grows.
      float(np.min(of_name[results["gains"] < 1, orthogonal, 0])),
      1e-9,  # Rounding, float64.
    )
  first, last = 1, results["bound_lags"].shape[-1] - 1
  rates = theory.rates(results["bound_lags"], first, last)
  above = [i for i in range(len(names)) if names[i] != "linear"]
  yield _pascanu_claim(
    "lambda_1 > 1 / gamma is necessary for an explosion, not sufficient: the "
    "smallest factor per step among networks with it is below 1.",
    f'{training.PASCANU}, section 2.1: "necessary condition"',
    (-np.inf, 1.0),
    float(np.min(rates[above][:, results["gains"] > 1])),
  )
  source = f"expected by us of the bound in: {training.PASCANU}, section 2.1"
  yield _pascanu_claim(
    "The largest eigenvalue cannot take the place of the singular value: the "
    "gradient of a tanh network of two units grows by a tenth at every step, "
    "the factor is ...",
    f"{source}; theory: W = 8.8 [[1, 1], [-1, -1]] held at slopes 1/2 and 3/8",
    theory.spiral()[2],
    float(theory.rates(results["spiral_lags"], first, last)),
    1e-7,  # Rounding, amplified by the growth itself.
  )
  yield _pascanu_claim(
    "... and the largest eigenvalue of its matrix, by which the gradient would "
    "vanish. (The singular value is 17.6: the bound holds.)",
    f"{source}; theory: W W = 0",
    0.0,
    float(results["spiral_radius"]),
    1e-6,  # Eigenvalues of a nilpotent matrix: a root of rounding.
  )
