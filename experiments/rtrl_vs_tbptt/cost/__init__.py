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

What a student should take from it:

- The price is memory first: at O(n^3) a step the exact gradient of a dense
  network can be had online, but n P numbers have to be kept.
- They are kept whatever T is. BPTT keeps less up to some P / 3 steps.
- RTRL has a gradient at every step for 2 n times the operations of BPTT, which
  has one at the end of the stream.

Operations are counted while the programs run, loops as often as they turn,
bytes are those of the compiled programs, so that no machine decides. Times are
only shown, but for one ratio of a thousand of which ten are claimed.

  python -m experiments.rtrl_vs_tbptt.cost --config.num_units=64

takes 25 s (--full, at twice the size: a minute).
"""

from experiments import study
from experiments.rtrl_vs_tbptt.cost import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="n P numbers to keep and, put off or in blocks, O(n^3) operations a "
  "step, where BPTT has O(n^2) and keeps all states of the past.",
  caption="Floating-point operations of a step and numbers kept between two "
  "updates against the number of units n, with blocks of n steps and a flush "
  "every n / 2, the power of n at large n beside each line; bytes that the "
  "program of a stream needs against its length T; and the time of a step, "
  "which is not judged.",
  full=run.Config(num_units=256),
  exclusive=True,
)
