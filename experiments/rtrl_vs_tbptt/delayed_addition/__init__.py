"""Which truncation window learns which dependency?

The target y_t = 0.5 + 0.5 x_{t - t1} - 0.25 x_{t - t2} needs two coins of the
past, so the loss of a predictor tells what it knows: 0.6616 nats nothing,
0.5192 the first coin, 0.6277 the second, 0.4545 both. A window of k steps holds
x_{t - d} for d < k; one expects two steps, at k = t1 + 1 and k = t2 + 1. But:

- The state remembers what the gradient cannot see. A random orthogonal
  recurrence keeps coins for several steps, and a readout alone learns from them
  (the control with frozen recurrent weights); the immediate gradient, BPTT(1,
  1), uses both coins of (4, 6). Truncation does not make an n-gram model.
- With t1 inside the window t2 is learned as well, however far beyond it is.
- A window that ends just short of t1 is worse than none. To its gradient the
  coins inside are noise, and the same weights carry the coins that matter: the
  network first learns, then unlearns what it had.
- Exact credit (lazy RTRL) has no such length to choose and reaches the floor.

  python -m experiments.rtrl_vs_tbptt.delayed_addition --config.num_units=64

takes 30 seconds (--full, both tasks of Marschall, Cho & Savin, (4, 6) and (6,
10), for their 1e5 steps: 5 minutes). The setting is theirs, but for a learning
rate of 0.001, with which unlearning has only begun by then. Expect 0.456 for
RTRL and a window of 5 steps, 0.62 for one of 3, 0.49 for a frozen recurrence.
"""

from experiments import study
from experiments.rtrl_vs_tbptt.delayed_addition import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="Every window beyond the first delay learns both dependencies; one "
  "just short of it unlearns what the state had remembered by itself.",
  equation=r"y_t = \frac{1}{2} + \frac{1}{2}\,x_{t - t_1} - "
  r"\frac{1}{4}\,x_{t - t_2}",
  caption="For each pair of delays, with the floors of what can be known: the "
  "training loss; and its end against the window, from a recurrence that stays "
  "random to the exact gradient.",
  full=run.Config(
    delays=(4, 6, 6, 10),
    num_steps=100_000,
    windows=(2, 3, 4, 5, 6, 7, 8, 11, 16),
    segments=(1, 2, 4, 5, 8, 10, 20),
    num_seeds=16,
  ),
)
