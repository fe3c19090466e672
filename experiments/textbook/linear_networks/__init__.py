"""What do hidden layers without a nonlinearity add?

Nothing in what can be represented, except less: a stack of matrices is one
matrix, of a rank not above the smallest layer. Much in how it is learned. What
a student should take from it:

- Softmax regression and a network with 25 linear hidden units fit real digits
  to the same loss, to eight places; 4 hidden units only reach maps of rank 4
  and fit worse. Softmax ignores what is added to all outputs, so that for 10
  classes rank 9 is enough: 9 and 25 hidden units end at the same loss. On new
  digits 4 units are worse too, but 6 do as well as any.
- Convexity is lost by the factors, not by the map: (W1, W2) and (-W1, -W2) are
  the same network, and half way between them is the zero map. L-BFGS still
  finds the minimum from every start where the hidden layer is wide enough; with
  fewer units some starts end a little higher.
- Gradient descent learns the modes of the input-output correlation one after
  another, each along a sigmoid curve in a time of order 1 / s, with long
  plateaus between them: nonlinear learning in a linear network.

  python -m experiments.textbook.linear_networks

takes 15 seconds (--full, more starts and ranks: two minutes). Numbers to
expect: loss 0.595 on 500 digits, 0.769 at rank 4; the first mode half learned
after 233 epochs, the last after 1,026.

Departures: real digits of 64 pixels stand for the 784 pixels. Labels are
smoothed by 0.1, for the raw ones can be separated without error, and then no
loss is smallest. The hierarchy's features are drawn anew, so its singular
values differ a little from those in the paper's figure. What depth changes is
the question of `gradient_flow/deep_linear`.
"""

from experiments import study
from experiments.textbook.linear_networks import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="Nothing that can be represented, but a loss that is not convex and "
  "learning in steps, one mode after another.",
  caption="Left: the strengths of a hierarchy's modes while a network of three "
  "layers learns them from small random weights, with the closed form. Middle: "
  "the least loss on digits through so many linear hidden units, and the error "
  "on new digits. Right: the loss between two copies of one network, with the "
  "signs of both layers changed, and between two softmax regressions.",
  full=run.Config(
    num_starts=100,
    num_epochs=4000,
    ranks=(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 25),
    num_restarts=8,
    num_segments=2000,
  ),
)
