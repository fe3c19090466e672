"""The kinds of network that the book trains, their start and their training."""

from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax

import nnfun as nf
from experiments import images as images_lib


class Setting(NamedTuple):
  """How a network of sigmoid units is trained."""

  num_hidden: int
  is_cross_entropy: bool  # Otherwise the cost is quadratic.
  learning_rate: float  # eta, on the mean over the mini-batch.
  is_decayed: bool  # Weights shrink by eta lambda / n; the book: 5 / 50,000.
  is_narrow: bool = False  # w ~ N(0, 1 / fan-in) at the start, else N(0, 1).
  is_small: bool = False  # Trained on the first 1,000 images alone.
  num_rounds: int = 1  # Times the usual number of epochs.
  is_validated: bool = False  # Judged on validation instead of test images.


SETTINGS = {
  "quadratic_30": Setting(30, False, 3.0, False),
  "quadratic_100": Setting(100, False, 3.0, False),
  "entropy_30": Setting(30, True, 0.5, False),
  "entropy_100": Setting(100, True, 0.5, False),
  "small": Setting(30, True, 0.5, False, is_small=True),
  "small_decay": Setting(30, True, 0.5, True, is_small=True),
  "decay_30": Setting(30, True, 0.5, True),
  "decay_100": Setting(100, True, 0.5, True, is_validated=True),
  "slow_100": Setting(100, True, 0.1, True, num_rounds=2, is_validated=True),
  "wide": Setting(30, True, 0.1, True, is_validated=True),
  "narrow": Setting(30, True, 0.1, True, is_narrow=True, is_validated=True),
}
_MAX_HIDDEN = max(setting.num_hidden for setting in SETTINGS.values())


def starts(key: jax.Array, num_inputs: int, num_seeds: int) -> nf.base.Params:
  """Draws the weights of the largest network, all N(0, 1), leaves [S, ...]."""
  normal = jax.nn.initializers.normal(1.0)
  sizes = [num_inputs, _MAX_HIDDEN, 10]

  def draw(key):
    return nf.mlp.init(key, sizes, weight_init=normal, bias_init=normal)

  drawn = jax.jit(jax.vmap(draw))(jax.random.split(key, num_seeds))
  return jax.tree.map(np.asarray, drawn)


def start_of(setting: Setting, largest: nf.base.Params) -> nf.base.Params:
  """Cuts the largest network to the first hidden units, and scales it."""
  hidden, output = largest
  units = setting.num_hidden
  layers = (
    {"w": hidden["w"][:, :units], "b": hidden["b"][:, :units]},
    {"w": output["w"][:, :, :units], "b": output["b"]},
  )
  if not setting.is_narrow:
    return layers
  return tuple(
    layer | {"w": layer["w"] / np.float32(layer["w"].shape[-1] ** 0.5)}
    for layer in layers
  )


def _logits(params, x):
  layers = [jax.nn.sigmoid, nf.activations.identity]
  return nf.mlp.apply(params, x, layers)


def _cost(is_cross_entropy):
  """Returns the cost; a branch at run time, so that one program has both."""

  def quadratic(logits, y):
    return nf.losses.quadratic(jax.nn.sigmoid(logits), y)

  def cost(params, x, y):
    both = nf.losses.sigmoid_cross_entropy, quadratic
    return lax.cond(is_cross_entropy, *both, _logits(params, x), y)

  return cost


class Shared(NamedTuple):
  """What all networks of one kind have in common."""

  is_cross_entropy: bool
  learning_rate: float  # eta.
  decay: float  # lambda / n.
  train: nf.data.Images
  held_out: nf.data.Images
  few: nf.data.Images


def fit(
  key: jax.Array,
  params: nf.base.Params,
  shared: Shared,
  *,
  batch_size: int,
  num_epochs: int,
) -> nf.minibatch.Fit:
  """Trains one network as the book's network2.py does.

    w <- (1 - eta lambda / n) w - eta / m sum_i dC_i / dw
    b <- b - eta / m sum_i dC_i / db

  Its evaluations are the accuracies on `held_out` and on `few`.
  """
  weights_only = tuple({"w": True, "b": False} for _ in params)

  def accuracy(params, images):
    logits = jax.vmap(_logits, (None, 0))(params, images.pixels)
    return images_lib.accuracy(logits, images.labels)

  return nf.minibatch.fit(
    _cost(shared.is_cross_entropy),
    optax.chain(
      optax.add_decayed_weights(shared.decay, weights_only),
      optax.sgd(shared.learning_rate),
    ),
    params,
    key,
    shared.train.pixels,
    jax.nn.one_hot(shared.train.labels, 10),
    batch_size=batch_size,
    num_epochs=num_epochs,
    evaluate_fn=lambda p: (
      accuracy(p, shared.held_out),
      accuracy(p, shared.few),
    ),
  )
