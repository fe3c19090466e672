"""How far is the online gradient of a deep stack from the exact one?

Layers of units that do not read each other's state can carry their own
influence at the cost of their parameters, and errors go down through the layers
within the step. What is left out is how a layer reaches later losses through
the memory of the layers above. Here stacks of linear recurrent units with tanh
in between copy a string of symbols, and the gradient is compared with that of
back-propagation through the whole episode, layer by layer. To take along:

- One layer has its exact gradient, and so has the last one of any stack: no
  layer above it remembers anything for it.
- Each layer in between costs alignment, and the more the longer it remembers:
  the first of four layers with radii from 0.9 on is left with next to none.
- The whole is still nearer to the gradient than errors within the step alone.

  python -m experiments.rtrl_vs_tbptt.deep_online

takes 25 seconds (--full, up to five layers of twice the size: five minutes).
At the start expect cosines of 1, 0.9, 0.8 and 0.7 for one to four layers.
"""

from experiments import study
from experiments.rtrl_vs_tbptt.deep_online import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="Not at all in one layer and in the last one; every layer above takes "
  "off alignment, and more of it the longer that layer remembers.",
  equation=r"E^l_t = \Phi^{ll}_t E^l_{t-1} + I^l_t, \quad "
  r"\frac{d L_t}{d \theta^l} \approx \lambda^l_t\, E^l_t",
  caption="Cosine with the exact gradient of all layers against the depth of "
  "the stack, and of each layer's own against the layers above it in the "
  "deepest one, at the start and after training with the exact gradient; mean "
  "over stacks and standard deviation.",
  full=run.Config(
    max_layers=5,
    r_mins=(0.0, 0.5, 0.75, 0.9),
    num_units=16,
    length=10,
    checkpoints=(0, 30, 100),
    batch_size=8,
    learning_rate=0.01,
  ),
)
