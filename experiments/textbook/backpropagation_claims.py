"""Claims of the study of backpropagation: gradients, from stored arrays.

The arrays are described at `backpropagation.run`. Identities are claimed to
1e-12, some hundred roundings of float64; means of seeds, batches or shuffles
within four standard errors.
"""

import numpy as np
from scipy import stats

from experiments import study
from experiments.textbook import backpropagation_theory as theory
from experiments.textbook import backpropagation_training_claims as trained

_EXACT = 1e-12
_SIKDAR = "Sikdar, Neural networks and deep learning: exercises, 2021, "
_ERLANGEN = (
  "Corrales, Miller, Morgenshtern, Machine learning in signal processing, "
  "solutions to problem set 5, "
)
_KENT = "Kent, Introduction to deep learning (slides), "
_XOR = "Chapter 1, Introduction: 1.1 Neural networks (lecture notes), "
_SHEET = "Problem sheet 4, question 1"


def all_claims(results: study.Results) -> list[study.Claim]:
  """Compares every formula with autodiff, and training with its sources."""
  return [
    *_steepest(results),
    *_equations(results),
    *_algorithm(results),
    *_forward(results),
    *_regression(results),
    *trained.all_claims(results),
  ]


def _zero(id_, statement, source, error, tolerance=_EXACT, note=""):
  return study.Claim(id_, statement, source, 0.0, error, tolerance, note)


def _steepest(results):
  exercise = _SIKDAR + "exercise 1.4 (Cauchy-Schwarz)"
  problem = _ERLANGEN + "problem 4, "
  cosines = results["random_cosines"]
  # (1 + cos) / 2 of a random direction with a fixed one, in d dimensions.
  half = (float(results["num_parameters"]) - 1) / 2
  ends = 1 - (1 - np.array([1e-3, 1 - 1e-3])) ** (1 / len(cosines))
  low, high = 2 * stats.beta.ppf(ends, half, half) - 1
  yield study.Claim(
    "S0-1.4",
    "A step of length eps along -grad C changes C, to first order, by "
    "-eps norm(grad C): in units of this, with the bound as -1.",
    exercise,
    -1.0,
    float(results["gradient_cosine"]),
    _EXACT,
  )
  yield study.Claim(
    "S0-1.4",
    f"No random direction comes near it: the best of {len(cosines)}.",
    "theory: (1 + cos) / 2 is Beta((d - 1) / 2, (d - 1) / 2); the least of "
    "all, from its 0.1 to its 99.9 % point",
    (float(low), float(high)),
    float(np.min(cosines)),
  )
  yield study.Claim(
    "S0-1.4",
    "A search among the directions ends at the bound, and not below.",
    exercise,
    -1.0,
    float(np.min(results["searched_cosines"])),
    _EXACT,
  )
  yield study.Claim(
    "S1-P4",
    "The bound is reached by v = -eta grad C, eta = eps / norm(grad C): the "
    "fall of C itself over eps norm(grad C), for the shortest step.",
    problem + "equation 11",
    1.0,
    float(results["fall"][-1]),
    # Second order, with a margin of 2, and the rounding of C.
    2 * abs(float(results["curvature"] * results["lengths"][-1])) + 1e-10,
  )
  index = 4  # eps = 1e-3: neither third order nor rounding
  eps = results["lengths"][index]
  yield study.Claim(
    "S1-P4",
    "What a finite step misses is g^T H g eps / (2 norm(g)^3): measured "
    "over predicted.",
    "theory: second order of Taylor's series",
    1.0,
    float((1 - results["fall"][index]) / (eps * results["curvature"])),
    10 * float(eps),  # The third order is a factor eps smaller.
  )


def _equations(results):
  equations = results["equation_error"]
  chapter = _SIKDAR + "section 2.1, "
  yield _zero(
    "S0-2.1",
    "The four equations give the gradient, for 1 to 4 layers, seven "
    "activations and four costs: the largest error against `jax.grad`.",
    chapter + "equations 2.9",
    float(max(*results["vector_error"], *equations[2:])),
  )
  for i, text in enumerate(
    (
      "delta^L = grad_a C * sigma'(z^L)",
      "delta^l = (w^{l+1})^T delta^{l+1} * sigma'(z^l)",
    )
  ):
    yield _zero(
      "S0-2.1",
      f"{text} is dC / dz by itself: error against autodiff.",
      chapter + f"equation {('2.2', '2.3')[i]}",
      float(equations[i]),
    )
  yield _zero(
    "S0-2.1",
    "The same gradient from differences of the cost, no calculus in it.",
    "theory: central differences with steps of 1e-5",
    float(results["difference_error"]),
    1e-8,  # Third derivatives times 1e-10, and rounding over 1e-5.
  )
  yield _zero(
    "S1-P5",
    "dC / db_j = delta_j: error against autodiff.",
    _ERLANGEN + "problem 5, equation 12",
    float(equations[2]),
  )
  yield _zero(
    "S1-P5",
    "dC / dw_jk = a_k delta_j: error against autodiff.",
    _ERLANGEN + "problem 5, equation 19",
    float(equations[3]),
  )
  yield _zero(
    "S2-backprop",
    "With a column for each example the same equations give the gradient of a "
    "batch: the largest error against `jax.grad` of the mean cost.",
    _KENT + "Forward-pass (batch), gradients for a general layer",
    float(np.max(results["batch_error"])),
  )


