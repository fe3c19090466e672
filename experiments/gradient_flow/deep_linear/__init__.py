"""What does depth alone do to a gradient, without any nonlinearity?

The exercises take a deep linear network of two neurons in each layer, with
diagonal weights: "the partial derivative is a product that tacks on weights,
one from each layer". What a student should take from it:

- The formula is right, at a thousand layers as at three, whichever layer is
  looked at; but y_hat's second path is misprinted, w_11^(2) for w_22^(2).
- Vanishing and exploding are not mirror images. Below 1 the gradient falls by
  |w| a layer; above 1 the error y_hat - y grows as well, so that it rises by
  |w|^2 a layer.
- In float32 the gradient of a net with weights 1/2 is 0 from some 130 layers
  on, that of one with weights 2 infinite from 65 on. With the exponent kept
  apart a thousand layers are no problem: the numbers exist, the format fails.
- The start decides. A net whose matrices are balanced and aligned with the task
  learns a mode of strength s by tau du/dt = D u^(2 - 2/D) (s - u), and at a
  learning rate of 1 / D great depth costs no more than a finite delay.

  python -m experiments.gradient_flow.deep_linear --config.max_depth=500

takes 7 seconds (--full: 30 seconds). Numbers to expect: errors near 1e-14 in
float64; slopes to 1e-6. Training is after Saxe et al., not in the exercises.
"""

from experiments import study
from experiments.gradient_flow.deep_linear import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="One factor |w| a layer makes it vanish or explode exponentially, "
  "unless the start is balanced: then depth costs a finite delay.",
  equation=r"\frac{d u}{d t} = N\,u^{2 - 2/N}\,(s - u)",
  caption="Left: the gradient of the first weight against depth for five sizes "
  "of all weights (dots: measured, lines: the formula), beyond what float32 "
  "holds. Right: the weakest mode of trained deep linear nets against time, by "
  "number of matrices (dots), and Saxe's equation (lines).",
  full=run.Config(
    num_nets=1000, num_matrices=(1, 2, 3, 4, 8, 16, 32, 64), step=0.001
  ),
)
