"""What becomes of a gradient whose errors are propagated forward in time?

Backpropagation multiplies errors by Jacobians, from the last step to the first.
Run the other way round it divides by them: no state has to be stored, and in
exact arithmetic the gradient is the same. But a network that forgets multiplies
by less than 1, so that what is divided grows, rounding included: by 1 / r a
step, if r is the radius of its eigenvalues. What a student should take along:

- Exact on paper is not exact in floating point. With r = 0.6 nothing is left of
  the gradient of 100 steps, not even its sign.
- Digits buy steps in proportion, no more: the gradient is lost where r^T is
  eps, 2e-16 or 1e-7. Eigenvalues have to lie between eps^(1 / T) and 1.
- The same holds for RTRL with the inverse of the product of Jacobians, the
  Green's function of Sun, Chen and Lee: of a tanh network it is wrong after
  some 20 steps. Lazy RTRL, which has no inverses, stays at rounding.
- Where an inverse can be avoided it pays: the first of the two published passes
  is a sum as well, and that leaves a tenth of the error.

  python -m experiments.rtrl_vs_tbptt.forward_errors

takes 20 seconds (--full, with T = 1000: some two minutes). Expect cosines of
0.86 at r_min = 0.68 and T = 100, and 1/2 at r = 0.68 where units have one r.
"""

from experiments import study
from experiments.rtrl_vs_tbptt.forward_errors import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="Rounding grows by 1 / r a step, and the gradient is lost where "
  "r^T falls below the precision: only what hardly forgets has one.",
  equation=r"\delta_t = (\delta_{t-1} - g_{t-1})\,\Phi_t^{-1}, \quad "
  r"\delta_0 = \sum_t g_t\,\Phi_t \cdots \Phi_1, \quad "
  r"\mathrm{error} \sim \epsilon\, r^{-T}",
  caption="Cosine with the gradient at the published points; against the "
  "radius, where all units have one, with eps^(1 / T); the relative error "
  "against what rounding has grown by; and every step's error of RTRL with and "
  "without inverses (band: 10 to 90 % of networks).",
  full=run.Config(
    lengths=(100, 300, 1000),
    layer_lengths=(50, 100, 300),
    radii=tuple(round(0.02 * i, 2) for i in range(20, 49)),
    num_layers=32,
  ),
)
