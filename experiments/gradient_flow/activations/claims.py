"""Claims of the study of activations: the gradients of random networks."""

import math

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, theory
from experiments.gradient_flow.activations import learning_claims, readings

_EXERCISE = Source("S0-Ex5.1", "S0", "exercise 5.1")
_PROBLEM_8 = Source("S1-P8", "S1", "problem 8")
_SLIDES = Source("S2-activations", "S2", "activation trade-offs")
_GLOROT = Source("P15", "glorot2010", "section 4.2")
_HE = Source("P15", "he2015", "section 2.2")
_EXPONENTIAL = theory(
  "S1-P10.2", "problem 10.2; rates of mean-field theory, for the width N", "S1"
)
_PER_LAYER = "log of the gradient's growth from a layer to the one before it"


def claims(results: study.Results) -> list[Claim]:
  """Compares gradients with the sources, and starts with each other."""
  return [
    *_slopes(results),
    _chain(results),
    *_balance(results),
    _exponential(results),
    _relu(results),
    _singular_values(results),
    _vgg(results),
    *learning_claims.claims(results),
  ]


def _rates(results, name, gain):
  """The growth per layer of each network, at the gain next to this one  [S]."""
  num_layers = readings.num_layers(results)
  growth = readings.growth(results, name, num_layers)
  return growth[:, readings.at_gain(results, name, gain)] / (num_layers - 1)


def _slopes(results):
  rates = {name: _rates(results, name, 1.0) for name in results.gradients}
  listed = ", ".join(f"{rate.mean():+.2f} ({n})" for n, rate in rates.items())
  yield _EXERCISE.between(
    "reduced-not-eliminated",
    "An activation whose slope f'(0) is higher than the sigmoid's 1/4, but not "
    "above 1, reduces the vanishing, but does not eliminate it.",
    (-1.45, 0.0),  # The standard sigmoid's, sqrt(chi_1) = e^-1.45; and none.
    {n: measure.mean(rates[n]) for n in ("sigmoid, slope 1/2", "tanh")},
    strict=True,
    quantity=_PER_LAYER,
    note=f"Weights have gain 1. Rates: {listed}.",
  )
  steep = "sigmoid, slope 4", "sigmoid, slope 16"
  yield _EXERCISE.at_least(
    "may-explode",
    "With an activation of slope f'(0) > 1 the gradient might explode.",
    0.0,
    {name: measure.mean(rates[name]) for name in steep},
    strict=True,
    quantity=_PER_LAYER,
  )


def _chain(results):
  errors = results.chain_errors.max(axis=(0, 1))
  return _PROBLEM_8.zero(
    "chain-products",
    "In a chain of four neurons dC/db_1 and dC/db_3 are the products of "
    "sigma'(z) and w in the solution.",
    dict(zip(("dC/db_1", "dC/db_3"), errors, strict=True)),
    tolerance=1e-12,  # Rounding of float64.
    quantity="largest difference from automatic differentiation, relative",
  )


def _balance(results):
  num_layers = readings.num_layers(results)
  decades, widths, found = {}, {}, []
  for name in readings.FAMILIES:
    gains = results.gradients[name].gains
    curves = readings.growth(results, name, num_layers)
    expected = readings.theory(results, name).growth.sum(axis=-1)
    (center,) = readings.gain_at(0.0, gains, expected[np.newaxis])
    for side, sign in (("half", -1), ("twice", 1)):
      at = center + sign * math.log(2)
      ends = np.array([np.interp(at, np.log(gains), c) for c in curves])
      ends = measure.mean(sign * ends / readings.LN_10)
      decades[f"{name} at {side} the gain"] = ends
    widths[name] = measure.mean(readings.balanced_width(gains, curves))
    at = math.exp(readings.gain_at(0.0, gains, curves).mean())
    found.append(f"{at:.3g} ({name}; in theory {math.exp(center):.3g})")
  yield _PROBLEM_8.at_least(
    "unstable",
    "The gradient is unstable: at half the balanced gain of the weights it "
    "vanishes, at twice that gain it explodes, tenfold or more.",
    1.0,
    decades,
    quantity=f"decades between layer 1 and layer {num_layers}",
    note=f"Balanced gains: {', '.join(found)}.",
  )
  yield _PROBLEM_8.at_most(
    "unlikely-by-chance",
    "Balance is unlikely to happen by chance: it takes a gain of the weights "
    "that is right within less than a factor of two.",
    math.log(2),
    widths,
    quantity="log of highest over lowest gain with a gradient that changes "
    f"less than tenfold over {num_layers} layers",
  )


def _exponential(results):
  num_layers, found = readings.num_layers(results), {}
  for name in readings.FAMILIES:
    steps, correction = readings.theory(results, name)
    for depth in (num_layers // 2, num_layers):
      rates = readings.growth(results, name, depth) / (depth - 1)
      # Theory is of first order in 1 / N: where that is little.
      for i in np.flatnonzero(correction.max(axis=-1) <= 0.05):
        gain = results.gradients[name].gains[i]
        found[f"{name} at gain {gain:.3g}, {depth} layers"] = measure.mean(
          rates[:, i] - steps[i, : depth - 1].mean()
        )
  return _EXPONENTIAL.zero(
    "exponential",
    "The gradient decays or grows exponentially with depth, by the factor per "
    "layer of mean-field theory, whatever the activation and the gain.",
    found,
    tolerance=0.05,  # As large as the correction that is allowed.
    quantity=f"{_PER_LAYER}, less theory",
  )


def _relu(results):
  rate = _rates(results, "ReLU", 1.0).mean()
  return _SLIDES.equivalent(
    "relu-avoids-vanishing",
    "ReLU avoids the vanishing gradient problem if its weights have He's gain, "
    "the square root of 2.",
    0.0,
    measure.mean(_rates(results, "ReLU", math.sqrt(2))),
    margin=0.05,  # Less than five per cent a layer.
    quantity=_PER_LAYER,
    note=f"Not by itself: at gain 1 it loses {1 - math.exp(rate):.0%} a layer, "
    "for half of the units are off.",
  )


def _singular_values(results):
  small, large = np.moveaxis(results.singular_values, -1, 0)
  return _GLOROT.zero(
    "singular-values",
    "The mean singular value of a tanh layer's Jacobian is about 0.5 with the "
    "standard start, about 0.8 with the normalised one.",
    {
      "standard": measure.mean(small[:, 0] - 0.5),
      "normalised": measure.mean(small[:, 1] - 0.8),
    },
    tolerance=0.1,  # "About", and one digit is given.
    quantity="mean singular value at small inputs, less the published",
    note="In theory 8 sqrt(n Var W) / (3 pi): 0.490 and 0.849. With inputs of "
    "variance 1 they are {:.3f} and {:.3f}.".format(*large.mean(axis=0)),
  )


def _vgg(results):
  return _HE.equivalent(
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
