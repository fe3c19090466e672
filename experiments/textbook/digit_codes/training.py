"""Training of ten outputs, of four, and of ten before four.

All sizes, learning rates and seeds of one kind of network are trained at once.
"""

from typing import Any

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
_ORDER = constructions.ZERO_LAST  # The digit of each of the ten outputs.


def train(config: Any, split: images_lib.Split) -> dict[str, np.ndarray]:
  """Trains every kind of network in every size, at every learning rate.

  Returns:
    The shares of test images that are read rightly, [S, sizes], at the rate
    that is best on the validation images: by ten outputs, "designed" by the
    bits of the designed layer behind them, and by four outputs.
  """
  sizes, rates = map(jnp.array, (config.hidden_sizes, config.learning_rates))
  key = jax.random.key(config.seed)
  split_key = sweeps.quick_jit(jax.random.split, static_argnums=1)
  key_starts, key_orders = split_key(key, (2, config.num_seeds))
  results = {}
  for name, outputs in progress.track(NETWORKS.items(), "digit codes"):
    units = [split.train.pixels.shape[1], max(config.hidden_sizes), *outputs]
    starts = sweeps.sweep(
      lambda key, units=units: nf.mlp.init(key, units), key_starts, quick=True
    )
    each_rate = jax.vmap(_fit(config, name), (None, 0, None, None, None))
    each_size = jax.vmap(each_rate, (0, None, None, None, None))
    each_seed = jax.vmap(each_size, (None, None, 0, 0, None))
    compiled = sweeps.brisk_jit(each_seed)
    shares = jax.device_get(compiled(sizes, rates, starts, key_orders, split))
    for kind in shares:
      results[kind] = at_best_rate(shares[name], shares[kind])
  return results


def at_best_rate(chosen_by: np.ndarray, shares: np.ndarray) -> np.ndarray:
  """Returns shares of test images at the best rate of each size, [S, sizes].

  Both arguments: of validation and test images, [S, sizes, rates, 2].
  """
  rates = np.argmax(chosen_by[..., 0].mean(axis=0), axis=1)
  return shares[:, np.arange(len(rates)), rates, 1].astype(float)


def _fit(config, name):
  """Returns the training of one network, to its shares by their readings.

  Every size is trained as the largest one with units switched off, which never
  learn: so the size is a number like the others.
  """
  largest = max(config.hidden_sizes)

  def fit(size, learning_rate, start, key, split):
    pixels, labels = split.train
    targets = constructions.bits(labels)
    if name == "ten":
      targets = constructions.one_hot(labels, _ORDER)
    hidden, output, *rest = start
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
    apply = jax.vmap(lambda x: nf.mlp.apply(params, x, layers))
    shares = [read(name, apply(part.pixels), part.labels) for part in split[1:]]
    return jax.tree.map(lambda *parts: jnp.stack(parts), *shares)

  return fit


def read(
  name: str, outputs: jax.Array, labels: jax.Array
) -> dict[str, jax.Array]:
  """Returns the shares of images that are read rightly, [], by their reading.

  Args:
    name: the kind of network.
    outputs: of the images [N, 10 or 4].
    labels: their digits [N].
  """

  def all_bits(z):
    bits = constructions.bits(labels) > 0.5
    return jnp.mean(jnp.all((z > 0) == bits, axis=1))

  if name != "ten":
    return {name: all_bits(outputs - 0.5)}
  (layer,) = constructions.one_hot_to_bits(_ORDER)
  return {
    "ten": images_lib.accuracy(outputs[:, np.argsort(_ORDER)], labels),
    "designed": all_bits(outputs @ layer["w"].T),
  }
