"""Claims of the study of activations, from its stored arrays.

The arrays are described at `activations.run`.
"""

import math

import numpy as np

from experiments import study
from experiments.gradient_flow import activations_relu_claims
from experiments.gradient_flow import activations_theory as theory

_SIKDAR = (
  "Sikdar, Neural networks and deep learning: exercises, 2021, exercise 5.1"
)
_PROBLEM = (
  "Corrales, Miller, Morgenshtern, Machine learning in signal processing, "
  "solutions to problem set 5, problem {}"
)
_PROBLEM_8 = _PROBLEM.format("8")
_PROBLEM_10 = _PROBLEM.format("10.2")
_KENT = "Kent, Introduction to deep learning, slides, activation trade-offs"
_MEAN_FIELD = (
  "mean-field theory, log(chi_1) / 2 (Schoenholz et al., Deep information "
  "propagation, 2017), less (3 k - 1) / 4 N for the finite width N"
)


def all_claims(results: study.Results) -> list[study.Claim]:
  """Compares gradients with mean-field theory, and starts with each other."""
  return [
    *_slopes(results),
    *_chain(results),
    *_instability(results),
    *_depth(results),
    *_trade_offs(results),
    *activations_relu_claims.all_claims(results),
  ]


def totals(results: study.Results, num_layers: int) -> np.ndarray:
  """Returns log norm(dC / d b^1) / norm(dC / d b^L) of the first L layers.

  Args:
    results: what `activations.run` returned.
    num_layers: L.

  Returns:
    [kinds, gains, seeds].
  """
  deltas = results["log_deltas"].astype(np.float64)
  return deltas[..., 0] - deltas[..., num_layers - 1]


def expected_totals(results: study.Results, num_layers: int) -> np.ndarray:
  """Returns what theory says of `totals`.

  Args:
    results: what `activations.run` returned.
    num_layers: L.

  Returns:
    [kinds, gains].
  """
  return theory.total_growth(
    results["log_chi"][..., :num_layers],
    results["kurtosis"][..., :num_layers],
    int(results["width"]),
  )


