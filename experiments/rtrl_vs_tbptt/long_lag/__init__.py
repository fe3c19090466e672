"""Why can a recurrent unit not learn a long lag from an exact gradient?

The first symbol of a sequence has to be said again at its end; between the two
are p - 1 symbols which are always the same. One self-recurrent logistic unit is
trained by RTRL, whose gradient is exact and comes at every step. What a student
should take from this:

- Exact is not enough. Through a logistic unit with self-connection w every step
  multiplies a gradient by at most |w|/4, so with small weights what is right is
  too small: nothing cuts it off, and nothing is left of it.
- At a lag of 4 something is left: RTRL succeeds, where a truncated gradient,
  which does not see the first symbol, never does. At a lag of 10 it fails too.
- The remedy is in the network, not in the method. A memory cell which carries
  its state on by a factor of 1 learns a lag of 10 by the same RTRL.
- Of a published table one may find the shape and not the axis: shares of
  success fall with the learning rate here as there, at ten times the rates.

There are only two sequences, so that testing each of them once is the same as
testing 10,000 random ones; a trial has succeeded when no output errs by 0.25.

  python -m experiments.rtrl_vs_tbptt.long_lag

takes 15 seconds (--full, the published rates and 5 million sequences: an hour
of one core. It finds no success at the published rate of 1, nor at a lag of 10
at any). Expect at a lag of 4 successes in a third of the trials at a rate of
30, none at 60 or by truncation; at a lag of 10 none, and in all trials of the
memory cell.
"""

from experiments import study
from experiments.rtrl_vs_tbptt.long_lag import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="Exact gradients vanish too: a logistic unit multiplies them by at "
  "most |w|/4 a step; a memory cell, which multiplies by 1, learns the lag.",
  equation=r"\left|\frac{\partial h_p}{\partial h_1}\right| = "
  r"\prod_{t=2}^{p} |w|\, h_t (1 - h_t) \le \left(\frac{|w|}{4}\right)^{p-1}",
  caption="What the states carry of the first symbol's influence, median and "
  "10th to 90th percentile of trials; and the share of trials that have "
  "succeeded, with a short lag and with a long one.",
  full=run.Config(
    learning_rates=(30, 1, 4, 10, 20, 40, 60),
    long_rates=(1, 4, 10),
    num_between=25_000,
    num_long_between=25_000,
    num_trials=54,
  ),
)
