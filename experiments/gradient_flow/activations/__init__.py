"""Does another activation cure the vanishing gradient?

The exercises ask it of an activation steeper than the sigmoid, and of one with
|sigma'| >> 1/4. What a student should take from this:

- No: the gradient is unstable. In a random network it changes by a factor each
  layer, sqrt(chi_1) with chi_1 = sigma_w^2 E[sigma'^2], and only one gain
  sigma_w of the weights makes that factor 1. At gain 1 a sigmoid of slope 1/4
  loses a factor 4.2 a layer, one of slope 1/2 a factor 2.4; slope 4 gains 1.2
  and slope 16 gains 2.
- A steeper activation is the same network with larger weights. It moves the
  balanced gain (to 2.8 / slope) and makes the balanced interval no wider.
  Deeper networks have a narrower one: twice the layers, half the width.
- ReLU "avoids the vanishing gradient problem" at sigma_w^2 = 2, He's start, and
  nowhere else: 30 layers learn with it, while they stall with Glorot's start.
- Narrow ReLU networks are often born dead: at ten layers 88 % of those of
  width 2, 0.1 % of those of width 10. LeakyReLU cannot die, but its alpha must
  not be too small to help, nor so large that little is left to bend.

  python -m experiments.gradient_flow.activations

takes about a minute (--full: longer). Numbers to expect: balanced gains
2.8 / slope, 1.2 (tanh), 1.43 (ReLU); born dead 0.88, 0.58, 0.13, 0.001.

Departures: He et al. train convolutional networks on ImageNet, here it is 30
fully connected layers on 8 x 8 digits; their VGG-B is measured on a torus,
without pooling, by default with 1/8 of the filters.
"""

from experiments import study
from experiments.gradient_flow.activations import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="No: the gradient is unstable, and each activation has one gain of "
  "the weights that balances it.",
  caption="Gradients by layer, and their growth per layer by the gain of the "
  "weights; tanh with its slope; equal networks of three activations in "
  "training; deep ReLU networks in training from two starts; ReLU networks "
  "that are dead from the start; how many LeakyReLU networks learn |x|. Bands: "
  "10th to 90th percentile of networks.",
  full=run.Config(
    num_layers=100,
    width=200,
    jacobian_width=1000,
    vgg_divisor=1,
    num_vgg_nets=8,
    num_narrow_nets=100_000,
    num_leaky_nets=1000,
    deep_width=100,
    num_deep_seeds=5,
    num_shallow_seeds=20,
  ),
)