def mean_and_error(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Returns the mean over the last axis and its standard error.

  Args:
    values: [..., seeds].

  Returns:
    Two arrays [...].
  """
  deviation = np.std(values, axis=-1, ddof=1)
  return np.mean(values, axis=-1), deviation / math.sqrt(values.shape[-1])


def index_of(results: study.Results, kind: str, gain: float) -> tuple[int, int]:
  """Returns the indices of an activation and of the gain next to one.

  Args:
    results: what `activations.run` returned.
    kind: the activation's name.
    gain: sigma_w.

  Returns:
    The index in `kinds`, and the one in its row of `gains`.
  """
  row = list(results["kinds"]).index(kind)
  distance = np.abs(np.log(results["gains"][row] / gain))
  return row, int(np.argmin(distance))


def depths(results: study.Results) -> list[int]:
  """Returns the three depths that are compared: L / 4, L / 2 and L.

  Args:
    results: what `activations.run` returned.

  Returns:
    Numbers of layers.
  """
  num_layers = results["log_deltas"].shape[-1]
  return [num_layers // 4, num_layers // 2, num_layers]


def _rate_claim(results, row, kind, gain, statement, source, note=""):
  """Compares a rate per layer with theory."""
  index = index_of(results, kind, gain)
  num_layers = results["log_deltas"].shape[-1]
  mean, error = mean_and_error(totals(results, num_layers)[index])
  expected = expected_totals(results, num_layers)[index]
  steps = num_layers - 1
  return study.Claim(
    row,
    f"{statement}: change of log norm(dC / d b^l) for each layer on the way "
    f"to the input, {kind} at sigma_w = {results['gains'][index]:.3g}.",
    f"{source}; {_MEAN_FIELD}",
    float(expected / steps),
    float(mean / steps),
    float(4 * error / steps),
    f"{(mean - expected) / error:+.1f} standard errors over "
    f"{results['log_deltas'].shape[2]} networks of width {results['width']}. "
    + note,
  )


def _slopes(results):
  for kind, statement in (
    (
      "sigmoid",
      "The standard sigmoid, of slope 1/4, makes the gradient vanish",
    ),
    (
      "sigmoid, slope 1",
      "A slope that is higher reduces the severity, but does not eliminate it",
    ),
    (
      "tanh",
      "Tanh is one candidate: with f'(0) = 1 and weights of gain 1 what is "
      "left is a slow decay",
    ),
    ("sigmoid, slope 4", "With f'(0) > 1 the gradient might explode"),
    ("sigmoid, slope 16", "With f'(0) > 1 the gradient might explode"),
  ):
    yield _rate_claim(results, "S0-Ex5.1", kind, 1.0, statement, _SIKDAR)


def _chain(results):
  for first, formula in (
    (1, "dC/db_1 = sigma'(z_1) w_2 sigma'(z_2) w_3 sigma'(z_3) w_4 sigma'(z_4) "
        "dC/da_4"),
    (3, "dC/db_3 = sigma'(z_3) w_4 sigma'(z_4) dC/da_4"),
  ):  # fmt: skip
    yield study.Claim(
      "S1-P8",
      f"{formula} in a chain of four neurons: the largest difference from "
      "automatic differentiation, in units of the product with every sigma' "
      "at its largest, over all activations.",
      _PROBLEM_8,
      0.0,
      float(np.max(results[f"chain_error_{first}"])),
      1e-12,  # Rounding of float64.
    )


def _instability(results):
  kinds, gains = list(results["kinds"]), results["gains"]
  num_layers = results["log_deltas"].shape[-1]
  measured, expected = (
    fn(results, num_layers) for fn in (totals, expected_totals)
  )
  sigmoids = [i for i, kind in enumerate(kinds) if kind.startswith("sigmoid")]
  spread = measured[sigmoids] - measured[sigmoids[:1]]
  yield study.Claim(
    "S1-P8",
    "|sigma'| >> 1/4 does not help, it acts like larger weights: sigmoids of "
    "slope 1/4, 1, 4 and 16 at gains c / slope have the same gradients: the "
    "largest difference of log norm(dC / d b^1) / norm(dC / d b^L).",
    f"{_PROBLEM_8}; sigma(4 s (w a)) = sigma(4 (s w) a)",
    0.0,
    float(np.max(np.abs(spread))),
    1e-3,  # Float32: each layer rounds by 1e-7, in up to 1e2 units of log.
  )
  for kind in ("sigmoid", "tanh", "ReLU", "LeakyReLU"):
    row = kinds.index(kind)
    yield from _balance(
      kind, gains[row], measured[row], expected[row], num_layers
    )
  yield _sides(results, measured)
  yield _narrowing(results)


def _balance(kind, gains, measured, expected, num_layers):
  """Compares the balanced gain, and how far one may go from it."""
  curves = np.moveaxis(measured, -1, 0)
  center, center_error = mean_and_error(theory.gain_at(0.0, gains, curves))
  wanted = theory.gain_at(0.0, gains, expected)
  yield study.Claim(
    "S1-P8",
    f"All layers learn at one speed only if the products balance: {kind}, the "
    f"gain sigma_w at which the gradient is as large in layer 1 as in layer "
    f"{num_layers}.",
    f"{_PROBLEM_8}; {_MEAN_FIELD}",
    float(np.exp(wanted)),
    float(np.exp(center)),
    float(4 * center_error * np.exp(wanted)),
    f"{100 * (np.exp(center - wanted) - 1):+.2f} %, standard error "
    f"{100 * center_error:.2f} %.",
  )
  width, width_error = mean_and_error(theory.balanced_width(gains, curves))
  wanted = theory.balanced_width(gains, expected)
  yield study.Claim(
    "S1-P8",
    f"That balance is unlikely to happen by chance: {kind}, log of the ratio "
    "of the gains between which the gradient changes by less than a factor of "
    f"10 over {num_layers} layers.",
    f"{_PROBLEM_8}; {_MEAN_FIELD}; 2 ln 10 / (L - 1) for ReLU and LeakyReLU",
    float(wanted),
    float(width),
    float(4 * width_error) + 1e-3,  # ReLU's has no spread but rounding.
    f"{100 * (width / wanted - 1):+.1f} %, standard error "
    f"{100 * width_error / wanted:.1f} %.",
  )


def _sides(results, measured):
  """Says how fast the gradient is lost on either side of the balance."""
  worst = []
  for row, gains in enumerate(results["gains"]):
    mean = np.mean(measured[row], axis=-1)
    center = theory.gain_at(0.0, gains, mean)
    below, above = (
      np.interp(center + shift * math.log(2), np.log(gains), mean)
      for shift in (-1, 1)
    )
    worst.append(min(-below, above) / math.log(10))
  return study.Claim(
    "S1-P8",
    "The gradient is unstable, not just vanishing: at half the balanced gain "
    "it vanishes and at twice the gain it explodes, by more than a factor of "
    "10: decades between the first layer and the last, the least over "
    "activations and sides.",
    f"{_PROBLEM_8}: layers tend to learn at wildly different speeds",
    (1.0, math.inf),
    float(min(worst)),
  )


def _narrowing(results):
  kinds = list(results["kinds"])
  row = kinds.index("sigmoid")
  gains = results["gains"][row]
  found = []
  for fn in (totals, expected_totals):
    widths = [
      theory.balanced_width(gains, np.moveaxis(fn(results, d)[row], 0, -1))
      for d in (depths(results)[0], depths(results)[-1])
    ]
    found.append(widths[0] / widths[1])
  mean, error = mean_and_error(found[0])
  shallow, _, deep = depths(results)
  return study.Claim(
    "S1-P10.2",
    "The deeper the network, the more factors and the narrower the balance: "
    f"width of the interval above for a sigmoid, {shallow} layers over {deep}.",
    f"{_PROBLEM_10}; {_MEAN_FIELD}",
    float(found[1]),
    float(mean),
    float(4 * error),
    f"{100 * (mean / found[1] - 1):+.1f} %, standard error "
    f"{100 * error / found[1]:.1f} %.",
  )


def _depth(results):
  num_layers = results["log_deltas"].shape[-1]
  mean, error = mean_and_error(totals(results, num_layers))
  scores = np.abs(mean - expected_totals(results, num_layers)) / error
  yield study.Claim(
    "S1-P10.2",
    "The gradient decays or grows exponentially with depth, at the rate of "
    f"mean-field theory: largest distance in standard errors over "
    f"{scores.shape[0]} activations and {scores.shape[1]} gains.",
    f"{_PROBLEM_10}; {_MEAN_FIELD}",
    (0.0, 5.0),
    float(np.max(scores)),
    note="Five standard errors leave little to chance in some 30 independent "
    "comparisons. Theory leaves out that the variance q fluctuates too.",
  )
  worst = []
  for kind in results["kinds"]:
    index = index_of(results, kind, 1.0)
    deltas = results["log_deltas"][index].astype(np.float64)
    curves = (deltas - deltas[:, -1:])[:, :-1]
    steps = results["log_chi"][index] / 2
    steps = steps - (3 * results["kurtosis"][index] - 1) / (
      4 * float(results["width"])
    )
    expected = np.cumsum(steps[:-1][::-1])[::-1]
    mean, error = mean_and_error(curves.T)
    worst.append(np.max(np.abs(mean - expected) / error))
  yield study.Claim(
    "S1-P10.2",
    "It does so in every layer, not only from end to end: largest distance "
    "from the line of theory in standard errors over layers and activations "
    "at sigma_w = 1.",
    f"{_PROBLEM_10}; {_MEAN_FIELD}",
    (0.0, 5.0),
    float(max(worst)),
  )


def _trade_offs(results):
  for kind in ("sigmoid", "tanh"):
    # sigma' = sigma (1 - sigma) and 1 - tanh^2, for a large argument.
    expected = {"sigmoid": math.exp(-10), "tanh": 4 * math.exp(-20)}[kind]
    yield study.Claim(
      "S2-activations",
      f"For very large positive or negative inputs the slope of {kind} is very "
      "close to 0: at 10 and -10, by automatic differentiation, the larger.",
      f"{_KENT}; e^-|x| and 4 e^-2|x| to leading order",
      expected,
      float(results[f"slope_at_10_{kind}"]),
      1e-4 * expected,  # The next order, e^-10 of it, and rounding.
    )
  yield _rate_claim(
    results,
    "S2-activations",
    "ReLU",
    1.0,
    "ReLU does not avoid the vanishing gradient by itself",
    f"{_KENT}: ReLU avoids the vanishing gradient problem",
    "Half of the units are off, which costs log(2) / 2 a layer.",
  )
  yield _rate_claim(
    results,
    "S2-activations",
    "ReLU",
    math.sqrt(2),
    "It does so at the one gain that makes up for the silent half",
    f"{_KENT}: ReLU avoids the vanishing gradient problem",
  )
  yield study.Claim(
    "S0-Ex5.1",
    "tanh'(x) = 1 - tanh(x)^2: largest difference from automatic "
    "differentiation on [-5, 5].",
    f"{_SIKDAR}, figure 5.1",
    0.0,
    float(np.max(np.abs(results["tanh_slope"] - 1 + results["tanh"] ** 2))),
    1e-6,  # Float32.
  )
  yield study.Claim(
    "S0-Ex5.1",
    "Its slope is highest at 0: four times the sigmoid's.",
    f"{_SIKDAR}, figure 5.1; sigma'(0) = 1/4",
    4.0,
    float(np.max(results["tanh_slope"]) / results["max_slopes"][0]),
    1e-6,
  )
