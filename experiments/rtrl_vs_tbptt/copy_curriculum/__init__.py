"""Does an unbiased estimate of little noise learn as fast as exact RTRL?

Symbols are shown one after the other, then they are to be said again in that
order. Whenever the running loss is small, sequences get longer by one: how long
they are is how much was learned. A gated network learns by exact RTRL, by OK,
the sum of Kronecker products with the least variance, by UORO and by truncated
BPTT. What a student should take from this:

- Unbiased is not enough. UORO and OK have the same mean; UORO's noise is so
  large that it takes more than twice the steps.
- Half of the products are as good as all: OK is as fast as exact RTRL. With one
  product it takes a tenth more steps to length 3, and 1.7 times those to 4.
- Learning at every step pays. At one rate, 0.01, BPTT(4, 4) takes half as many
  steps again, BPTT(2, 2) a third more; at the best of 0.01, 0.02 and 0.03 for
  each a quarter and a third more. But these sequences are much shorter than the
  authors'.
- With an eighth of its recurrent weights a network learns by SnAp-2, at every
  step, in an eighth fewer steps than by BPTT and a fifth fewer than by SnAp-1,
  each at its best rate; that of fewer updates is higher, and at it for all BPTT
  is ahead. SnAp-2 keeps a quarter of the influence.

  python -m experiments.rtrl_vs_tbptt.copy_curriculum

takes 30 seconds (--full, the published sizes for 10,000 steps, without exact
RTRL: some three hours, which is an estimate; most of it is OK). Expect length 3
after 980 steps by RTRL and OK, 1,300 and 1,500 by BPTT; by UORO 13 of 20
networks get there within 2,400.
"""

from experiments import study
from experiments.rtrl_vs_tbptt.copy_curriculum import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="With half of its products OK does; UORO, which is unbiased too, "
  "takes more than twice the steps.",
  equation=r"\frac{d h_t}{d W} \approx \sum_{i=1}^{r} A_i \otimes u_i, \qquad "
  r"\mathbb{E} \sum_{i=1}^{r} A_i \otimes u_i = \frac{d h_t}{d W}",
  caption="Length that the curriculum has reached, mean over networks; and the "
  "steps of each network to the longest length that RTRL (or OK, where it was "
  "left out) reaches with all, and of each sparse one to the longest that any "
  "method does (open: never).",
  full=run.Config(
    num_units=128,
    batch_size=16,
    has_exact=False,
    ranks=(16,),
    windows=(4, 16),
    num_steps=10_000,
    learning_rate=10**-3.5,
    start=0.01,
    memory=0.999,
    density=1 / 64,
    sparse_rates=(10**-3.5, 10**-3),
    sparse_windows=(4, 16),
    sparse_steps=10_000,
    num_seeds=5,
  ),
)
