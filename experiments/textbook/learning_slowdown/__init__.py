"""Why does a neuron that is badly wrong learn slowly, and when does it not?

Under the quadratic cost the gradient of an output neuron carries the factor
sigma'(z), which is next to nothing where the neuron is saturated: the more
wrong it is, the slower it learns. The cross-entropy is the cost without that
factor, and the only one. What a student should take from this:

- The cross-entropy is least where a = y, with the binary entropy of y left
  over. That it can be positive at its minimum is no defect.
- Asking for dC / db = a - y leaves no choice: integrate it and the
  cross-entropy is what comes out, along whichever path of weights.
- One neuron, x = 1, y = 0: from (w, b) = (2, 2) the quadratic cost spends 150
  epochs on a plateau, and the cross-entropy none. The time is known in closed
  form for small steps.

  python -m experiments.textbook.learning_slowdown --config.learning_rate=0.3

takes 3 seconds (--full: some seconds more). At 0.15, the default, expect
0.0940 and 0.2028 after 300 epochs, 0.9334 half-way from the second start.

Errata of the problem set: its (20) and (22) have 1 - a for 1 - y, and such a
cost is least at a = 1 whatever y is; its (24) has the wrong sign; its formula
between (26) and (25) has a factor a_k too many for dC / dz. Its (34) is right.
"""

from experiments import study
from experiments.textbook.learning_slowdown import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="Under the quadratic cost the slope of the saturated sigmoid holds it "
  "back; under the cross-entropy that factor cancels.",
  equation=r"\frac{\partial}{\partial w} \frac{(y - a)^2}{2} = (a - "
  r"y)\,\sigma'(z)\,x, \quad -\frac{\partial}{\partial w} \bigl(y "
  r"\ln a + (1 - y) \ln (1 - a)\bigr) = (a - y)\,x",
  caption="The cross-entropy over the output, with its minima and the binary "
  "entropy that is left there; the cost as the problem set prints it; the "
  "gradient of one neuron under both costs; and how that neuron learns from "
  "two starts, with the closed form for small steps.",
  full=run.Config(num_targets=99, num_paths=50),
)
