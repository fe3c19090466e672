"""How much slower do the early layers of a digit network learn?

Chapter 5 of Nielsen's book measures the speed of a layer's learning by the norm
of dC / d b, averaged over images, in networks of 30 sigmoid units a layer, and
finds that early layers are slower. What a student should take from this:

- At the start they are slower by a factor of five a layer, in all of a thousand
  draws as in the book's single ones. The data do not matter: mean-field theory,
  which knows only how bright the images are, says sqrt(chi_1) = 0.2.
- The gap is one of networks that have not learned yet. Once they know the
  digits, the first layer is more than half as fast as the last. In the book's
  own 500 steps of batch gradient descent deep networks do not get that far.
- More hidden layers do not make them better; they begin to learn later.
- Could large weights help? |w sigma'(w a + b)| >= 1 holds for at most an
  interval of activations 0.45 wide, and that at |w| = 6.9.

  python -m experiments.gradient_flow.layers

takes 20 seconds on 8 x 8 digits. The published numbers are those of MNIST:
--full --config.data_dir=FOLDER, a folder with its four files, takes 20 minutes.

Departures: pixels are divided by 255, the book's by 256. The 8 x 8 digits, a
fiftieth of MNIST, are learned at ten times the book's rate.
"""

from experiments import study
from experiments.gradient_flow.layers import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="Five times slower for each layer, until the network has learned; "
  "then less than two times in all.",
  equation=r"\frac{\partial C}{\partial b_1} = "
  r"\sigma'(z_1)\,w_2\,\sigma'(z_2)\,w_3\,\sigma'(z_3) \cdots "
  r"w_L\,\sigma'(z_L)\,\frac{\partial C}{\partial a_L}",
  caption="How fast the hidden layers of random networks learn, with Nielsen's "
  "draws as stars; the first layer's speed over the last one's in training; "
  "accuracy by number of hidden layers (bands: 10th to 90th percentile of "
  "networks); and for how many activations large weights keep a gradient.",
  full=run.Config(
    num_seeds=4000,
    num_images=1000,
    num_training_seeds=20,
    num_epochs=30,
    learning_rate=0.1,
  ),
)
