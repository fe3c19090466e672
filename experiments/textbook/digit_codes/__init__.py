"""Is a digit better taught as one of ten or as four bits?

Ten outputs, one for each digit, can be turned into the four bits of the digit
by one more layer with weights of +1 and -1: an exercise of Nielsen's book, a
signal-processing problem set and a problem sheet ask for it. The sheet asks
further whether one could train the four bits directly, with fewer outputs, or
train the network with the extra layer. What a student should take from this:

- The layer needs no training. If the right output is at 0.99 or more and the
  others below 0.01, each bit is decided by a margin above 0.9.
- It costs next to nothing: on real digits the bits are wrong where the ten
  outputs were, up to two images in a thousand with 32 hidden neurons.
- Bits trained directly make more errors at every size of the hidden layer: a
  bit asks for groups like {2, 3, 6, 7}, which have no shape in common. So they
  do as the outputs of a deeper network trained as a whole.

  python -m experiments.textbook.digit_codes --config.num_seeds=5

takes 15 seconds on scikit-learn's digits (--full: 5 minutes;
--config.data_dir=FOLDER trains on MNIST). Numbers to expect: accuracies of 0.98
and 0.95 with 32 hidden neurons.

Departures from the sources: the images are 8 x 8 unless MNIST is given, and
mini-batches are stepped at the learning rate that is best on images set apart,
for each code and size. The exercises call bit 1 "second most significant",
where it is second least, and write w_k0 > 0.99 for x_k.
"""

from experiments import study
from experiments.textbook.digit_codes import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="As one of ten: a layer that needs no training makes bits of it, and "
  "bits trained directly lose some points of accuracy.",
  equation=r"y_i = \sigma\Bigl(\sum_{k=0}^{9} w_{ik}\,a_k + b_i\Bigr), "
  r"\quad w_{ik} = \pm 1",
  caption="The least margin of each bit behind the designed layer, over all "
  "inputs that the exercise admits; errors on test images by the size of the "
  "hidden layer, mean and range of the seeds; the points of accuracy that four "
  "outputs lose against ten and the designed layer, mean and 99 % limits.",
  full=run.Config(
    (4, 8, 16, 32, 64), (0.3, 1.0, 3.0, 10.0), num_epochs=200, num_seeds=32
  ),
)
