"""What training finds, against networks designed with as many ReLUs."""

from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import numpy as jnp

import nnfun as nf
from experiments import sweeps
from experiments.textbook.universal_approximation import config as config_lib
from experiments.textbook.universal_approximation import networks

_NUM_EXAMPLES = 128  # Equally spaced on [0, 1].
_BATCH_SIZE = 32  # Examples of one update.


class Training(NamedTuple):
  """Trained networks; S seeds, W widths, R learning rates."""

  widths: np.ndarray  # ReLUs  [W]
  errors: np.ndarray  # The largest on [0, 1] after training  [S, W, R]


def measure(config: config_lib.Config) -> Training:
  """Trains networks of one ReLU layer on the target, with Adam.

  Every width is trained as the widest one with units switched off, which never
  learn: so the width is a number, and all networks are trained at once.
  """
  widths, rates = map(np.array, (config.trained_widths, config.learning_rates))
  keys = jax.random.split(jax.random.key(config.seed), config.num_seeds)
  train = jax.vmap(_make_fit(config), (None, None, 0))  # Over rates.
  train = jax.vmap(train, (None, 0, None))  # And widths.
  errors = sweeps.sweep(lambda key: train(key, widths, rates), keys)
  return Training(widths, errors)


def _start(key, widest):
  """Draws the widest network, its kinks all over the interval."""
  key_init, key_kinks = jax.random.split(key)
  first, second = nf.mlp.init(key_init, [1, widest, 1])
  kinks = jax.random.uniform(key_kinks, (widest,))
  return {"w": first["w"], "b": -kinks * first["w"][:, 0]}, second


def _make_fit(config):
  """Returns the training of one network, to its largest error."""
  widest = max(config.trained_widths)
  xs = jnp.linspace(0.0, 1.0, _NUM_EXAMPLES)
  fine = jnp.linspace(0.0, 1.0, 16 * _NUM_EXAMPLES)  # Where it is judged.

  def output(params, x, is_on):
    layers = [lambda z: is_on * jax.nn.relu(z), jax.nn.identity]
    return nf.mlp.apply(params, x[None], layers)[0]

  def train(key, width, learning_rate):
    key_start, key_fit = jax.random.split(key)
    first, second = _start(key_start, widest)
    is_on = (jnp.arange(widest) < width).astype(jnp.float32)
    # The variance of the initial outputs is that of the smaller network.
    second = {"w": second["w"] * jnp.sqrt(widest / width), "b": second["b"]}
    params = nf.minibatch.fit(
      lambda params, x, y: (output(params, x, is_on) - y) ** 2,
      optax.adam(learning_rate),
      (first, second),
      key_fit,
      xs,
      networks.target(xs),
      batch_size=_BATCH_SIZE,
      num_epochs=config.num_epochs,
    ).params
    ys = jax.vmap(lambda x: output(params, x, is_on))(fine)
    return jnp.max(jnp.abs(ys - networks.target(fine)))

  return train