def _algorithm(results):
  section = _SIKDAR + "section 2.2"
  yield _zero(
    "S0-2.2",
    "A step of mini-batch gradient descent with the loops running from L - 1 "
    "and from L down to 2: its error against `nf.minibatch.fit`.",
    section,
    float(results["step_error"]),
  )
  yield _zero(
    "S0-2.2",
    "Erratum. The loops are printed as L - 1 <= l <= 2 and L <= l <= 2. Run as "
    "printed, with L = 4, they hold no layer: the largest change of any "
    "parameter in a step.",
    section + ", steps 1(c) and 2",
    float(results["printed_change"]),
    0.0,
    f"Run downward it is {float(results['meant_change']):.2g}. With L = 3 the "
    "first loop is right by chance, and nothing is updated all the same.",
  )


def _forward(results):
  theorem = _XOR + "theorem 1.5.1"
  yield _zero(
    "S3-1.5.1",
    "The forward recurrence gives dh / dw: error against forward-mode "
    "autodiff, `jax.jacfwd`.",
    theorem + ", with the base case put right",
    float(results["forward_error"]),
  )
  yield _zero(
    "S3-1.5.1",
    "Times dL / dh it gives what backpropagation, the reverse order, gives: "
    "error.",
    theorem + ", with the base case put right",
    float(results["gradient_error"]),
  )
  yield _zero(
    "S3-1.5.1",
    "Erratum. The base case dh_i / dw_ij is printed as h_i h_j, for "
    "sigma'(s_i) h_j. With sigmoids every derivative of unit i then comes out "
    "1 / (1 - h_i) times too large: error of this prediction.",
    theorem + ", case l = n",
    float(results["factor_error"]),
    note=f"The gradient is wrong by {float(results['printed_error']):.0%} of "
    "its norm in the worst network drawn.",
  )
  yield _zero(
    "S3-1.5.1",
    "With one weight matrix for all layers the recurrence is real-time "
    "recurrent learning: error of its gradient against `nf.estimators.rtrl`.",
    "Williams, Zipser, A learning algorithm for continually running fully "
    "recurrent neural networks, 1989",
    float(results["rtrl_error"]),
  )
  yield from _costs(results)


def _costs(results):
  widths, layers = results["widths"], int(results["num_layers"])
  plain, backward, forward = results["operations"].T
  weights = layers * widths[-2:] ** 2
  # Biases and activations are of order n where products are of order n^2.
  rest = 4 / float(widths[-2])
  for name, cost, exponent in (
    ("forward accumulation", forward / plain, 1.0),
    ("backpropagation", backward / plain, 0.0),
  ):
    yield study.Claim(
      "S3-1.5.1",
      f"Operations of {name} per operation of a plain pass, as a power of the "
      "number of weights: the exponent.",
      "theory: products counted; operations as XLA counts them",
      exponent,
      float(np.log(cost[-1] / cost[-2]) / np.log(weights[1] / weights[0])),
      rest,
    )
  yield study.Claim(
    "S3-1.5.1",
    f"Forward accumulation through {layers} layers of {widths[-1]} units "
    "multiplies P (N - 1) / (2 N) times as much as a plain pass: operations, "
    "counted over predicted.",
    "theory: n^4 for each of N (N - 1) / 2 pairs of layers, over N n^2",
    1.0,
    float(forward[-1] / plain[-1])
    / theory.forward_cost(int(widths[-1]), layers),
    rest,
  )
  yield study.Claim(
    "S3-1.5.1",
    "Backpropagation there costs (5 N - 2) / (2 N) plain passes.",
    "theory: 2 N n^2 + 2 (N - 1) n^2 + N n^2, over 2 N n^2",
    theory.backward_cost(layers),
    float(backward[-1] / plain[-1]),
    rest * theory.backward_cost(layers),
  )


def _regression(results):
  errors = results["softmax_error"]
  for formula, error in zip(
    ("dl/da = -e_y / a_y", "dl/dz = a - e_y", "dl/dW = (a - e_y) x^T"),
    errors,
    strict=False,
  ):
    yield _zero(
      "S4-1", f"{formula}: error against autodiff.", _SHEET, float(error)
    )
  yield _zero(
    "S4-1", "dl/db = a - e_y: error against autodiff.", _SHEET, float(errors[3])
  )
  for name, equation, error in (
    ("dC / db_j = a_j - y_j", "3.6", errors[3]),
    ("dC / dw_jk = a_k (a_j - y_j)", "3.7", errors[2]),
  ):
    yield _zero(
      "S0-3.2",
      f"Softmax under the negative log-likelihood: {name}, error.",
      _SIKDAR + f"section 3.2, equation {equation}",
      float(error),
    )
  other = "scikit-learn, LogisticRegression (Newton's method), same objective"
  ours, theirs = results["regression_accuracy"]
  yield _zero(
    "S4-1",
    "Trained on digits, W reaches the one minimum of the "
    "penalised loss: relative distance from another program's.",
    other,
    float(results["regression_error"]),
    1e-3,  # float32, and what Nesterov's method leaves after the last step
  )
  yield study.Claim(
    "S4-1",
    "It labels the held-out digits as the other program does: share.",
    other,
    1.0,
    float(results["regression_agreement"]),
    note=f"Accuracy {float(ours):.4f}, and {float(theirs):.4f} of the other.",
  )
