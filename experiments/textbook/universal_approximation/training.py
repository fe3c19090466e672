"""What training finds, against a network designed with as many ReLUs."""

from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jax import numpy as jnp

import nnfun as nf
from experiments import sweeps
from experiments.textbook.universal_approximation import networks, readings

_XS = np.linspace(0, 1, 128)  # Examples.
_FINE = np.linspace(0, 1, 2048)  # Where the trained networks are judged.
_BATCH_SIZE = 32  # Examples of one update.


class Training(NamedTuple):
  """Trained networks; S seeds, W widths, R learning rates."""

  widths: np.ndarray  # ReLUs  [W]
  errors: np.ndarray  # The largest on [0, 1] after training  [S, W, R]


def measure(config: Any) -> Training:
  """Trains networks of one ReLU layer on the target, with Adam.

  Every width is trained as the widest one with units switched off, which never
  learn: so the width is a number, and all networks are trained at once.
  """
  widths, rates = map(np.array, (config.trained_widths, config.learning_rates))
  widest = max(widths)

  def train(key, width, rate):
    key_init, key_kinks, key_fit = jax.random.split(key, 3)
    first, second = nf.mlp.init(key_init, [1, widest, 1])
    # Kinks all over the interval, and outputs of the smaller one's variance.
    kinks = jax.random.uniform(key_kinks, (widest,))
    first["b"] = -kinks * first["w"][:, 0]
    second["w"] *= jnp.sqrt(widest / width)
    is_on = jnp.arange(widest) < width
    layers = [lambda z: is_on * networks.RELU(z), networks.IDENTITY]
    params = nf.minibatch.fit(
      lambda params, x, y: (nf.mlp.apply(params, x, layers)[0] - y) ** 2,
      optax.adam(rate),
      (first, second),
      key_fit,
      _XS[:, None],
      readings.target(_XS),
      batch_size=_BATCH_SIZE,
      num_epochs=config.num_epochs,
    ).params
    ys = jax.vmap(lambda x: nf.mlp.apply(params, x, layers)[0])(_FINE[:, None])
    return jnp.max(jnp.abs(ys - readings.target(_FINE)))

  keys = jax.random.split(jax.random.key(config.seed), config.num_seeds)
  of_rates = jax.vmap(train, (None, None, 0))
  of_all = jax.vmap(of_rates, (None, 0, None))
  errors = sweeps.sweep(lambda key: of_all(key, widths, rates), keys)
  return Training(widths, errors)
