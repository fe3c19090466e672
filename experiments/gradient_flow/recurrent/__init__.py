"""How far back does a gradient reach, and does it decide learning?

g_k = norm(d output_T / d s_{T-k}) of simple, gated and diagonal networks:

- A simple network multiplies the gradient at every step by at most lambda_1
  gamma, its largest singular value times the largest slope.
- An LSTM's gates alone are no cure: rem (forget) starts at sigmoid(b). With
  forget bias b = 0 it forgets faster than a tanh network, with b = 3 it keeps.
- Copying over a pause is learned by a linear recurrence which keeps everything,
  neither by tanh networks nor by LSTMs with b = 3, whose gradient does arrive:
  that is necessary, not sufficient. Without a pause all of them learn it.
- Temporal order: with clipping and the regulariser Omega nearly every run gets
  there in a thousand updates; by clipping alone it takes longer.

  python -m experiments.gradient_flow.recurrent --config.omega_weight=2

takes 60 seconds (--full: 15 minutes; as published, but 40 units copy). A second
letter stands where the authors' code has it, a tenth earlier in their text.
"""

from experiments import study
from experiments.gradient_flow.recurrent import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="As far as its largest singular value, or the gate of its memory, "
  "allows; what does not arrive is not learned, what arrives is not always.",
  equation=r"\frac{\partial s_T}{\partial s_{T-k}} = \prod_{t=T-k+1}^{T} "
  r"\frac{\partial s_t}{\partial s_{t-1}}, \quad \left\| "
  r"\frac{\partial s_t}{\partial s_{t-1}} \right\| \le \lambda_1 "
  r"\gamma",
  caption="What is left of a gradient k steps back, at the start and after "
  "training on copying (mean and middle 80 % of log10); copying over a pause "
  "(solid) and without one (dashed); temporal order, by method.",
  full=run.Config(
    num_units=40,
    learning_rate=0.001,
    batch_size=20,
    copy_length=10,
    copy_delay=100,
    copy_updates=3000,
    order_updates=30_000,
    check_every=250,
    num_tests=10_000,
    order_seeds=5,
    order_pairs=5,
  ),
)
