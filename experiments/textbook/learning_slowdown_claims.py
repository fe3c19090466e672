"""Claims of the study of the learning slowdown, from its stored arrays.

The arrays are described at `learning_slowdown.run`. Identities are claimed to
1e-12, some hundred roundings of float64.
"""

import numpy as np
from scipy import special

from experiments import study
from experiments.textbook import learning_slowdown_theory as theory

_EXACT = 1e-12
_SIKDAR = "Sikdar, Neural networks and deep learning: exercises, 2021, "
_SOLVED = (
  "Corrales, Miller, Morgenshtern, Machine learning in signal processing, "
  "solutions to problem set 5, problem "
)
_NIELSEN = (
  "Nielsen, Neural networks and deep learning, 2015, chapter 3 (one neuron, "
  "x = 1, y = 0, eta = 0.15, 300 epochs)"
)


def all_claims(results: study.Results) -> list[study.Claim]:
  """Compares minima, integrals, gradients and learning curves."""
  return [
    *_minima(results),
    *_misprints(results),
    *_integrals(results),
    *_gradients(results),
    *_factors(results),
    *_published(results),
    *_speeds(results),
  ]


def _claim(id_, statement, source, expected, measured, tolerance, note=""):
  return study.Claim(
    id_, statement, source, expected, float(measured), tolerance, note
  )


def _minima(results):
  y, a, costs = (results[name] for name in ("targets", "outputs", "costs"))
  entropy = special.entr(y) + special.entr(1 - y)
  exercise = _SIKDAR + "exercise 3.1"
  yield _claim(
    "S0-3.1",
    f"The cross-entropy is least at a = y: largest distance over {len(y)} "
    f"targets, among {len(a)} outputs.",
    exercise,
    0.0,
    np.max(np.abs(a[np.argmin(costs, axis=1)] - y)),
    _EXACT,
  )
  yield _claim(
    "S0-3.1",
    "Gradient descent from a = 1/2 ends there: largest distance.",
    exercise,
    0.0,
    np.max(np.abs(results["descended"] - y)),
    _EXACT,
  )
  yield _claim(
    "S0-3.1",
    "Every component of the gradient is 0 at a = y: the largest.",
    exercise,
    0.0,
    np.max(np.abs(results["slopes"])),
    _EXACT,
  )
  yield _claim(
    "S0-3.1",
    "It is a minimum: the second derivative there times y (1 - y), where it "
    "is furthest from 1.",
    "theory: d^2 C / da^2 = 1 / (y (1 - y)) at a = y",
    1.0,
    1 + _furthest(results["curvatures"] * y * (1 - y) - 1),
    _EXACT,
  )
  yield _claim(
    "S1-P6",
    "The least value is the binary entropy of y: largest difference.",
    _SOLVED + "6, equation 21",
    0.0,
    np.max(np.abs(np.min(costs, axis=1) - entropy)),
    _EXACT,
  )
  yield _claim(
    "S0-3.1",
    "Figure 3.1: what is left is largest, log 2, for y = 1/2.",
    _SIKDAR + "figure 3.1 (binary entropy)",
    float(np.log(2)),
    np.max(np.min(costs, axis=1)),
    _EXACT if 0.5 in y else float(np.max(np.diff(y)) ** 2),
  )


def _furthest(differences):
  return differences[np.argmax(np.abs(differences))]


def _misprints(results):
  y, a = results["targets"], results["outputs"]
  printed = results["printed_costs"]
  yield _claim(
    "S1-P6",
    "Erratum. (20) and (22) are printed with (1 - a) ln(1 - a). That cost is "
    "least at a = 1, whatever y is: the smallest minimiser over the targets.",
    _SOLVED + "6, equations 20 and 22",
    1.0,
    np.min(a[np.argmin(printed, axis=1)]),
    0.0,
  )
  yield _claim(
    "S1-P6",
    "Its derivative at a = y is ln(1 - y), and so 0 for y = 0 only: largest "
    "difference of autodiff from that.",
    _SOLVED + "6, equation 22; theory: -y / a + ln(1 - a) + 1",
    0.0,
    np.max(np.abs(results["printed_slopes"] - np.log1p(-y))),
    _EXACT,
  )
  low, high = results["sign_ratio"]
  yield _claim(
    "S1-P6",
    "Erratum. (24) is printed as y / a - (1 - y) / (1 - a), the derivative "
    "with the wrong sign: it over autodiff, furthest from -1.",
    _SOLVED + "6, equation 24",
    -1.0,
    low if abs(low + 1) > abs(high + 1) else high,
    1e-8,  # near a = y both are differences of equal numbers
  )


