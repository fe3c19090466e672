"""Claims of the study of approximation about sigmoids, from stored arrays.

The arrays are described at `approximation_sigmoid.measure`.
"""

import functools
from collections.abc import Iterator

import numpy as np
from scipy import special

from experiments import study
from experiments.textbook import approximation_sigmoid as sigmoid
from experiments.textbook import approximation_theory as theory

_SIKDAR = "Sikdar, Neural networks and deep learning: exercises, 2021, "
_STEPS = _SIKDAR + "section 4.1"
_ONE = _SIKDAR + "section 4.2"
_SEVERAL = _SIKDAR + "section 4.3"


def claims(results: study.Results) -> Iterator[study.Claim]:
  """Compares steps, bumps and towers with closed forms.

  Args:
    results: with the arrays of `measure`.

  Yields:
    The claims of the rows S0-4.1, S0-4.2 and S0-4.3, and of one hidden layer.
  """
  yield from _claims_steps(results)
  yield from _claims_bump(results)
  yield from _claims_sums(results)
  yield from _claims_one_layer(results)
  yield from _claims_towers(results)
  yield from _claims_bias(results)
  yield from _claims_plane(results)


def _claims_steps(results):
  claim = functools.partial(study.Claim, "S0-4.1")
  low, middle, high = results["step_levels"].T
  yield claim(
    "A sigmoid neuron with bias b = -s w steps up at s for every weight: the "
    f"largest distance from s = {sigmoid.STEP} at which it is 1/2.",
    _STEPS,
    0.0,
    float(np.max(np.abs(middle - sigmoid.STEP))),
    1e-12,  # Rounding.
  )
  width = (high - low) / theory.step_width(results["weights"])
  yield claim(
    "The step is as steep as wanted: from 0.1 to 0.9 within 2 log(9) / w (the "
    "width over this, at the weight where it deviates most).",
    _STEPS + "; theory: inverse of the sigmoid",
    1.0,
    float(width[np.argmax(np.abs(width - 1))]),
    1e-5,  # Linear interpolation between points 0.002 / w apart.
  )


def _claims_bump(results):
  claim = functools.partial(study.Claim, "S0-4.1")
  weight, gain = float(results["weight"]), float(results["gain"])
  left, start, inside, stop, right = results["bump_ys"]
  figure = f"{_STEPS}, figure 4.3: w = h = 10000"
  for where, expected, measured, tolerance in (
    ("is 1 between s_1 and s_2", 1.0, inside, 1e-12),
    ("is 0 elsewhere (the larger of two sides)", 0.0, max(left, right), 1e-12),
    # The steps' inputs are known to 1e-12, the output's to h times that.
    ("is 1/2 at s_1 and s_2 (the mean of the two)", 0.5, start, 1e-6),
  ):
    if expected == 0.5:
      measured = (start + stop) / 2
    yield claim(
      f"Two sigmoids make a bump: sigma(h a_1 - h a_2 - h/2) {where}.",
      figure,
      expected,
      float(measured),
      tolerance,
    )
  low, _, high = results["bump_levels"]
  yield claim(
    "The edge of a bump is steeper than the steps it is made of, by about h / "
    "4: its width from 0.1 to 0.9 over that of the closed form.",
    "theory: inverse of two sigmoids",
    1.0,
    float((high - low) / theory.bump_edge_width(weight, gain)),
    1e-4,  # Linear interpolation between points 0.03 / (h w) apart.
  )


def sum_errors(results: study.Results, name: str) -> np.ndarray:
  """Returns the largest error for each number of bumps.

  Args:
    results: with the arrays of `measure`.
    name: "sum" for two hidden layers, "one_layer" for one.

  Returns:
    One number for each entry of `num_bumps`.
  """

  def error(count):
    xs, ys = results[f"sum_xs_{count}"], results[f"{name}_ys_{count}"]
    return np.max(np.abs(ys - _target(xs)))

  return np.array([error(count) for count in results["num_bumps"]])


