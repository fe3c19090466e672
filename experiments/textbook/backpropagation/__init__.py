"""Is backpropagation the gradient, and what is a gradient good for?

The exercises derive the four equations of backpropagation, the steepest
direction, softmax regression and the same derivatives in forward order; slides
list losses and optimisers. Each formula is written by hand and compared in
float64 with automatic differentiation, and the algorithms are run on digits.

- Four equations give every derivative of any network, one example at a time or
  a batch in one matrix product.
- Forward order gives the same numbers, at a cost which grows with the number of
  weights where backpropagation costs two plain passes and a bit. With one
  weight matrix for all layers it is real-time recurrent learning.
- Stochastic, mini-batch and batch gradient descent differ in the batch size
  alone. The noise of the gradient falls like 1 / sqrt(B).
- Overfitting shows in the held-out loss long before the accuracy suffers.
- Optimisers differ in the learning rates at which they work best, by a factor
  of thirty, much more than in the accuracy they reach there.

  python -m experiments.textbook.backpropagation --config.num_epochs=30

takes 25 seconds (--full: some minutes). Numbers to expect: errors near 1e-16,
accuracies of 0.96 to 0.97 for every optimiser.

Departures: mini-batches are cut from a shuffle, every example once an epoch,
where the slides draw each batch afresh. The sources give no sizes.
"""

from experiments import study
from experiments.textbook.backpropagation import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="Yes, to the last digits, at the cost of two plain passes and a bit; "
  "all optimisers live on it and reach much the same accuracy.",
  equation=r"\delta^l = (W^{l+1})^\top \delta^{l+1} \odot \sigma'(z^l), "
  r"\quad \frac{\partial C}{\partial W^l} = "
  r"\delta^l\,(a^{l-1})^\top",
  caption="Operations of the gradient in forward and reverse order; training "
  "and test loss of three batch sizes; and test accuracy of seven optimisers "
  "over learning rates, beside softmax regression.",
  full=run.Config(num_hidden=32, num_seeds=20, num_epochs=30, few_seeds=40),
)
