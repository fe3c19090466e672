"""How deep does a signal get in a random network, and who can be trained?

In a wide random network the variance q of the pre-activations and the
correlation c of those of two inputs follow two maps from layer to layer. From
them follow an ordered phase, where inputs become alike and gradients vanish, a
chaotic one, where they are torn apart and gradients explode, and between them a
critical line. Schoenholz et al. say that random networks "may be trained
precisely when information can travel through". What a student should take from
it:

- Both maps, their fixed points q* and c*, and the growth chi_1 of squared
  gradients are one- and two-dimensional integrals, and networks of a few
  hundred units follow them.
- Inputs approach c* within a depth xi_c that diverges on the critical line. A
  network some six xi_c deep has forgotten its input, and is not trained.
- "Ordered: the signal dies out" is wrong: biases keep the signal alive. What
  dies is the difference of two signals.
- 1 - c is not to be computed as 1 - x^T y, which is rounding where c is near 1.
  |x - y|^2 / 2 keeps its digits.

  python -m experiments.gradient_flow.mean_field --config.width=400

takes 20 seconds (--full, with the published 1000 units: some 10 minutes).
Numbers to expect: q* and chi_1 of networks within 2 % of the integrals; more
than half of the digits learned at depths up to 2 xi_c, fewer beyond 6 xi_c.

Departures: 192 units; trained are networks of 48 units on 8 x 8 digits, for
100 steps of SGD with momentum, where the authors take MNIST and more
steps. With 1,000 steps (--full) some networks of six and seven xi_c learn as
well, and that claim fails: how many xi_c are too many depends on how long one
trains.
"""

from experiments import study
from experiments.gradient_flow.mean_field import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="As deep as a few times xi_c, which diverges on the line between "
  "order and chaos; deeper networks have forgotten their input and fail.",
  caption="Top: one random layer maps variance and correlation (points) as the "
  "integrals say (lines). Middle: the depth over which two inputs lose their "
  "difference, and the phases, with the networks' gradients as triangles. "
  "Bottom: how differences of correlations decay through the layers, and which "
  "networks learn the digits.",
  full=run.Config(
    width=1000,
    num_layers=60,
    num_seeds=50,
    num_curve=61,
    train_variances=(0.5, 0.7, 0.9, 1.2, 1.5, 1.76, 2.1, 2.5, 3.3, 4.5, 7.5),
    train_depths=(5, 10, 20, 40, 80),
    train_width=100,
    train_examples=1000,
    num_epochs=32,
    learning_rate=5e-4,  # 80 layers do not bear more.
  ),
)
