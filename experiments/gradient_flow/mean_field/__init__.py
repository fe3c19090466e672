"""How deep does a signal get in a random network, and who can be trained?

In a wide random network the variance q and the correlation c of two inputs
follow maps. There is an ordered phase, where inputs become alike and gradients
vanish, and a chaotic one, where inputs part and gradients explode.

- The fixed points q* and c*, and the growth chi_1 of squared gradients, are
  integrals over Gaussians. Networks of 200 units follow them.
- Inputs approach c* within a depth xi_c that diverges on the critical line. A
  network some six xi_c deep has forgotten its input, and is not trained.
- "Ordered: the signal dies out" is wrong: biases keep the signal alive. What
  dies is the difference of two signals.

  python -m experiments.gradient_flow.mean_field --config.width=400

takes 30 seconds (--full, with the published 1000 units: some 10 minutes).
Expect q* and chi_1 within 2 % of the integrals. Trained are networks of width
48 on digits, for 100 steps. With 1,000 (--full) some of six and seven xi_c
learn as well: how deep is too deep depends on the steps.
"""

from experiments import study
from experiments.gradient_flow.mean_field import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="As deep as a few times xi_c, which diverges on the line between "
  "order and chaos; deeper networks have forgotten their input and fail.",
  equation=r"q_l = \sigma_w^2 \int \phi\bigl(\sqrt{q_{l-1}}\,z\bigr)^2 Dz + "
  r"\sigma_b^2, \quad \chi_1 = \sigma_w^2 \int "
  r"\phi'\bigl(\sqrt{q^*}\,z\bigr)^2 Dz",
  caption="Top: correlations of inputs settle at a fixed point, and gradients "
  "vanish on one side of the critical line and grow on the other. Bottom: the "
  "depth over which inputs lose their differences, and who learns digits.",
  full=run.Config(
    width=1000,
    num_layers=60,
    num_seeds=50,
    train_variances=(0.5, 0.7, 0.9, 1.2, 1.5, 1.76, 2.1, 2.5, 3.3, 4.5, 7.5),
    train_depths=(5, 10, 20, 40, 80),
    train_width=100,
    train_examples=1000,
    num_epochs=32,
    learning_rate=5e-4,  # 80 layers do not bear more.
  ),
)
