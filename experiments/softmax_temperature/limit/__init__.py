"""What does softmax(c z) become as c grows, and what becomes of its gradient?

Exercise 3.3 multiplies the logits by a constant c and asks for the limit of the
activations as c -> infinity. Its answer is the one-hot vector of the maximum.
What a student should take from this:

- That is right for one maximum; k equal maxima get 1 / k each, and c changes
  nothing about it. The exercise's denominator goes to k, not to 1.
- The limit is reached exponentially: what is left on the others is less than
  (n - 1) exp(-c gap). Sparsemax reaches it at a finite c, 1 / (gap k), exactly.
- The gradient goes with it. The Jacobian of softmax(c z) is small for small c
  and vanishes like c exp(-c gap) for large c; in between two classes pass on at
  most 0.448 / gap, at c gap = 1.54. The Lipschitz constant is c / 2 in every
  l_p norm. The cross-entropy's gradient c (a - y) does not vanish, it grows
  like c, wherever the label is not the only maximum.
- As printed, exp(c z) overflows at c z = 11 in float16 and at 89 in float32.
  With the maximum subtracted before the scaling, values and gradients are right
  from c = 1e-30 to 1e30 in four formats.

  python -m experiments.softmax_temperature.limit --config.num_classes=4

takes 8 seconds (--full: 20 seconds). Every bound is kept, every identity holds
to rounding, for logits drawn from N(0, 1): the exercise names no numbers.
"""

from experiments import study
from experiments.softmax_temperature.limit import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="The uniform distribution over the maxima, exponentially fast; its "
  "Jacobian vanishes with the error unless maxima tie.",
  equation=r"\frac{e^{c x_i}}{\sum_j e^{c x_j}} \to \frac{[x_i = \max "
  r"x]}{\mathrm{number\ of\ maxima}} \quad (c \to \infty)",
  caption="What is left off the maxima, between its two bounds; softmax beside "
  "sparsemax, which is exact from a finite c on; and how much of a gradient "
  "two classes pass on, most in between.",
  full=run.Config(
    num_vectors=300, num_inverse_temperatures=81, num_draws=1_000_000
  ),
)
