"""Training of the study of digit codes: ten outputs, four, and ten before four.

All sizes, learning rates and seeds of one kind of network are trained at once.
"""

from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress
from experiments.textbook import constructions

# Sizes of the layers after the hidden one.
NETWORKS = {"one_hot": (10,), "bits": (4,), "deep": (10, 4)}
_SIGMOID = nf.activations.sigmoid
# Compiling takes as long as running: the draws run once.
_DRAW = {"xla_backend_optimization_level": 0}
_TRAIN = {"xla_backend_optimization_level": 1}


class Data(NamedTuple):
  """Images for three purposes."""

  train: nf.data.Images
  validation: nf.data.Images
  test: nf.data.Images


def load(config: Any) -> Data:
  """Returns images in an order drawn from the seed; MNIST has its own test.

  Args:
    config: of the study.

  Returns:
    The images.

  Raises:
    ValueError: if there are less images than the config asks for.
    FileNotFoundError: if MNIST is not where it should be.
  """
  if config.data_dir:
    images = nf.data.mnist(config.data_dir, "train")
    test = nf.data.mnist(config.data_dir, "test")
  else:
    images, test = nf.data.digits(), None
  ends = config.num_train, config.num_train + config.num_validation
  num_images = len(images.labels)
  if num_images < ends[1] + (test is None):
    raise ValueError(
      f"expected num_train + num_validation below the {num_images} images, got "
      f"{config.num_train} + {config.num_validation}"
    )
  order = np.random.default_rng(config.seed).permutation(num_images)
  train, validation, rest = (
    nf.data.Images(images.pixels[part], images.labels[part])
    for part in np.split(order, ends)
  )
  return Data(train, validation, test or rest)


def order_of(config: Any) -> tuple[int, ...]:
  """Returns the digit of each of the ten outputs.

  Args:
    config: of the study.
  """
  return (
    constructions.ZERO_LAST if config.zero_last else constructions.ZERO_FIRST
  )


def train(config: Any, data: Data) -> dict[str, np.ndarray]:
  """Trains every kind of network in every size, at every learning rate.

  Every size is trained as the largest one with units switched off, which never
  learn: so the size is a number like the others.

  Args:
    config: of the study.
    data: the images.

  Returns:
    For each reading of the outputs the accuracies `validation_*` and `test_*`
    after training, [sizes, rates, seeds]. Readings are "one_hot", the largest
    of ten, and "designed", the bits which the designed layer makes of them;
    "bits" and "deep" for four outputs. Of ten outputs also the shares of the
    images with the right one at 0.99 or more and the others below 0.01,
    "admissible", with the right one above the sum of the others, "dominant",
    and those of them which the designed layer reads wrongly,
    "admissible_errors" and "dominant_errors".
  """
  sizes, rates = map(np.array, (config.hidden_sizes, config.learning_rates))
  keys = jax.random.split(jax.random.key(config.seed), config.num_seeds)
  starts = jax.jit(jax.vmap(_start(config, data)), compiler_options=_DRAW)(keys)
  results = {}
  for name in progress.track(NETWORKS, "digit codes"):
    fit = _fit(config, data, name)
    for axes in ((None, None, 0), (None, 0, None), (0, None, None)):
      fit = jax.vmap(fit, axes)
    results |= jax.jit(fit, compiler_options=_TRAIN)(sizes, rates, starts[name])
  return jax.tree.map(np.asarray, results)


def _start(config, data):
  """Returns a draw of the largest networks, with one hidden layer for all."""
  num_inputs, largest = data.train.pixels.shape[1], max(config.hidden_sizes)

  def draw(key):
    key_hidden, key_outputs, key_fit = jax.random.split(key, 3)
    hidden = nf.mlp.init(key_hidden, [num_inputs, largest])
    return {
      name: (hidden + nf.mlp.init(key_outputs, [largest, *outputs]), key_fit)
      for name, outputs in NETWORKS.items()
    }

  return draw


def _fit(config, data, name):
  """Returns the training of one network, to its accuracies."""
  largest, order = max(config.hidden_sizes), order_of(config)
  pixels, labels = map(jnp.asarray, data.train)
  targets = constructions.bits(labels)
  if name == "one_hot":
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
    return {
      f"{split}_{reading}": value
      for split, images in zip(data._fields[1:], data[1:], strict=True)
      for reading, value in _read(images, params, layers, name, order).items()
    }

  return fit


def _read(images, params, layers, name, order):
  """Returns for each reading the share of the images that are read rightly."""
  pixels, labels = map(jnp.asarray, images)
  outputs = jax.vmap(lambda x: nf.mlp.apply(params, x, layers))(pixels)
  bits = constructions.bits(labels)
  if name != "one_hot":
    return {name: jnp.mean(_all_right(outputs - 0.5, bits))}
  code = constructions.one_hot(labels, order)
  right = jnp.sum(code * outputs, axis=1)
  others = (1 - code) * outputs
  (layer,) = constructions.one_hot_to_bits(order)
  designed = _all_right(outputs @ layer["w"].T, bits)
  admissible = (right >= 0.99) & (jnp.max(others, axis=1) < 0.01)
  dominant = right > jnp.sum(others, axis=1)
  readings = {
    "one_hot": right > jnp.max(others, axis=1),
    "designed": designed,
    "admissible": admissible,
    "admissible_errors": admissible & ~designed,
    "dominant": dominant,
    "dominant_errors": dominant & ~designed,
  }
  return jax.tree.map(jnp.mean, readings)


def _all_right(z, bits):
  return jnp.all((z > 0) == (bits > 0.5), axis=1)
