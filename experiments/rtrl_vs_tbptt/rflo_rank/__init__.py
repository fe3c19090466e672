"""Which recurrent weights can random feedback learn?

RFLO changes the recurrent weights by B^T e_t times a filtered state, at every
step, with a fixed B that has a row for each output. In a linear network trained
by gradient descent all that is ever added lies in the span of these rows: with
one output the learned weights are the initial ones plus a matrix of rank one,
however long the training. What a student should take from this:

- The bound is that of the feedback, not of the task: it holds for random
  feedback, and for the readout's own if the readout is fixed.
- Backpropagation through time has no such bound, for it multiplies the errors
  by powers of W; nor has its one-step truncation with a readout that learns.
- The slopes of tanh units break the bound. So does Adam, but with one output
  not even Adam can leave rank one.
- Random feedback has no saddle at zero input and readout weights, where the
  exact gradient vanishes and BPTT never starts.

  python -m experiments.rtrl_vs_tbptt.rflo_rank

takes 15 seconds (--full, 32 units: 1 minute). Expect 1e-15 for singular value
m + 1 over the first by RFLO, and 0.1 by backpropagation through time.
"""

from experiments import study
from experiments.rtrl_vs_tbptt.rflo_rank import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="With linear units and gradient descent only a change of the rank of "
  "the number of outputs; tanh units lift the bound, Adam for several outputs.",
  equation=r"\Delta W = -\eta \sum_t \left( B^\top e_t \right) "
  r"\left( \sum_{k \ge 0} d^k\,h_{t-1-k} \right)^\top",
  caption="Singular values of the change of the recurrent weights by their "
  "rank, relative to the first, for every number of outputs m: geometric means "
  "over networks.",
  full=run.Config(num_units=32, num_outputs=(1, 2, 4, 8), num_seeds=16),
)
