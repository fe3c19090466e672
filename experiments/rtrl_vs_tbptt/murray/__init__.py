"""Can RTRL do what was left out for being slow?

Murray compares learning rules on one small task: 50 leaky tanh units without
input, all started at 0.1, shall draw a sum of three sines in 100 steps. His
notebook trains with BPTT and with his local rule, and leaves out RTRL "because
it's very slow". Lazy RTRL is the same gradient at O(n^3) a step instead of
O(n^4), so here it runs. What a student should take from it:

- RTRL and BPTT are one gradient computed in two orders. Where parameters change
  only after a trial, they give the same learning curve, up to rounding.
- Rounding does not stay small. The network starts in its chaotic regime (gain
  1.5) and crosses steep places of the loss; in some trial the two curves part,
  and so do two BPTT runs whose initial weights differ in the last bit.
- One seed says little. Final losses of one method spread over a factor of ten,
  more than lies between the two published numbers, of BPTT and RFLO.

  python -m experiments.rtrl_vs_tbptt.murray --config.num_trials=1000

takes 25 seconds (--full, 20 networks by RTRL for 10,000 trials: 15 minutes);
the quick setting trains by RTRL for fewer trials. Numbers to expect: final
losses between 2e-4 and 2e-3, a quarter of a decade apart (RMS).

In the author's notebook, t = 1 ... 99, y_0 = 0 counts as the first output, and

  h_t = h_{t-1} + (tanh(W h_{t-1}) - h_{t-1}) / tau,  y_t = w_out h_t.

Its "Err" is (1/2) mean_t error^2, as is every loss here. Its BPTT sends w_out
error_{t+1} back from step t where the gradient has w_out error_t ("shifted"):
the cosine of the two is 0.9996 at the start, the end lower by 0.19 decades.
"""

from experiments import study
from experiments.rtrl_vs_tbptt.murray import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="Yes: lazy RTRL walks along the learning curve of BPTT, trial by "
  "trial, until rounding parts them.",
  equation=r"h_t = h_{t-1} + \frac{\tanh(W h_{t-1}) - h_{t-1}}{\tau}, \quad "
  r"y_t = w_{\mathrm{out}} \cdot h_t",
  caption="Loss by trial for BPTT and RTRL from the same weights; how far the "
  "two part, beside BPTT from weights changed in the last bit; and the final "
  "losses of all networks with the two published ones.",
  full=run.Config(num_seeds=20, rtrl_num_trials=10_000, rtrl_num_seeds=20),
)
