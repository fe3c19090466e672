"""When can an online learner do without the past of its gradient?

The exact gradient has two parts: what the weights do to the present step, and
what they did before, carried here by the influence matrix of RTRL. Networks
that have learned one law adapt online to another, of a noisy sine or Lorenz's
attractor, whose next value they predict, or to a coin of which they now have to
say what it showed 2 or 4 steps ago. Recovery is the share of RTRL's gain. What
a student should take from this:

- On sine, Lorenz and a delay of 2 the immediate gradient recovers over 99 %:
  the state carries the past by itself, and only has to be read and amplified.
- With a delay of 4 it recovers 59 %, of which 50 are for answering nothing: the
  trace of the old coin is too faint for a gradient that cannot strengthen it.
- A few random paths are enough even then: with 4 of 16 inputs of each unit
  carrying the influence, RTRL recovers 99 %. One path of 16, at random or the
  unit's own (SnAp-1), recovers 80 %.
- How much of the gradient is past does not tell beforehand. When the law
  changes it is 60 % on the sine, which can do without, and 20 % with a delay of
  4: at first there is only an old answer to unlearn. Where the immediate
  gradient has stalled, almost all of the exact one is past.
- Recovery is a lenient measure: on the sine the immediate gradient ends a third
  above RTRL's loss, with a delay of 2 far above, and is called equal.

  python -m experiments.rtrl_vs_tbptt.is_rtrl_needed

takes 20 seconds. By SGD, --config.optimizer=SGD --config.learning_rate=0.02,
the immediate gradient recovers the same within 3 points. The 64 units and 4
paths of the source (--full, 6 minutes) recover 97 to 100 %; so large a state
remembers more, and the immediate gradient recovers 91 +- 7 % at a delay of 4.
"""

from experiments import study
from experiments.rtrl_vs_tbptt.is_rtrl_needed import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="Wherever its state already carries what the answer needs; with a "
  "delay of 4 steps it cannot, and 4 random paths of 16 are enough.",
  equation=r"\frac{d L_t}{d \theta} = \frac{\partial L_t}{\partial h_t} "
  r"\left( I_t + \Phi_t\,J_{t-1} \right)",
  caption="What each method recovers of RTRL's gain on four tasks (dots: "
  "networks, dashes: means, band: the margin); the loss after the change with "
  "the longest delay and on the sine; and the share of the gradient's norm "
  "that is past, when the task changes and after training without it.",
  full=run.Config(
    num_units=64,
    num_paths=(1, 4),
    num_steps=4000,
    num_seeds=5,
  ),
)
