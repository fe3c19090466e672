"""How noisy is an unbiased gradient, and what decides it?

An estimator without bias pays with variance. On a linear ring, where products
that should not meet stand at right angles, closed forms say how much (a the
decay of a step, variances by the squared norm of the mean):

  UORO, r copies   (n (sum a^k)^2 / sum a^2k - 1) / r, sums over k < t
  KF-RTRL          (sum a^k)^2 / sum a^2k - 1
  OK, rank r       0 up to r steps, then what its smaller singular values lose
  ARTBP            sum (a^2 / (1 - c))^k / sum a^2k - 1, without end if
                   a^2 >= 1 - c
  PES, NRES        (P D + 1) / N for D draws of noise; NRES has D = 1

Norms of products that follow one another add up, not their squares; UORO's
signs multiply its norm by root n besides. Where nothing is forgotten noise
grows as t, else it is stable. Tanh networks show the same factor n. Last, the
bound that `sketched_rtrl` keeps of its own error is held against that error.

  python -m experiments.rtrl_vs_tbptt.variance --config.num_keys=256

takes 20 seconds (--full: some minutes, which is an estimate). Expect quotients
of 1 within two hundredths, the exponent 1 of n in UORO's noise by KF-RTRL's,
and a bound of 10 times the error after 32 steps.
"""

from experiments import study
from experiments.rtrl_vs_tbptt.variance import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="Its norm adds up over all steps that are remembered: UORO pays n "
  "times more than KF-RTRL, ARTBP without end if the past fades too slowly.",
  equation=r"\frac{\mathrm{E}\,|\tilde J_t - J_t|^2}{|J_t|^2} = "
  r"\frac{(\sum_{k<t} a^k)^2}{\sum_{k<t} a^{2k}} - 1",
  caption="Variance by the squared norm of the mean, lines from closed forms, "
  "dots measured on a linear ring: influences that are carried along, without "
  "forgetting; ARTBP on both sides of its threshold; UORO and KF-RTRL in tanh "
  "networks; and by how much the sketch's bound exceeds its error.",
  full=run.Config(
    num_units=32,
    num_steps=32,
    network_units=(8, 16, 32, 64),
    num_keys=512,
    num_draws=8192,
  ),
)
