"""Does another activation cure the vanishing gradient?

The exercises ask it of an activation steeper than the sigmoid, and of one with
|sigma'| >> 1/4. What a student should take from this:

- No: the gradient is unstable. In a random network it changes by a factor each
  layer, sqrt(chi_1) with chi_1 = sigma_w^2 E[sigma'^2], which is 1 at one gain
  sigma_w of the weights: 11 for the sigmoid, 1.2 for tanh, sqrt(2) for ReLU.
- A steeper activation is the same network with larger weights, sigma(4 s z)
  for a slope of s. At gain 1 a sigmoid of slope 1/4 loses a factor 4.2 a layer,
  one of slope 1/2 a factor 2.4; slope 4 gains 1.2 and slope 16 gains 2.
- ReLU "avoids the vanishing gradient problem" at sigma_w^2 = 2, He's start, and
  nowhere else: 30 layers learn with it, while they stall with Glorot's start.
- Narrow ReLU networks are often born dead: at ten layers 88 % of those of
  width 2, 0.1 % of those of width 10. LeakyReLU cannot die, but its alpha must
  not be too small to help, nor so large that little is left to bend.

  python -m experiments.gradient_flow.activations

takes about 30 seconds (--full: longer).

Departures: fully connected layers learn 8 x 8 digits, not convolutional ones
ImageNet; VGG-B is measured on a torus, without pooling, with 1/8 the filters.
"""

from experiments import study
from experiments.gradient_flow.activations import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="No: the gradient is unstable, and each activation has one gain of "
  "the weights that balances it.",
  equation=r"\mathrm{Var}(w) = \frac{g^2}{\mathrm{fan\ in}}, \quad g^2 = 1 "
  r"\ \mathrm{(Xavier)}, \ 2 \ \mathrm{(He)}",
  caption="Gradients by layer, and their growth per layer by the gain of the "
  "weights; tanh with its slope; equal networks of three activations in "
  "training; deep ReLU networks in training from two starts; ReLU networks "
  "that are dead from the start. Bands: 10th to 90th percentile of networks.",
  full=run.Config(
    num_layers=100,
    width=200,
    deep_width=100,
    num_deep_seeds=5,
    num_shallow_seeds=20,
  ),
)
