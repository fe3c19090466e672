"""Trains every kind of network in the book from every seed.

Pixels are divided by 255, where the book's file has 256; all is float32.
"""

import dataclasses
import itertools
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import numpy as jnp

import nnfun as nf
from experiments import images as images_lib
from experiments import progress, settings, sweeps
from experiments.textbook.nielsen_mnist import readings

# Of the 8 x 8 digits: so few that there is something to regularize.
_NUM_TRAIN, _NUM_FEW = 500, 100
_DECAY, _DECAY_MNIST = 1e-3, 5 / 50_000  # lambda / n.


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """What is trained on, and how much."""

  data_dir: str = ""  # Folder with MNIST's four files; none for 8 x 8 digits.
  num_seeds: settings.at_least(3) = 16  # Networks of each kind.
  num_epochs: settings.Count = 30  # With all training images.
  num_epochs_small: settings.Count = 400  # With few training images.
  seed: settings.Seed = 0  # Of initial weights and of the order of the images.


class Results(NamedTuple):
  """What is kept; S seeds."""

  # Accuracy at the start and by epoch, on test, validation and few images.
  curves: dict[str, np.ndarray]  # [S, E + 1, 3]
  is_published: np.ndarray  # Whether images and epochs are the book's  []


def run(config: Config) -> Results:
  """Trains every kind of network from every seed."""
  is_mnist = bool(config.data_dir)
  split = images_lib.load(config.data_dir)
  few = images_lib.take(split.train, slice(1000 if is_mnist else _NUM_FEW))
  train = images_lib.take(split.train, slice(None if is_mnist else _NUM_TRAIN))
  keys = jax.random.split(jax.random.key(config.seed), (2, config.num_seeds))
  epochs = config.num_epochs, config.num_epochs_small
  compiled = sweeps.brisk_jit(fit, static_argnames="num_epochs")
  curves = {}
  for name in progress.track(readings.SETTINGS, "Nielsen's networks"):
    setting = readings.SETTINGS[name]
    params, rounds = start(setting, train.pixels.shape[1], config), []
    for i in range(1 + setting.is_long):
      fitted = compiled(
        keys[i],
        params,
        setting,
        setting.is_decayed * (_DECAY_MNIST if is_mnist else _DECAY),
        few if setting.is_small else train,
        (split.test, split.validation, few),
        num_epochs=epochs[setting.is_small],
      )
      params = fitted.params  # Where a second round starts.
      rounds.append(np.stack(fitted.evaluations, axis=-1)[:, i:])
    curves[name] = np.hstack(rounds)
  return Results(curves, np.array(is_mnist and epochs == (30, 400)))


def start(
  setting: readings.Setting, num_inputs: int, config: Config
) -> nf.base.Params:
  """Draws weights and biases, leaves [S, ...]; N(0, 1) if not narrow."""
  rng = np.random.default_rng(config.seed)  # The same for each kind.
  sizes, layers = (num_inputs, setting.num_hidden, 10), []
  for fan_in, units in itertools.pairwise(sizes):
    scale = fan_in**-0.5 if setting.is_narrow else 1.0
    w = rng.normal(scale=scale, size=(config.num_seeds, units, fan_in))
    b = rng.normal(size=(config.num_seeds, units))
    layers.append({"w": w.astype(np.float32), "b": b.astype(np.float32)})
  return tuple(layers)


def fit(
  keys: jax.Array,
  starts: nf.base.Params,
  setting: readings.Setting,
  decay: float,
  train: nf.data.Images,
  judged: tuple[nf.data.Images, ...],
  *,
  num_epochs: int,
) -> nf.minibatch.Fit:
  """Trains a network from each start [S, ...] as the book's network2.py does.

    w <- (1 - eta lambda / n) w - eta / m sum_i dC_i / dw
    b <- b - eta / m sum_i dC_i / db

  The decay is lambda / n; evaluations are the accuracies on each set judged.
  """

  def cost(params, x, y):
    logits = _logits(params, x)
    # Both, so that one program does for all settings.
    cross_entropy = nf.losses.sigmoid_cross_entropy(logits, y)
    quadratic = nf.losses.quadratic(jax.nn.sigmoid(logits), y)
    return jnp.where(setting.is_cross_entropy, cross_entropy, quadratic)

  pixels, labels = zip(*judged, strict=True)
  ends = np.cumsum([len(y) for y in labels])[:-1]

  def evaluate(params):
    logits = jax.vmap(_logits, (None, 0))(params, jnp.concatenate(pixels))
    return list(map(images_lib.accuracy, jnp.split(logits, ends), labels))

  weights_only = ({"w": True, "b": False},) * 2
  optimizer = optax.chain(
    optax.add_decayed_weights(decay, weights_only),
    optax.sgd(setting.learning_rate),
  )

  def one(key, params):
    return nf.minibatch.fit(
      cost,
      optimizer,
      params,
      key,
      train.pixels,
      jax.nn.one_hot(train.labels, 10),
      batch_size=10,
      num_epochs=num_epochs,
      evaluate_fn=evaluate,
    )

  return jax.vmap(one)(keys, starts)


def _logits(params, x):
  layers = [jax.nn.sigmoid, nf.activations.identity]
  return nf.mlp.apply(params, x, layers)
