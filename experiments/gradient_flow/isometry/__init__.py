"""How evenly does a deep network stretch its inputs, and how much by luck?

The Jacobian J of outputs by inputs multiplies gradients on their way back. That
it keeps the length of an average gradient (the critical line) is not enough:
its singular values spread with the depth, and its norm varies from one draw of
the weights to the next.

- With Gaussian weights the squared singular values spread at least like the
  depth L, whatever the units. Orthogonal weights take 1 off per layer: nothing
  is left for linear units, little for saturating ones in their linear range.
  ReLU gains little from them: half of its slopes are 0 at any scale.
- The norm of J is nearly log-normal, with 5 sum(1 / width) as the variance of
  its logarithm: shape matters through this sum alone. Moments of the norm
  itself are those of a few rare networks. Take logarithms.
- An orthogonal matrix from a QR factorisation alone is not uniformly
  distributed: the signs of R's diagonal have to be put right.

  python -m experiments.gradient_flow.isometry --config.depth=6

takes 20 seconds (--full, with the published 1000 units: some 10 minutes).
Expect relative variances of 2 L, L, L and 0 for ReLU and linear units, a few
percent more at the 120 units here.
"""

from experiments import study
from experiments.gradient_flow.isometry import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="The spread of squared singular values grows with depth, less with "
  "orthogonal weights; the luck of the draw goes by the sum of 1 / width.",
  equation=r"J = \prod_{l=1}^{L} D_l W_l, \quad J J^\top \approx 1",
  caption="Top: variance / mean^2 of the squared singular values s^2 against "
  "depth, measured (bars: between networks) and at infinite width (lines). "
  "Bottom: singular values with their theoretical densities; how gradients' "
  "norms vary, and their second moments, for which one must be lucky.",
  full=run.Config(
    width=1000,
    depth=16,
    num_seeds=8,
    shape_seeds=20_000,
    narrow_seeds=1_000_000,
  ),
)
