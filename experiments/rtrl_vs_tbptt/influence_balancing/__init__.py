"""How much of the past must a gradient see to point the right way?

A parameter theta pushes the first 10 of 23 units up and the last 13 down, and
the pushes travel along the chain to the first unit, which should become 1. What
arrives soon raises it, what arrives late lowers it, and in the long run the
late part wins: d s_1 / d theta = -6. A truncated gradient sees the early part
only. What a student should take from this:

- Truncation is not noise but bias, here a bias of the sign: the optimiser walks
  away from the optimum at every learning rate, however long it runs.
- "The chain has 23 units, so 23 steps of backpropagation will do" is wrong.
  BPTT(1, k), a gradient at every step through the last k, turns right at
  k = 41. BPTT(K, K), one gradient of the K losses of a segment, reaches on
  average only half as far back and turns at K = 110, just above the mean lag
  of the influence.
- In between, a run can look well for a hundred updates, while the state still
  settles, and then turn round: BPTT(1, 40) in the figure.
- RTRL carries d s / d theta forward and has no such length to choose; lazy RTRL
  is the same numbers.
- UORO has noise in place of bias. It is a multiple of the error s_1 - 1, so it
  dies out at the optimum, and every run ends there, some after long detours.

  python -m experiments.rtrl_vs_tbptt.influence_balancing

takes 16 seconds (--full: 45 seconds). Numbers to expect: thresholds 41 and 110;
theta = -1/6 up to 1e-8 by RTRL after 3,000 updates.
"""

from experiments import study
from experiments.rtrl_vs_tbptt.influence_balancing import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="In a chain of 23 units 41 steps for every loss, or segments of 110: "
  "what is cut off decides the sign, and RTRL cuts off nothing.",
  equation=r"\frac{d L}{d \theta} = \frac{\partial L}{\partial s} "
  r"\sum_{k=0}^{\infty} \Phi^k\,\frac{\partial s}{\partial \theta}",
  caption="The influence of theta on the first unit that a truncated gradient "
  "credits, against the truncation, with the first one of the right sign; and "
  "theta during training, by RTRL and by truncations on both sides of it.",
  full=run.Config(
    num_starts=8,
    max_truncation=400,
    windows=(1, 5, 10, 20, 30, 50, 60, 100),
    segments=(1, 2, 5, 10, 20, 50, 80, 100, 120, 150, 200, 400),
  ),
)
