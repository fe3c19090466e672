"""Which estimators give the exact gradient of a recurrent network?

The exercise asks for the bracket in

  grad F = sum_n dF_n/dh_n dh_n/dtheta,  dh_n/dtheta = [ ... ].

Completed, it is dh_n/dh_{n-1} dh_{n-1}/dtheta + dh_n/dtheta_n: carry the
influence forward, add what theta does now. This study measures that completion
against `jax.grad` through the whole sequence. What a student should take from
it:

- RTRL is not an approximation. Textbook, lazy or diagonal, in segments of any
  length, it gives the gradient of backpropagation through time to the last
  digits of the number format, and it gives each step's own gradient at that
  step, before the sequence has ended.
- The first term of the bracket is not a detail: without it (the immediate
  gradient, BPTT(1, 1)) a third of the gradient is missing here. Truncating
  later lessens the error, to zero only when nothing is cut off. A window that
  rolls with the steps, BPTT(1, k), loses what is older than k, which fades
  geometrically; segments, BPTT(K, K), lose it like 1 / K, for the first losses
  of every segment stay short-sighted.
- Online, parameters change while the influence is carried along. Then RTRL is
  still exact, but for another question: it is the derivative with respect to a
  common shift of all the parameters used so far. From the gradient at the
  present parameters it differs in first order of the learning rate: ten times
  smaller steps, ten times less stale.

The LSTM compared here is the one of the textbook: its six equations are run
beside it.

  python -m experiments.rtrl_vs_tbptt.exactness --config.cells=lstm,elstm

takes 20 seconds (--full, every estimator, segment length and number format on
every cell: 5 minutes). Numbers to expect: errors near 1e-15 in float64 and 1e-7
in float32 for exact methods (up to 1e-5 for the LRU, whose phases add up); 0.25
to 0.45 for the immediate gradient; staleness of slope 1.
"""

from experiments import study
from experiments.rtrl_vs_tbptt.exactness import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="RTRL does, textbook, lazy or diagonal, at every step; truncated BPTT "
  "only when nothing is cut off.",
  caption="Relative error of the gradient of a sequence against the steps of a "
  "segment or of a rolling window; and how far RTRL, with an update at every "
  "step, is from the gradient at the present parameters and from the "
  "derivative that it is, against the learning rate.",
  full=run.Config(exact_lengths=(1, 2, 4, 8, 16, 32), exhaustive=True),
)
