"""Are the outputs of a softmax layer probabilities?

The slides use softmax "as the output for multi-class classification problems"
and its j-th element as the probability of class j. Here a network is trained on
a few handwritten digits, far beyond the point where it makes no error on them,
and its probabilities are held against how often it is right:

- The outputs are positive and sum to 1, but they are not how often the network
  is right. Once every training example is right, the cross-entropy still falls
  as the logits grow: the network becomes surer, not better. The test error
  hardly moves while the test cross-entropy rises.
- One number undoes it. Dividing all logits by T, fitted on held-out examples,
  leaves every prediction as it was and makes the confidence honest. T rises
  during the training, through 1 (early networks are not sure enough).
- The best T has a meaning: there the network expects exactly the loss it has.
  Mean entropy and cross-entropy are equal at the optimum, on the examples T was
  fitted on, since they differ by c dL/dc, c = 1 / T.
- The calibration error of a finite set is positive for perfect probabilities
  too (grey in the figure): most of what is left after the scaling is that.

  python -m experiments.softmax_temperature.calibration --config.num_train=300

takes 15 seconds (--full: a minute). With --config.data_dir=FOLDER it is MNIST,
from the four files of that data set. By default expect on the digits: accuracy
92 %, confidence 95 % before and 91 % after; T = 1.6; calibration error 3.9 %
before and 2.4 % after, where 2.2 % is chance. The paper calibrates deep
networks on other data: its numbers cannot be tested here.
"""

from experiments import study
from experiments.softmax_temperature.calibration import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="Not by themselves: a network trained for long is too sure, until one "
  "temperature, fitted on held-out examples, makes its confidence honest.",
  equation=r"\mathrm{ECE} = \sum_b \frac{n_b}{N}\,\bigl|\mathrm{accuracy}_b "
  r"- \mathrm{confidence}_b\bigr|",
  caption="How often networks are right, by their confidence, before and after "
  "a temperature was fitted; the calibration errors of all networks beside "
  "those that chance gives perfect probabilities; entropy and cross-entropy "
  "by epoch; and how the best temperature rises while the error stays.",
  full=run.Config(num_epochs=200, num_seeds=32),
)