def _target(xs):
  """The target in NumPy, so that claims keep all digits."""
  wave = 0.3 * xs * np.sin(15 * xs) + 0.05 * np.cos(50 * xs)
  return 0.2 + 0.4 * xs**2 + wave


def _ideal_error(xs):
  """Returns the error of the true means, at points [N, Q] of the N parts."""
  edges = np.linspace(0, 1, len(xs) + 1)
  means = theory.target_mean(edges[:-1], edges[1:])
  return float(np.max(np.abs(means[:, None] - _target(xs))))


def _claims_sums(results):
  claim = functools.partial(study.Claim, "S0-4.2")
  counts, errors = results["num_bumps"], sum_errors(results, "sum")
  for count, error in zip(counts, errors, strict=True):
    if count in (10, 50):
      yield claim(
        f"{count} bumps approximate f(x) = 0.2 + 0.4 x^2 + 0.3 x sin(15 x) + "
        "0.05 cos(50 x) as well as its means over the parts do: the largest "
        "error.",
        f"{_ONE}, figure 4.5; theory: means by the antiderivative",
        _ideal_error(results[f"sum_xs_{count}"]),
        float(error),
        1e-7,  # Gauss's quadrature with 8 nodes, 5 radians a part.
      )
  yield claim(
    "More intervals give a better approximation: the largest ratio of the "
    "error to that of the next smaller number.",
    _ONE,
    (0.0, 1.0),
    float(np.max(errors[1:] / errors[:-1])),
  )
  moduli = np.array([theory.target_oscillation(1 / n) for n in counts])
  yield claim(
    "With N bumps the error is at most the modulus of continuity omega(1 / N): "
    "the largest ratio of the two.",
    "theory: a mean lies between the values",
    (0.0, 1.0),
    float(np.max(errors / moduli)),
  )
  first, second = theory.target_slopes(np.linspace(0, 1, 10**5 + 1))
  largest, bend = np.max(np.abs(first)), np.max(np.abs(second))
  yield claim(
    "The error falls as 1 / N, and N times it tends to max|f'| / 2: the ratio "
    f"at N = {counts[-1]}.",
    "theory: Taylor's formula on one part",
    1.0,
    float(2 * counts[-1] * errors[-1] / largest),
    # The next order of the formula; and the points end 0.001 parts before it.
    float(bend / (3 * counts[-1] * largest)) + 2e-3,
  )


def _claims_one_layer(results):
  errors = sum_errors(results, "one_layer")
  moduli = [theory.target_oscillation(2 / n) for n in results["num_bumps"]]
  yield study.Claim(
    "S2-approximation",
    "One hidden layer of sigmoids suffices: the largest error of N - 1 steps, "
    "f_1 + sum (f_{i+1} - f_i) sigma(w (x - s_i)), over the modulus of "
    "continuity omega(2 / N), which tends to 0; largest of all N.",
    "Kent, Introduction to deep learning, universal approximators; Cybenko, "
    "Approximation by superpositions of a sigmoidal function, 1989, abstract",
    (0.0, 1.0),
    float(np.max(errors / moduli)),
  )


def _tower_errors(results, num_axes):
  """Returns the worst error for each bias, the right and the printed first."""
  inside = results[f"tower_counts_{num_axes}"] == num_axes
  return np.max(np.abs(results[f"tower_ys_{num_axes}"] - inside), axis=1)


