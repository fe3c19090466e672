"""How far back does a gradient reach, and does it decide learning?

g_k = norm(d output_T / d s_{T-k}) of simple, gated and diagonal networks, at
the start and after training. LSTMs "were developed in order to circumvent the
vanishing gradient problem" (S. Sikdar, section 5.2). What a student should take
from the figure:

- A simple network multiplies the gradient at every step by at most lambda_1
  gamma, its largest singular value times the largest slope (Pascanu et al.).
  Orthogonal matrices attain the bound where the slopes are largest, and a
  little noise at the input is enough to fall far below it.
- An LSTM's gates alone are no cure. Where the gate rem (forget) is 1 the memory
  is kept for good, where it is 0 it is lost at once, and rem starts at
  sigmoid(b), b the forget bias. With b = 0 an LSTM forgets faster than a plain
  tanh network, at the start as fast as a GRU; with b = 3 it keeps.
- Copying over a pause is learned by a linear recurrence which keeps everything.
  tanh networks and LSTMs stay at the cost without memory, also the LSTM whose
  gradient does not vanish, though without a pause all of them learn to copy: a
  gradient that arrives is necessary, not sufficient.
- Temporal order: with clipping and the regulariser Omega nearly every run gets
  there in about a thousand updates; without, half stay with one letter of two.

  python -m experiments.gradient_flow.recurrent --config.omega_weight=2

takes 45 seconds (--full: a quarter of an hour). Numbers to expect: factors per
step at the start 0.73, 0.94, 1.03 for LSTMs with forget bias 0, 1, 3; copying
0.02 against 0.24 nats without memory; 900 updates with Omega, published 2,000.

Temporal order is in the published setting (50 "smart tanh" units, batches of
20, learning rate 0.01, threshold 1, alpha 4), but for 2,000 updates, where SGD
takes 21,000 and clipping 11,000. The second letter stands in the fifth tenth of
the sequence in the text, in the sixth in the code (`second_tenth`); equation 9
compares norms, equation 10 and the code their squares (`squared_norms`).
Copying is of 3 symbols over 20 blanks, and as published of 10 over 100 in
--full (there with RMSProp at 0.001, batches of 20; but 40 units, and the
gradient clipped as a whole, not by entries). A linear recurrence which starts
orthogonal stands for the unitary network.
"""

from experiments import study
from experiments.gradient_flow.recurrent import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="As far as its largest singular value, or the gate of its memory, "
  "allows; what does not arrive is not learned, what arrives is not always.",
  caption="What is left of a gradient k steps back, for networks at the start "
  "and after training on copying (mean and middle 80 % of log10); learning "
  "curves of copying over a pause (solid) and without one (dashed); the factor "
  "per step of LSTMs by forget bias; gradients of simple networks beside their "
  "bound; and temporal order with and without the regulariser.",
  full=run.Config(
    num_units=40,
    num_seeds=5,
    learning_rate=0.001,
    batch_size=20,
    copy_length=10,
    copy_delay=100,
    copy_updates=3000,
    order_updates=30_000,
    check_every=250,
    num_tests=10_000,
    order_seeds=5,
    order_few=5,
    with_sgd=True,
  ),
)
