"""Networks trained on real digits, many at a time, by `nf.minibatch.fit`.

Leaves [S, ...] have the seeds first. Everything is float32.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import numpy as jnp

import nnfun as nf
from experiments.textbook import backpropagation_exact as exact
from experiments.textbook import backpropagation_theory as theory

NUM_CLASSES = 10
_LAYERS = (nf.activations.tanh, nf.activations.identity)
_cross_entropy = nf.losses.softmax_cross_entropy_with_integer_labels


class Digits(NamedTuple):
  """Images [N, 64] with labels [N], to train on and held out."""

  xs: jax.Array
  ys: jax.Array
  held_out_xs: jax.Array
  held_out_ys: jax.Array

  def first(self, num_examples: int) -> "Digits":
    """Returns the same with only the first examples to train on."""
    return self._replace(xs=self.xs[:num_examples], ys=self.ys[:num_examples])


def digits(num_train: int, rng: np.random.Generator) -> Digits:
  """Shuffles the digits, and splits them.

  Args:
    num_train: how many to train on; the others are held out.
    rng: of the shuffle.

  Returns:
    The digits, on the device.

  Raises:
    ValueError: if nothing is left to train on or to hold out.
  """
  pixels, labels = nf.data.digits()
  if not 1 <= num_train < len(labels):
    raise ValueError(
      f"expected num_train from 1 to {len(labels) - 1}, for {len(labels)} "
      f"digits, got {num_train}"
    )
  order = rng.permutation(len(labels))
  parts = order[:num_train], order[num_train:]
  return Digits(*(jnp.asarray(a[i]) for i in parts for a in (pixels, labels)))


def starts(
  num_hidden: int, num_seeds: int, rng: np.random.Generator
) -> nf.base.Params:
  """Draws networks 64 - H - 10, leaves [S, ...].

  w ~ N(0, 1 / fan-in) and b = 0.
  """
  sizes = (64, num_hidden, NUM_CLASSES)
  return tuple(
    {
      "w": rng.normal(0, m**-0.5, (num_seeds, n, m)).astype(np.float32),
      "b": np.zeros((num_seeds, n), np.float32),
    }
    for m, n in zip(sizes[:-1], sizes[1:], strict=True)
  )


def logits(params: nf.base.Params, x: jax.Array) -> jax.Array:
  """Returns the outputs [10] of a network for one image [64]."""
  return nf.mlp.apply(params, x, _LAYERS)


def _loss(params, x, y):
  return _cross_entropy(logits(params, x), y)


def _scores(digits):
  """Returns what is evaluated: (training loss, held-out loss, accuracy)."""
  num_train = len(digits.xs)
  xs = jnp.concatenate([digits.xs, digits.held_out_xs])
  ys = jnp.concatenate([digits.ys, digits.held_out_ys])

  def evaluate(params):
    outputs = jax.vmap(logits, (None, 0))(params, xs)
    losses = jax.vmap(_cross_entropy)(outputs, ys)
    right = jnp.argmax(outputs, axis=1) == ys
    held_out = slice(num_train, None)
    return (
      jnp.mean(losses[:num_train]),
      jnp.mean(losses[held_out]),
      jnp.mean(right[held_out]),
    )

  return evaluate


def noise(
  digits: Digits,
  params: nf.base.Params,
  batch_sizes: Sequence[int],
  num_batches: int,
  rng: np.random.Generator,
) -> dict[str, np.ndarray]:
  """Measures how far the gradient of a mini-batch is from that of all examples.

  Args:
    digits: examples.
    params: one network.
    batch_sizes: B, ascending; the last is the number of examples.
    num_batches: drawn without replacement for each B.
    rng: draws them.

  Returns:
    `noise_sizes` [B], `noise_squared` [B, batches] of norm(g_B - g)^2 and
    `noise_theory` [B], its expectation.
  """
  grads = exact.jit(jax.vmap(jax.grad(_loss), (None, 0, 0)))(
    params, digits.xs, digits.ys
  )
  leaves = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(grads)]
  num_examples = len(digits.xs)
  gradients = np.concatenate(
    [leaf.reshape(num_examples, -1) for leaf in leaves], axis=1
  )
  spread = gradients - np.mean(gradients, axis=0)
  gram = spread @ spread.T  # norm(g_B - g)^2 is a sum over its entries
  orders = np.tile(np.arange(num_examples), (num_batches, 1))
  squared = []
  for size in batch_sizes:
    chosen = np.zeros((num_batches, num_examples))
    drawn = rng.permuted(orders, axis=1)[:, :size]
    np.put_along_axis(chosen, drawn, 1 / size, axis=1)
    # A sum that cancels may round below 0 where nothing is left to chance.
    squared.append(np.maximum(np.sum((chosen @ gram) * chosen, axis=1), 0))
  return {
    "noise_sizes": np.array(batch_sizes),
    "noise_squared": np.array(squared),
    "noise_theory": np.array(
      [theory.batch_noise(gradients, size) for size in batch_sizes]
    ),
  }


def batch_sizes(
  digits: Digits,
  params: nf.base.Params,
  keys: jax.Array,
  sizes: Sequence[int],
  learning_rate: float,
  num_epochs: int,
) -> dict[str, np.ndarray]:
  """Trains with several batch sizes and nothing else changed.

  Args:
    digits: examples.
    params: starts, leaves [S, ...].
    keys: of the shuffles [S].
    sizes: B.
    learning_rate: of SGD.
    num_epochs: passes through the examples.

  Returns:
    `batch_sizes` [B], and `batch_curves` [B, 3, S, epochs + 1]: training loss,
    held-out loss, held-out accuracy.
  """

  def fit(size, params, key):
    return nf.minibatch.fit(
      _loss,
      optax.sgd(learning_rate),
      params,
      key,
      digits.xs,
      digits.ys,
      batch_size=size,
      num_epochs=num_epochs,
      evaluate_fn=_scores(digits),
    ).evaluations

  @exact.jit
  def train(params, keys):
    return [
      jnp.stack(jax.vmap(functools.partial(fit, size))(params, keys))
      for size in sizes
    ]

  return {
    "batch_sizes": np.array(sizes),
    "batch_curves": np.stack(train(params, keys)),
  }


def rate_sequences(
  ys: np.ndarray, floors: Sequence[float], keys: jax.Array
) -> dict[str, np.ndarray]:
  """Learns a mean by SGD in one epoch, with two sequences of learning rates.

  Args:
    ys: numbers [N].
    floors: c; the learning rate of step t is max(c, 1 / t).
    keys: of the shuffles [S].

  Returns:
    `rate_floors` [C], `rate_excess` [C, S], the mean of (w - y)^2 / 2 above its
    minimum after the epoch, `rate_theory` [C] and `rate_scale` [], var(y) / 2.
  """
  ys = np.asarray(ys, np.float64)
  ys = (ys - np.mean(ys)) / np.std(ys)
  steps = np.arange(1, len(ys) + 1)

  def fit(floor, key):
    return nf.minibatch.fit(
      lambda w, x, y: nf.losses.quadratic(w, y),
      optax.sgd(lambda t: jnp.maximum(floor, 1 / (t + 1))),
      jnp.zeros([]),
      key,
      jnp.asarray(ys, jnp.float32),
      jnp.asarray(ys, jnp.float32),
      batch_size=1,
      num_epochs=1,
    ).params

  train = exact.jit(jax.vmap(jax.vmap(fit, (None, 0)), (0, None)))
  w = np.asarray(train(jnp.array(floors), keys), np.float64)
  expected = [
    theory.excess_after_an_epoch(ys, np.maximum(floor, 1 / steps))
    for floor in floors
  ]
  return {
    "rate_floors": np.array(floors),
    "rate_excess": (w - np.mean(ys)) ** 2 / 2,
    "rate_theory": np.array(expected),
    "rate_scale": np.array(np.var(ys) / 2),
  }
