"""Does an eLSTM learn to copy with the exact gradient of its own parameters?

Some bits are shown one after the other, then they are to be said again in that
order, over a gap as long as the pattern. In an eLSTM no unit reads another's
memory, so that RTRL, exact, costs no more than its parameters; it changes them
at every step, without a curriculum. As with its authors a pattern counts if all
of its bits are right. What a student should take from this:

- A diagonal recurrence can keep an order: 20 units learn the 30 patterns of up
  to 4 bits, all networks without an error.
- By BPTT(1, 1) and BPTT(4, 4) no network gets there within these sequences:
  nearly all patterns of 1 and 2 bits, but less than half of those of 4, whose
  bits and copies are never in one segment. In ten times as many BPTT(4, 4)
  teaches half of the networks, BPTT(1, 1) none.
- Of the published length, patterns of up to 500 bits and 2048 units, nothing is
  shown here.

All patterns that there are get tested, so that no share is an estimate.

  python -m experiments.rtrl_vs_tbptt.elstm_copy

takes 20 seconds (--full, up to 6 bits by 48 units: a quarter of an hour, which
is an estimate. With --config.num_seeds=6 RTRL has taught five of six networks,
BPTT(6, 6) none).
"""

from experiments import study
from experiments.rtrl_vs_tbptt.elstm_copy import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="Patterns of a few bits, without an error; by truncated BPTT, in as "
  "many sequences, only the shortest of them.",
  equation=r"\frac{d c_t[i]}{d \theta_i} = \frac{\partial c_t[i]}"
  r"{\partial c_{t-1}[i]} \frac{d c_{t-1}[i]}{d \theta_i} + "
  r"\frac{\partial c_t[i]}{\partial \theta_i}",
  caption="Share of all patterns that are said without an error, mean and 10th "
  "to 90th percentile of networks; and its mean after training by the length "
  "of patterns.",
  full=run.Config(
    max_length=6,
    num_units=48,
    windows=(1, 6),
    num_between=3000,
    learning_rate=0.01,
  ),
)
