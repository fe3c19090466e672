"""Which estimators give the exact gradient of a recurrent network?

The exercise asks for the bracket in

  grad F = sum_n dF_n/dh_n dh_n/dtheta,  dh_n/dtheta = [ ... ].

Completed, it is dh_n/dh_{n-1} dh_{n-1}/dtheta + dh_n/dtheta_n: carry the
influence forward, add what theta does now. This is measured against `jax.grad`
through the whole sequence:

- RTRL is not an approximation. Textbook, lazy or diagonal, in segments of any
  length, it gives the gradient of backpropagation through time up to rounding,
  and each step's own gradient at that step, before the sequence has ended.
- Without the first term of the bracket (the immediate gradient, BPTT(1, 1)) a
  good third of the gradient is missing. A window that rolls with the steps,
  BPTT(1, k), loses what is older than k; segments, BPTT(K, K), lose more, for
  the first losses of each see little.
- Online, parameters change while the influence is carried along. Then RTRL is
  the derivative by a common shift of all parameters used so far, and deviates
  from the gradient at the present ones in first order of the learning rate.

  python -m experiments.rtrl_vs_tbptt.exactness --config.cells=lstm,elstm

takes 25 seconds (--full: 50). Expect 1e-15 for exact methods.
"""

from experiments import study
from experiments.rtrl_vs_tbptt.exactness import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="RTRL does, textbook, lazy or diagonal, at every step; truncated BPTT "
  "only when nothing is cut off.",
  equation=r"\frac{d h_n}{d \theta} = \frac{\partial h_n}{\partial "
  r"h_{n-1}}\,\frac{d h_{n-1}}{d \theta} + \frac{\partial "
  r"h_n}{\partial \theta_n}",
  caption="Relative error of a sequence's gradient against the steps of a "
  "segment or a rolling window; and, with an update at every step, how far "
  "RTRL is from the present gradient and from the derivative that it is.",
  full=run.Config(lengths=(1, 2, 4, 8, 16, 32), exact_lengths=(1, 4, 16, 32)),
)
