"""Claims of the study of activations."""

import math

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, theory
from experiments.gradient_flow.activations import readings

_EXERCISE = Source("S0-Ex5.1", "S0", "exercise 5.1")
_PROBLEM_8 = Source("S1-P8", "S1", "problem 8")
_SLIDES = Source("S2-activations", "S2", "activation trade-offs")
_TRADE_OFFS = Source("S2-tradeoffs", "S2", "activation trade-offs")
_FORWARD = Source("S2-tradeoffs", "S2", "forward propagation")
_CHAPTER = Source("S3-1.3", "S3", "section 1.3")
_GLOROT = Source("P15", "glorot2010", "section 4.2")
_HE = Source("P15", "he2015", "section 2.2")
_LU = Source("P17", "lu2019", "10 layers, second-hand")
_EXPONENTIAL = theory("S1-P10.2", "problem 10.2; mean-field theory", "S1")
_HALF = theory("S2-tradeoffs", "weights have either sign as often", "S2")
_PER_LAYER = "log of the gradient's growth from a layer to the one before it"
_LEARNED = 0.5  # Of the variance of |x|: no line leaves so little.


def claims(results: study.Results) -> list[Claim]:
  """Compares gradients and learning with what is said of them."""
  return [
    *_at_gain_1(results),
    *_products(results),
    *_starts(results),
    *_dying(results),
    *_better(results),
    *_trade_offs(results),
  ]


def _at_gain_1(results):
  num_layers = results.gradients.log_deltas.shape[-1]
  rates = readings.growth(results, num_layers) / (num_layers - 1)
  rate = {n: rates[:, *readings.at_gain(results, n)] for n in readings.NAMES}
  listed = ", ".join(f"{r.mean():+.2f} ({n})" for n, r in rate.items())
  yield _EXERCISE.between(
    "reduced-not-eliminated",
    "An activation whose slope f'(0) is higher than the sigmoid's 1/4, but not "
    "above 1, reduces the vanishing, but does not eliminate it.",
    (-1.45, 0.0),  # The standard sigmoid's, sqrt(chi_1) = e^-1.45; and none.
    {n: measure.mean(rate[n]) for n in ("sigmoid, slope 1/2", "tanh")},
    strict=True,
    quantity=_PER_LAYER,
    note=f"Weights have gain 1. Rates: {listed}.",
  )
  yield _EXERCISE.at_least(
    "may-explode",
    "With an activation of slope f'(0) > 1 the gradient might explode.",
    0.0,
    {n: measure.mean(rate[n]) for n in readings.NAMES[2:4]},
    strict=True,
    quantity=_PER_LAYER,
  )
  he = readings.at_gain(results, "ReLU", math.sqrt(2))
  yield _SLIDES.equivalent(
    "relu-avoids-vanishing",
    "ReLU avoids the vanishing gradient problem if its weights have He's gain, "
    "the square root of 2.",
    0.0,
    measure.mean(rates[:, *he]),
    margin=0.05,  # Less than five per cent a layer.
    quantity=_PER_LAYER,
  )


