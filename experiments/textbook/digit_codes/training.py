"""Training of ten outputs, of four, and of ten before four.

All sizes, learning rates and seeds of one kind of network are trained at once.
"""

from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jax import numpy as jnp

import nnfun as nf
from experiments import images as images_lib
from experiments import progress, sweeps
from experiments.textbook import constructions

# Sizes of the layers after the hidden one.
NETWORKS = {"ten": (10,), "bits": (4,), "deep": (10, 4)}
_SIGMOID = nf.activations.sigmoid


class Ten(NamedTuple):
  """Ten outputs after training: shares of images, [S, sizes, rates]."""

  validation: np.ndarray  # Right by the largest output  [S, sizes, rates]
  test: np.ndarray  # The same of the test images  [S, sizes, rates]
  designed: np.ndarray  # By the designed layer's bits  [S, sizes, rates]
  # With the right output at 0.99 or more and the others below 0.01.
  admissible: np.ndarray  # [S, sizes, rates]
  admissible_errors: np.ndarray  # And wrong bits  [S, sizes, rates]
  # With the right output above the sum of the others.
  dominant: np.ndarray  # [S, sizes, rates]
  dominant_errors: np.ndarray  # And wrong bits  [S, sizes, rates]


class Four(NamedTuple):
  """Four outputs after training: shares of images, [S, sizes, rates]."""

  validation: np.ndarray  # With all four bits right  [S, sizes, rates]
  test: np.ndarray  # The same of the test images  [S, sizes, rates]


def train(config: Any, split: images_lib.Split) -> dict[str, Ten | Four]:
  """Trains every kind of network in every size, at every learning rate.

  Every size is trained as the largest one with units switched off, which never
  learn: so the size is a number like the others.
  """
  sizes, rates = map(jnp.array, (config.hidden_sizes, config.learning_rates))
  keys = jax.random.split(jax.random.key(config.seed), config.num_seeds)
  starts = sweeps.sweep(_start(config, split), keys, quick=True)
  results = {}
  for name in progress.track(NETWORKS, "digit codes"):
    fit = _fit(config, split, name)
    each_rate = jax.vmap(fit, (None, 0, None))
    each_size = jax.vmap(each_rate, (0, None, None))
    results[name] = sweeps.sweep(
      lambda start, key, each=each_size: each(sizes, rates, (start, key)),
      starts[name],
      jax.vmap(lambda key: jax.random.split(key, 3)[2])(keys),
    )
  return results


def order_of(config: Any) -> tuple[int, ...]:
  """Returns the digit of each of the ten outputs."""
  return (
    constructions.ZERO_LAST if config.zero_last else constructions.ZERO_FIRST
  )


def _start(config, split):
  """Returns a draw of the largest networks, with one hidden layer for all."""
  num_inputs, largest = split.train.pixels.shape[1], max(config.hidden_sizes)

  def draw(key):
    key_hidden, key_outputs, _ = jax.random.split(key, 3)
    hidden = nf.mlp.init(key_hidden, [num_inputs, largest])
    return {
      name: hidden + nf.mlp.init(key_outputs, [largest, *outputs])
      for name, outputs in NETWORKS.items()
    }

  return draw


def _fit(config, split, name):
  """Returns the training of one network, to its accuracies."""
  largest, order = max(config.hidden_sizes), order_of(config)
  pixels, labels = map(jnp.asarray, split.train)
  targets = constructions.bits(labels)
  if name == "ten":
    targets = constructions.one_hot(labels, order)

  def fit(size, learning_rate, start):
    (hidden, output, *rest), key = start
    is_on = (jnp.arange(largest) < size).astype(jnp.float32)
    layers = [lambda z: is_on * _SIGMOID(z)] + [_SIGMOID] * len(NETWORKS[name])
    # The variance of what the output layer draws is that of the smaller size.
    output = output | {"w": output["w"] * jnp.sqrt(largest / size)}
    params = nf.minibatch.fit(
      lambda params, x, y: jnp.sum((nf.mlp.apply(params, x, layers) - y) ** 2),
      optax.sgd(learning_rate),
      (hidden, output, *rest),
      key,
      pixels,
      targets,
      batch_size=config.batch_size,
      num_epochs=config.num_epochs,
    ).params
    outputs = [
      jax.vmap(lambda x: nf.mlp.apply(params, x, layers))(
        jnp.asarray(part.pixels)
      )
      for part in split[1:]
    ]
    if name == "ten":
      return read_ten(*outputs, split, order)
    return Four(
      *(
        jnp.mean(_all_right(a - 0.5, jnp.asarray(part.labels)))
        for a, part in zip(outputs, split[1:], strict=True)
      )
    )

  return fit


def read_ten(
  validation: jax.Array,
  test: jax.Array,
  split: images_lib.Split,
  order: tuple[int, ...],
) -> Ten:
  """Reads ten outputs for each validation and test image [N, 10]."""
  by_digit = np.argsort(order)
  labels = jnp.asarray(split.test.labels)
  code = constructions.one_hot(labels, order)
  right = jnp.sum(code * test, axis=1)
  others = (1 - code) * test
  (layer,) = constructions.one_hot_to_bits(order)
  is_wrong = ~_all_right(test @ layer["w"].T, labels)
  admissible = (right >= 0.99) & (jnp.max(others, axis=1) < 0.01)
  dominant = right > jnp.sum(others, axis=1)
  shares = (
    ~is_wrong,
    admissible,
    admissible & is_wrong,
    dominant,
    dominant & is_wrong,
  )
  return Ten(
    images_lib.accuracy(validation[:, by_digit], split.validation.labels),
    images_lib.accuracy(test[:, by_digit], labels),
    *map(jnp.mean, shares),
  )


def _all_right(z, labels):
  return jnp.all((z > 0) == (constructions.bits(labels) > 0.5), axis=1)
