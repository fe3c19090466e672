"""What can neurons with a threshold do, and what do smooth ones change?

Scaling all weights of a perceptron network leaves it as it is; scaling those of
a sigmoid network turns it into the perceptron network. What a student should
take from it:

- The first statement is exact, for networks, at any c > 0, ties included. One
  source proves it with c >= 0, and c = 0 switches every neuron off.
- The second has a rate: at c = t / min abs(z) the neuron nearest to its
  threshold errs by exp(-t). On the threshold itself, w.x + b = 0, a sigmoid
  neuron stays at 1/2 for every c, and a network built there tends to another
  function.
- One perceptron is linear or logistic regression. It computes 14 of the 16
  functions of two bits; the two it cannot are XOR and its negation. A network
  of three neurons can.
- A hidden neuron's level curves are straight lines across its weights, whatever
  the activation. What it does along the way decides the boundary: polygons of
  ReLUs, curves of sigmoids.
- "Not differentiable" is not what stops gradient descent on the error rate,
  ReLU networks have kinks too; it is a gradient of 0 wherever there is one.

  python -m experiments.textbook.perceptrons --config.num_networks=100

takes 10 seconds (--full, more and larger networks: a minute). Numbers to
expect: no output changed; accuracy 0.7 of the best line and above 0.95 of four
hidden neurons, with each activation.
"""

from experiments import study
from experiments.textbook.perceptrons import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="One neuron draws a straight line; a layer bends it, and smooth "
  "neurons have a slope that learning can follow.",
  equation=r"\sigma\bigl(c\,(w \cdot x + b)\bigr) \to [w \cdot x + b > 0] "
  r"\quad (c \to \infty)",
  caption="Two circles told apart by four hidden neurons of each activation: "
  "blue is class 1, red class 0, the thick black line their boundary, and each "
  "thin color the level curves of one hidden neuron, solid where its weighted "
  "input is 0; XOR by a network of three neurons; how fast sigmoid networks "
  "(thin lines) tend to their perceptrons.",
  full=run.Config(
    sizes=(10, 12, 8, 6, 3), num_networks=500, num_starts=100, num_epochs=1000
  ),
)
