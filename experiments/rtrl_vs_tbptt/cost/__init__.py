"""What does the exact online gradient cost, in time and in memory?

It is the second half of the exercise that asks for the missing bracket: "What
is the computational and memory complexity of this algorithm, and what are its
advantages and disadvantages versus BPTT?" For n units, P ~ n^2 parameters (the
diagonal cell has O(n), inputs being fixed) and streams of T steps:

                             operations a step   memory     gradient every
  BPTT                       6 P                 n T        T steps
  truncated BPTT(K, K)       6 P                 n K        K steps
  textbook RTRL              2 n^2 P             n P        step
  block RTRL, K = n          6 n P               n P        n steps
  lazy RTRL, F = n / 2       11.5 n P            1.5 n P    step
  RTRL, diagonal cell        O(P)                P          step
  SnAp-1, not exact          13 P                P          step

The price is memory first: at O(n^3) a step the exact gradient of a dense
network can be had online, but n P numbers have to be kept, whatever T is. BPTT
keeps less up to some P / 3 steps, but has a gradient only at the end.
Operations are counted while the programs run, loops as often as they turn, and
bytes are those of compiled programs: no machine decides, but for one ratio of
times, a thousand of which ten are claimed.

  python -m experiments.rtrl_vs_tbptt.cost --config.num_units=64

takes 35 seconds (--full, at twice the size: a minute).
"""

from experiments import study
from experiments.rtrl_vs_tbptt.cost import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="n P numbers to keep and, put off or in blocks, O(n^3) operations a "
  "step, where BPTT has O(n^2) and keeps all states of the past.",
  equation=r"J_t = \Phi_t J_{t-1} + I_t, \quad \Phi_t \in R^{n \times n}, \ "
  r"J_t \in R^{n \times P}",
  caption="Floating-point operations of a step and numbers kept between two "
  "updates against the number of units n, with blocks of n steps and a flush "
  "every n / 2, and bytes that the program of a stream needs against its "
  "length T; with the power at large sizes, and how long a step takes.",
  full=run.Config(num_units=256),
  exclusive=True,
)