def _claims_towers(results):
  claim = functools.partial(study.Claim, "S0-4.3")
  gain = float(results["tower_gain"])
  margin = float(special.expit(-gain / 2))
  for num_axes in range(1, 5):
    bias = {2: ", as printed -3h/2", 3: ", as printed -5h/2"}.get(num_axes, "")
    yield claim(
      f"A tower of m = {num_axes} axes with output bias -(2m - 1)h/2{bias}, "
      "is 1 in its box and 0 out of it, up to sigma(-h/2): the worst error.",
      f"{_SEVERAL}; theory: the sum of the steps is h times the number of "
      "coordinates inside",
      margin,
      float(_tower_errors(results, num_axes)[0]),
      1e-9,  # What the steps lack of 0 and 1, a tenth of the box away.
    )
  for num_axes, expected in (
    (3, special.expit(gain + 0.5)),
    (2, special.expit(0.5)),
    (1, special.expit(-0.5)),
  ):
    yield claim(
      "Erratum: the bias for m variables is printed as -(h + h - 1)/2 = -(2h - "
      f"1)/2. With it the tower is wrong: the worst error for m = {num_axes}.",
      f"{_SEVERAL}; theory: sigma of h times the coordinates inside, less "
      "h - 1/2",
      float(expected),
      float(_tower_errors(results, num_axes)[1]),
      1e-9,  # As above.
    )
  xs, ys = sigmoid.surface_axes()
  (left, right), (low, high) = sigmoid.TOWER[:2]
  inside = ((xs > left) & (xs < right)) & ((ys > low) & (ys < high))[:, None]
  # 0.3 are 6 / w of the figure's steps.
  clear = [
    np.min(np.abs(axis[:, None] - sigmoid.TOWER[i]), axis=1) > 0.3
    for i, axis in enumerate((xs, ys))
  ]
  error = np.abs(results["surface"] - inside)[np.ix_(clear[1], clear[0])]
  yield claim(
    "The tower on (1, 2) x (-2, 0) is the indicator of this rectangle: the "
    "largest error 0.3 or more from the lines of its sides.",
    f"{_SEVERAL}, figure 4.7",
    0.0,
    float(np.max(error)),
    1e-3,  # sigma(-h/2 + 4 h sigma(-6)) with the steps of w = 20, h = 20.
  )


def _claims_bias(results):
  claim = functools.partial(study.Claim, "S0-4.3")
  gain = float(results["tower_gain"])
  between = (sigmoid.BIAS_PLACES > 0) & (sigmoid.BIAS_PLACES < 1)
  errors = np.array([_tower_errors(results, m)[2:] for m in range(1, 5)])
  yield claim(
    "Any bias between -(m - 1)h and -mh will do: the worst error with biases "
    "a tenth of h or more from either end, in 1 to 4 dimensions.",
    f"{_SEVERAL}: 'between 2h and 3h' for m = 3; theory: sigma(-h / 10)",
    float(special.expit(-0.1 * gain)),
    float(np.max(errors[:, between])),
    1e-6,  # As above, times h.
  )
  yield claim(
    "No other bias will: the least of the worst errors with biases a tenth of "
    "h beyond either end.",
    f"{_SEVERAL}; theory: sigma(h / 10)",
    float(special.expit(0.1 * gain)),
    float(np.min(errors[:, ~between])),
    1e-6,
  )


def _claims_plane(results):
  claim = functools.partial(study.Claim, "S0-4.3")
  count, error, margin = (
    float(results[name][-1])
    for name in ("num_cells", "plane_errors", "plane_margins")
  )
  yield claim(
    "N^m towers side by side approximate a map from R^2 to R^2, the more the "
    "better: 2 N times the largest error within a cell tends to the largest "
    f"|df/dx| + |df/dy|, here 3; the ratio at N = {count:.0f}.",
    f"{_SEVERAL}; theory: Taylor's formula on one cell",
    1.0,
    2 * count * error / (3 * (1 - 2 * margin)),
    2 / count,  # The next order, 2.6 / N^2, over 1.5 / N.
  )
  yield claim(
    "But not everywhere: where four cells meet, all four towers are off, and "
    "the network is 0 whatever the function is (the largest output there).",
    "theory: there each of the towers is sigma(h (1/2 + 1/2) - 3h/2)",
    0.0,
    float(np.max(results["plane_corners"])),
    1e-12,
    note="The sums of towers converge in the mean, not uniformly; in one "
    "dimension, where two bumps meet, they add up to 1.",
  )
