"""Which truncation window learns which dependency?

The target y_t = 0.5 + 0.5 x_{t - t1} - 0.25 x_{t - t2} needs two coins of the
past, so the loss of a predictor tells what it knows: 0.6616 nats nothing,
0.5192 the first coin, 0.6277 the second, 0.4545 both. A window of k steps holds
x_{t - d} only for d < k; so one expects a staircase of floors, the first step
at k = t1 + 1 and the second at k = t2 + 1. What a student should take from the
figure instead:

- The state remembers what the gradient cannot see. A random orthogonal
  recurrence keeps coins for several steps, and a readout alone learns from them
  (the control with frozen recurrent weights); the immediate gradient, k = 1,
  uses both coins of (4, 6). Truncation does not make an n-gram model.
- There is one step, not two. With t1 inside the window t2 is learned as well,
  however far beyond the window it is.
- A window that ends just short of t1 is worse than none. To its gradient the
  coins inside the window are noise, because no target depends on them yet, and
  the same weights carry the coins that matter: the network first learns, then
  unlearns what it had, and ends above the network whose recurrence was never
  trained. At k = t1 (--full) the coin is just visible, in the state from which
  the window starts: some seeds hold it.
- Exact credit (lazy RTRL) has no such length to choose and reaches the floor.

  python -m experiments.rtrl_vs_tbptt.delayed_addition --config.num_units=64

takes 30 seconds (--full: 7 minutes). The setting is Marschall, Cho & Savin's:
32 tanh units, orthogonal start, plain SGD at every step of one stream. --full
has both of their tasks, (4, 6) and (6, 10), and their learning rate 0.001 for
their 1e5 steps, where unlearning has only begun, and 0.03 beside it; the quick
setting is (4, 6) at 0.03, to see the end (at 0.06 even the exact gradient
diverges for some seeds). Numbers to expect: RTRL and a window of 5 steps 0.456,
a window of 3 steps 0.61, a frozen recurrence 0.49.
"""

from experiments import study
from experiments.rtrl_vs_tbptt.delayed_addition import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="Every window beyond the first delay learns both dependencies; one "
  "just short of it unlearns what the state had remembered by itself.",
  caption="For each pair of delays: the training loss, with the floors of what "
  "can be known; the held-out loss against the window, from a recurrence that "
  "stays random to the exact gradient; and how much of either dependency the "
  "predictions hold.",
  full=run.Config(
    delays=(4, 6, 6, 10),
    num_steps=100_000,
    learning_rates=(0.001, 0.03),
    windows=(1, 2, 3, 4, 5, 6, 7, 8, 11, 16),
    segments=(2, 4, 5, 8, 10, 20),
    num_seeds=16,
    num_test_steps=10_000,
  ),
)
