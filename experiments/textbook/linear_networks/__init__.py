"""What do hidden layers without a nonlinearity add?

Nothing in what can be represented, except less: a stack of matrices is one
matrix, of a rank not above the smallest layer. Much in how it is learned.

- Softmax regression and a network with 25 linear hidden units fit real digits
  to the same loss, to eight places; 4 hidden units only reach maps of rank 4
  and fit worse. Softmax ignores what is added to all outputs, so that for 10
  classes rank 9 is enough: 9 and 25 hidden units end at the same loss.
- Convexity is lost by the factors, not by the map: (W1, W2) and (-W1, -W2) are
  the same network, and half way between them is the zero map. L-BFGS still
  finds the minimum from every start where the hidden layer is wide enough.
- Gradient descent learns the modes of the input-output correlation one after
  another, each along a sigmoid curve in a time of order 1 / s, with long
  plateaus between them: nonlinear learning in a linear network.

  python -m experiments.textbook.linear_networks

takes 15 seconds (--full, more starts: two minutes). Expect a loss of 0.595 on
500 digits, 0.769 at rank 4; the first mode half learned after 233 epochs.
Departures: digits have 64 pixels, not 784. Labels are smoothed by 0.1: the raw
ones can be separated without error, and then no loss is smallest.
"""

from experiments import study
from experiments.textbook.linear_networks import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="Nothing that can be represented, but a loss that is not convex and "
  "learning in steps, one mode after another.",
  equation=r"y = W_2 W_1 x, \quad \mathrm{rank}(W_2 W_1) \le "
  r"n_{\mathrm{hidden}}",
  caption="Left: the strengths of a hierarchy's modes while a network of three "
  "layers learns them from small random weights, with the closed form. Middle: "
  "the least loss on digits through so many linear hidden units. Right: the "
  "loss from one network to its copy, with the signs of both layers changed, "
  "and from one softmax regression to its opposite.",
  full=run.Config(num_starts=100, num_epochs=4000, num_restarts=8),
)
