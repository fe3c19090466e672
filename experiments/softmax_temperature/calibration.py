"""Are the outputs of a softmax layer probabilities, and what makes them so?

The slides use softmax "as the output for multi-class classification problems"
and its j-th element as the probability of class j. Here a network is trained on
a few handwritten digits, far beyond the point where it makes no error on them,
and its probabilities are held against how often it is right. What a student
should take from this:

- The outputs are positive and sum to 1, but they are not how often the network
  is right. Once every training example is right, the cross-entropy still falls
  as the logits grow, so the network becomes surer without becoming better: the
  test error hardly moves while the test cross-entropy rises.
- One number undoes it. Dividing all logits by T, fitted on held-out examples,
  leaves every prediction as it was and makes the confidence honest. T rises
  during the training, through 1 (early networks are not sure enough).
- The best T has a meaning: there the network expects exactly the loss it has.
  Mean entropy and cross-entropy are equal at the optimum, on the examples T was
  fitted on, since they differ by c dL/dc.
- The expected calibration error of a finite set is positive for the best of
  probabilities too (grey in the figure), and most of what is left after the
  scaling is that.

  python -m experiments.softmax_temperature.calibration --config.num_train=300

takes 10 seconds (--full: half a minute). With --config.data_dir=FOLDER it is
MNIST, from the four files of that data set. Numbers to expect on the digits:
accuracy 92 %, confidence 96 % before and 91 % after; T = 1.6; calibration error
4.0 % before and 2.2 % after, where 2.1 % is chance. The paper calibrates deep
networks on photographs and texts: its statements are tested here, its numbers
cannot be.
"""

import dataclasses
import functools

import jax
import numpy as np
import optax

import nnfun as nf
from experiments import cli, progress, study
from experiments.softmax_temperature import (
  calibration_claims,
  calibration_figure,
  calibration_scores,
)

_NUM_CLASSES = 10


@dataclasses.dataclass(frozen=True)
class Config:
  """The examples, the network and its training."""

  data_dir: str = ""  # Folder with MNIST; empty for scikit-learn's digits.
  num_train: int = 150  # Examples to train on, drawn anew for each seed.
  # Examples to fit the temperature on, and as many others to measure on.
  num_held_out: int = 800
  hidden_sizes: tuple[int, ...] = (100,)  # ReLU units of each hidden layer.
  learning_rate: float = 0.01  # Of Adam.
  batch_size: int = 25  # Examples in a mini-batch.
  num_epochs: int = 100  # Passes over the training examples.
  num_bins: int = 15  # Of the calibration error; 15 in the paper.
  num_seeds: int = 8  # Networks, each with its own examples.
  seed: int = 0  # Of examples, weights and order.

  def __post_init__(self) -> None:
    """Checks the counts.

    Raises:
      ValueError: if one is too small.
    """
    counts = (
      "num_train",
      "num_held_out",
      "batch_size",
      "num_epochs",
      "num_bins",
    )
    for name, least in (*((name, 1) for name in counts), ("num_seeds", 2)):
      if getattr(self, name) < least:
        raise ValueError(
          f"expected {name} >= {least}, got {getattr(self, name)}"
        )


def run(config: Config) -> dict[str, np.ndarray]:
  """Trains the networks and fits a temperature for each.

  Args:
    config: the setting.

  Returns:
    During the training, by seed and epoch, the start included, what
    `calibration_scores.judge` returns, as `curve_c` [S, E], `curve_nll` [S, E,
    2, 2] and so on; of the trained networks, by seed, in float64, what
    `calibration_scores.diagnose` returns; and `num_bins`.

  Raises:
    ValueError: if there are too few examples.
  """
  images, *indices = _load(config)
  keys = jax.random.split(jax.random.key(config.seed), config.num_seeds)
  # The images are an argument, for as constants they take seconds to compile.
  train = jax.jit(jax.vmap(functools.partial(_train, config), (None, 0, 0, 0)))
  for _ in progress.track(range(1), "calibration: training"):
    curves, logits, labels = jax.tree.map(
      np.asarray, train(images, *indices, keys)
    )
  diagnose = functools.partial(
    calibration_scores.diagnose, num_bins=config.num_bins
  )
  with jax.enable_x64(True):
    final = jax.jit(jax.vmap(diagnose))(keys, logits.astype(np.float64), labels)
  return {
    "num_bins": np.array(config.num_bins),
    **{f"curve_{name}": values for name, values in curves.items()},
    **{name: np.asarray(values) for name, values in final.items()},
  }


def _load(config):
  """Returns the images, and which are to train on and which are held out.

  By seed: training set [S, N], validation and test set [S, 2, N']. The test set
  is drawn from the images after `num_pool`, or from what is left before.
  """
  if config.data_dir:
    sets = [nf.data.mnist(config.data_dir, name) for name in ("train", "test")]
  else:
    sets = [nf.data.digits()]
  images = nf.data.Images(*map(np.concatenate, zip(*sets, strict=True)))
  num_pool, num_images = len(sets[0].labels), len(images.labels)
  n, m = config.num_train, config.num_held_out
  for_tests = num_images - num_pool if config.data_dir else num_pool - n - m
  if n + m > num_pool or m > for_tests:
    raise ValueError(
      "expected num_train + 2 num_held_out to be no more than the "
      f"{num_images} images, or with test images of their own num_train + "
      f"num_held_out no more than {num_pool}, got num_train={n} and "
      f"num_held_out={m}"
    )
  rng = np.random.default_rng(config.seed)
  ranges = np.arange(num_pool), np.arange(num_pool, num_images)
  orders = np.stack(
    [
      np.concatenate([rng.permutation(part) for part in ranges])
      for _ in range(config.num_seeds)
    ]
  )
  held_out = np.stack([orders[:, n : n + m], orders[:, -m:]], axis=1)
  return images, orders[:, :n], held_out


def _train(config, images, train, held_out, key):
  """Trains one network.

  Returns its evaluations, leaves [E, ...], and the logits and labels it ends
  with on the validation and on the test set.
  """
  key_init, key_fit = jax.random.split(key)
  layers = [nf.activations.relu] * len(config.hidden_sizes)
  layers += [nf.activations.identity]

  # Examples are indices: the images are shared by all seeds.
  def logits_of(params, index):
    return nf.mlp.apply(params, images.pixels[index], layers)

  def loss_fn(params, index, label):
    return nf.losses.softmax_cross_entropy_with_integer_labels(
      logits_of(params, index), label
    )

  def held_out_logits(params):
    return jax.vmap(jax.vmap(logits_of, (None, 0)), (None, 0))(params, held_out)

  labels = images.labels[held_out]
  fitted = nf.minibatch.fit(
    loss_fn,
    optax.adam(config.learning_rate),
    nf.mlp.init(
      key_init, [images.pixels.shape[1], *config.hidden_sizes, _NUM_CLASSES]
    ),
    key_fit,
    train,
    images.labels[train],
    batch_size=config.batch_size,
    num_epochs=config.num_epochs,
    evaluate_fn=lambda params: calibration_scores.judge(
      held_out_logits(params), labels
    ),
  )
  return fitted.evaluations, held_out_logits(fitted.params), labels


STUDY = study.Study(
  name="softmax_temperature/calibration",
  question=(
    "Are the outputs of a softmax layer probabilities, and what makes them so?"
  ),
  Config=Config,
  run=run,
  claims=calibration_claims.all_claims,
  plot=calibration_figure.draw,
  full=Config(num_epochs=200, num_seeds=32),
)

if __name__ == "__main__":
  cli.main(STUDY)