def _integrals(results):
  section = _SIKDAR + "section 3.1.1, "
  for name, text, equation in (
    ("bias", "dC / db = a - y", "equation 3.2"),
    ("output", "dC / da = (a - y) / (a (1 - a))", "the equation after 3.3"),
  ):
    yield _claim(
      "S0-3.1.1",
      f"{text}, integrated numerically, is the cross-entropy but for a "
      "constant: largest difference.",
      section + equation,
      0.0,
      results[f"{name}_error"],
      1e-9,  # of the quadrature, asked for 1e-12 and about 1e-8 of the value
    )
  yield _claim(
    "S0-3.1.1",
    "With dC / dw_j = x_j (a - y) as well it is the same along any path of "
    "the weights: largest difference over random paths.",
    section + "equations 3.1 and 3.2",
    0.0,
    np.max(np.abs(results["path_error"])),
    1e-9,  # as above
  )


def _gradients(results):
  section, problem = _SIKDAR + "section 3.1, exercise 3.2", _SOLVED + "7, "
  for id_, text, source, error in (
    (
      "S0-3.2",
      "Cross-entropy behind a sigmoid: dC / dz_j = a_j - y_j",
      section,
      "error",
    ),
    (
      "S0-3.2",
      "Cross-entropy: dC / dw_jk = (1 / n) sum a_k (a_j - y_j)",
      section,
      "entropy",
    ),
    (
      "S0-3.2",
      "Quadratic cost: the same with a factor sigma'(z_j)",
      section,
      "quadratic",
    ),
    (
      "S1-P7",
      "Quadratic cost: dC / dw_jk = (1 / n) sum a_k (a_j - y_j) sigma'(z_j)",
      problem + "equation 25",
      "quadratic",
    ),
    (
      "S1-P7",
      "Cross-entropy, -(1 / n) sum (y_j - a_j) a_k as (34) prints it, which "
      "is (27)",
      problem + "equations 27 and 34",
      "entropy",
    ),
  ):
    yield _claim(
      id_,
      f"{text}: relative error against autodiff.",
      source,
      0.0,
      results[f"{error}_error"],
      _EXACT,
    )


def _factors(results):
  """What a factor too few or too many in the problem set would do."""
  problem = _SOLVED + "7, "
  low, high = results["stray_factors"]
  yield _claim(
    "S1-P7",
    "Erratum. Between (26) and (25) dC / dz_j is printed with a factor a_k, "
    "which belongs to dC / dw_jk: it over autodiff, less a_k, at the most.",
    problem + "the equation after 26",
    0.0,
    results["stray_error"],
    1e-9,  # entries of the gradient can be small
    f"The factors a_k lie between {low:.2g} and {high:.2g} here.",
  )


def _published(results):
  curves, starts = results["curves"][0], results["starts"].tolist()
  for start, epoch, output in (
    ([0.6, 0.9], 300, 0.0940),
    ([2.0, 2.0], 150, 0.9334),
    ([2.0, 2.0], 300, 0.2028),
  ):
    setting = float(results["learning_rate"]) == 0.15 and start in starts
    if not setting or epoch >= curves.shape[1]:
      continue  # Not what was published.
    yield _claim(
      "S1-P7",
      f"From w = {start[0]:g}, b = {start[1]:g} the quadratic cost leaves the "
      f"output here after {epoch} epochs.",
      _NIELSEN,
      output,
      curves[starts.index(start), epoch],
      5e-5,  # four printed digits
    )


def _speeds(results):
  rate, curves = float(results["learning_rate"]), results["curves"]
  slow = -1  # the start that is more wrong
  a = curves[0, :, 0]
  for i, name, formula, speeds in (
    (0, "quadratic cost", "(a - y) sigma'(z)", a**2 * (1 - a)),
    (1, "cross-entropy", "a - y", a),
  ):
    steps = results["first_steps"][i]
    yield _claim(
      "S0-3.2",
      f"Under the {name} the second start takes a first step this many times "
      f"as long as the first start, both outputs being wrong by a - y.",
      f"{_SIKDAR}exercise 3.2: {formula}",
      float(speeds[slow] / speeds[0]),
      steps[slow] / steps[0],
      1e-10,  # a difference of biases near 1
      "Below 1: the more wrong, the slower." if i == 0 else "",
    )
  for i, name, time in (
    (0, "quadratic cost", theory.quadratic_time),
    (1, "cross-entropy", theory.entropy_time),
  ):
    yield _claim(
      "S1-P7",
      f"Epochs under the {name} until the second start's output is down to "
      "1/2, over those of infinitely small steps.",
      "theory: da / dt = -2 eta a (1 - a) dC / dz, integrated",
      1.0,
      theory.crossing(curves[i, slow], 0.5) / time(a[slow], 0.5, rate),
      # Euler's method: half a step of 2 eta times the slope of dC / dz, which
      # is at most 1/4 for either cost.
      rate / 4,
      f"{time(a[slow], 0.5, rate):.0f} epochs.",
    )