def _products(results):
  yield _PROBLEM_8.zero(
    "chain-products",
    "In a chain of four neurons dC/db_1 and dC/db_3 are the products of "
    "sigma'(z) and w in the solution.",
    results.chain_errors.max(),
    tolerance=1e-12,  # Rounding of float64.
    quantity="largest difference from automatic differentiation, relative",
  )
  gains, log_deltas, expected, correction = results.gradients
  num_layers = log_deltas.shape[-1]
  growth = readings.growth(results, num_layers)
  widths = {}
  for i, name in enumerate(readings.FAMILIES):
    low, high = readings.gains_of_tenfold(gains[i], growth[:, i])
    widths[name] = measure.mean(np.log(high / low))
  yield _PROBLEM_8.at_most(
    "unstable",
    "The gradient is unstable and hardly balances by chance: that takes a gain "
    "of the weights that is right within a factor of two.",
    math.log(2),
    widths,
    quantity="log of the gain at which it explodes tenfold over "
    f"{num_layers} layers, less where it vanishes tenfold",
  )
  found = {}
  for depth in (num_layers // 2, num_layers):
    rates = readings.growth(results, depth) / (depth - 1)
    rates = rates - expected[..., : depth - 1].mean(axis=-1)
    # Theory is of first order in 1 / N: where that is little.
    for i, j in np.argwhere(correction.max(axis=-1) <= 0.05):
      name = f"{readings.FAMILIES[i]} at gain {gains[i, j]:.3g}, {depth} layers"
      found[name] = measure.mean(rates[:, i, j])
  yield _EXPONENTIAL.zero(
    "exponential",
    "The gradient decays or grows exponentially with depth, by the factor per "
    "layer of mean-field theory, whatever the activation and the gain.",
    found,
    tolerance=0.05,  # As large as the correction that is allowed.
    quantity=f"{_PER_LAYER}, less theory",
  )


def _starts(results):
  standard, normalised = results.singular_values.T
  yield _GLOROT.zero(
    "singular-values",
    "The mean singular value of a tanh layer's Jacobian is about 0.5 with the "
    "standard start, about 0.8 with the normalised one.",
    {
      "standard": measure.mean(standard - 0.5),
      "normalised": measure.mean(normalised - 0.8),
    },
    tolerance=0.1,  # "About", and one digit is given.
    quantity="mean singular value at small inputs, less the published",
    note="In theory 8 sqrt(n Var W) / (3 pi): 0.490 and 0.849.",
  )
  yield _HE.equivalent(
    "vgg-shrinks",
    "Started with deviation 0.01, VGG-B shrinks the gradient from conv10 to "
    "conv2 to 1 / 1.7e4 of its size.",
    -math.log10(1.7e4),
    measure.jackknife(
      lambda ratios: math.log10(np.mean(ratios)) / 2, np.float64(results.vgg)
    ),
    margin=0.1,  # A quarter more or less.
    quantity="log10 of the ratio of root mean squares",
  )
  stalls = (
    "glorot-stalls",
    "With Glorot's start a ReLU network of 30 layers stalls, while one with "
    "He's start learns the digits.",
    (0.9, 1.1),
  )
  quantity = "training loss over ln 10 when He's is first below a tenth"
  glorot, he = results.deep.losses[:, :, 0] / readings.LN_10
  first = np.argmax(he < 0.1, axis=1)[:, np.newaxis]
  if np.any(np.take_along_axis(he, first, axis=1) >= 0.1):
    note = f"Not shown here: He's start did not do it in {len(he[0])} epochs."
    yield _HE.not_run(*stalls, quantity=quantity, note=note)
    return
  yield _HE.between(
    *stalls,
    measure.mean(np.take_along_axis(glorot, first, axis=1)[:, 0]),
    quantity=quantity,
    note=f"That is in epoch {first.mean() + 1:.0f}. Trained for longer, those "
    "with Glorot's start begin to learn too: they learn later.",
  )


def _dying(results):
  dead = dict(zip(readings.WIDTHS, results.dead, strict=True))
  for width, said, expected in (
    (3, "about 60 %", (0.55, 0.65)),
    (5, "more than 10 %", (0.1, 1.0)),
    (10, "less than 1 %", (0.0, 0.01)),
  ):
    yield _LU.between(
      f"born-dead-{width}",
      f"Of ReLU networks with ten layers of width {width}, {said} are born "
      "dead.",
      expected,
      measure.share(dead[width][:, -1]),
      quantity="share of networks",
    )
  yield _SLIDES.at_least(
    "deeper-dies",
    "Dying ReLU happens in deeper networks: with twice the hidden layers more "
    "networks are born dead.",
    0.0,
    {  # Of wider ones hardly any are.
      f"width {n}": measure.difference(dead[n][::2, 7], dead[n][1::2, 3])
      for n in (2, 3, 5)
    },
    strict=True,
    quantity="share born dead, 8 hidden layers less 4 of other networks",
  )
  learned = dict(zip(readings.ALPHAS, results.leaky.T < _LEARNED, strict=True))
  quantity = "share that learns |x| with alpha 0.1, less that with another"
  shares = ", ".join(f"{x.mean():.0%} ({a:g})" for a, x in learned.items())
  yield _SLIDES.at_least(
    "leaky-mitigates",
    "LeakyReLU mitigates the dying ReLU problem: of narrow deep networks more "
    "learn with alpha = 0.1 than with ReLU.",
    0.1,
    measure.difference(learned[0.1], learned[0.0]),
    quantity=quantity,
    note=f"Shares by alpha, 0 is ReLU: {shares}.",
  )
  yield _TRADE_OFFS.at_least(
    "alpha-needs-tuning",
    "LeakyReLU's alpha needs tuning: fewer networks learn with 0.001 or 1 than "
    "with 0.1.",
    0.1,
    {
      f"alpha {alpha:g}": measure.difference(learned[0.1], learned[alpha])
      for alpha in (0.001, 1.0)
    },
    quantity=quantity,
  )


def _better(results):
  best = readings.best(results)
  curves = {n: np.log10(x).mean(axis=1) for n, (_, x) in best.items()}
  rates = ", ".join(f"{name} {rate:g}" for name, (rate, _) in best.items())
  speeds = np.log10(results.shallow.losses).mean(axis=(1, 3))
  ahead = results.rates[speeds[2] < speeds[1]]
  for source, key, verb, better, worse in (
    (_CHAPTER, "tanh-better", "trains better", "tanh", "sigmoid"),
    (_CHAPTER, "relu-better-still", "trains better", "ReLU", "tanh"),
    (_TRADE_OFFS, "relu-faster", "converges faster", "ReLU", "sigmoid"),
  ):
    yield source.at_most(
      key,
      f"A network {verb} with {better} than with {worse}.",
      0.0,
      measure.difference(curves[better], curves[worse]),
      strict=True,
      quantity="log10 of the training loss, mean over epochs, "
      f"{better} less {worse}",
      note="Networks of three hidden layers on digits, each at its best rate: "
      f"{rates}. ReLU starts as He has it, the others as Glorot. At equal "
      "rates ReLU is ahead of tanh at "
      f"{', '.join(map('{:g}'.format, ahead)) or 'none'}.",
    )


def _trade_offs(results):
  yield _HALF.equivalent(
    "relu-sparse",
    "ReLU introduces sparsity: at the start half of its hidden outputs are "
    "exactly zero.",
    0.5,
    measure.mean(results.shallow.zeros[2, :, 0]),
    margin=0.1,
    quantity="share of zeros, mean over images and networks",
  )
  sigmoid, tanh, relu = results.costs
  yield _TRADE_OFFS.at_least(
    "tanh-dearer",
    "Tanh is more computationally expensive than sigmoid and ReLU.",
    0.0,
    {"ReLU": tanh - relu, "sigmoid": tanh - sigmoid},
    strict=True,
    quantity="transcendental operations per unit, tanh less another",
    note="As XLA counts, forward and backward. The slides do not say dearer "
    "than what.",
  )
  yield _FORWARD.zero(
    "looped-or-vectors",
    "A forward pass in vector notation gives what two loops, over layers and "
    "over neurons, give.",
    results.looped[0],
    tolerance=1e-12,
    quantity="largest difference of the outputs",
    note="Here the loops took {:.2f} ms, the vectors {:.3f} ms.".format(
      *1e3 * results.looped[1:]
    ),
  )
