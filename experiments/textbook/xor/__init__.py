"""What does a network of five neurons need in order to learn XOR?

The lecture notes propose two inputs, two hidden units and one output "with
ReLU", tabulate what the untrained network computes, derive the update of each
of the nine weights and print weights that batch gradient descent finds in "tens
of thousands of epochs". What a student should take from it:

- The notes contain two networks. The table belongs to a sigmoid network with
  the signs W = [[3, 4, -2], [2, 3, -4]], U = [5, -5, -2]. What was trained is
  the printed, all-positive network with ReLUs: at learning rate 0.01, which the
  notes do not mention, it reaches the printed trained weights to their last
  digit. With the update formulas as printed, at learning rate 1, it dies in the
  first steps.
- The formulas are right, biases included; six lines around them are misprinted.
- Finding such weights is luck: one random start in seven ends there. A
  ReLU that is 0 on all four patterns gets no gradient and stays so for ever;
  every second network has one in the end, and a network with one dead hidden
  unit of two cannot do XOR. A linear output helps, leaky ReLUs help more.

  python -m experiments.textbook.xor --config.num_seeds=100

takes 10 seconds (--full, more starts and epochs: some 5 minutes). By default
expect: distance 5e-9 from the printed trained weights; solved 0.15 (ReLU), 0.24
(ReLU, linear output), 0.6 (leaky ReLU), all with standard error 0.02. The notes
do not say how random starts are drawn: here weights are N(0, 1 / fan-in) and
biases 0.
"""

from experiments import study
from experiments.textbook.xor import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="Luck: one random start in seven gets there with ReLUs, since a unit "
  "that is 0 on all four patterns never learns; leaky ReLUs help.",
  equation=r"y = \sigma\bigl(v_1\,\sigma(w_1 \cdot x + b_1) + "
  r"v_2\,\sigma(w_2 \cdot x + b_2) + b\bigr)",
  caption="The output of the printed trained network and the lines where its "
  "hidden units switch on; the share of random starts that do XOR by epoch; "
  "after training, the shares that do it and that have a dead unit; dashed: of "
  "ReLU networks at most 9/16 do XOR, and at least 7/16 have a dead unit.",
  full=run.Config(num_seeds=10_000, num_epochs=50_000),
)
