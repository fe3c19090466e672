"""Every optimiser and every loss, trained side by side on real digits.

One program trains all lanes from all starts; see `backpropagation_training`.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments.textbook import backpropagation_optimizers as optimizers
from experiments.textbook import backpropagation_training as training


class Lanes(NamedTuple):
  """What one program trains side by side from every start, leaves [L]."""

  optimizer: np.ndarray  # index into `optimizers.OPTIMIZERS`
  loss: np.ndarray  # index into `OUTPUT_LOSSES`
  sees: np.ndarray  # 1.0, or 0.0 for a network that is shown black images
  rate: np.ndarray  # learning rate at the start; it falls to 0


OUTPUT_LOSSES = {  # (outputs, one-hot code) -> scalar
  "squared error": nf.losses.quadratic,
  "binary cross-entropy": nf.losses.sigmoid_cross_entropy,
  "multi-class cross-entropy": nf.losses.softmax_cross_entropy,
}


def cross(learning_rates: Sequence[float], loss_rate: float) -> Lanes:
  """Crosses optimisers with learning rates, and losses with seeing or not.

  Args:
    learning_rates: [R], of every optimiser, under the multi-class loss.
    loss_rate: of Adam, under every loss.

  Returns:
    O R lanes and then 3 x 2.
  """
  names = list(optimizers.OPTIMIZERS)
  multi_class = len(OUTPUT_LOSSES) - 1
  rows = [
    (o, multi_class, 1.0, rate)
    for o in range(len(names))
    for rate in learning_rates
  ]
  rows += [
    (names.index("Adam"), loss, sees, loss_rate)
    for loss in range(len(OUTPUT_LOSSES))
    for sees in (0.0, 1.0)
  ]
  return Lanes(*map(np.array, zip(*rows, strict=True)))


def _choose(optimizer_list, index):
  """Returns the optimiser of a traced index: all are run, one is followed."""

  def init(params):
    return tuple(optimizer.init(params) for optimizer in optimizer_list)

  def update(grads, states, params):
    pairs = [
      optimizer.update(grads, state, params)
      for optimizer, state in zip(optimizer_list, states, strict=True)
    ]
    updates, states = zip(*pairs, strict=True)
    return jax.tree.map(
      functools.partial(lax.select_n, index), *updates
    ), states

  return optax.GradientTransformation(init, update)


def train(
  digits: training.Digits,
  params: nf.base.Params,
  keys: jax.Array,
  lanes: Lanes,
  batch_size: int,
  num_epochs: int,
) -> tuple[np.ndarray, np.ndarray]:
  """Trains with every optimiser, loss, learning rate and seed in one program.

  The learning rate falls to 0 along half a cosine.

  Args:
    digits: examples.
    params: starts, leaves [S, ...].
    keys: of the shuffles [S].
    lanes: optimisers, losses and learning rates.
    batch_size: B.
    num_epochs: E.

  Returns:
    The mean training loss of each epoch [S, L, E], and the held-out accuracy at
    the start and after each epoch [S, L, E + 1].
  """
  num_steps = len(digits.xs) // batch_size * num_epochs

  def fit(params, key, lane):
    def loss_fn(params, x, label):
      outputs = training.logits(params, lane.sees * x)
      target = jax.nn.one_hot(label, training.NUM_CLASSES)
      values = [loss(outputs, target) for loss in OUTPUT_LOSSES.values()]
      return lax.select_n(lane.loss, *values)

    def accuracy(params):
      xs, labels = lane.sees * digits.held_out_xs, digits.held_out_ys
      outputs = jax.vmap(training.logits, (None, 0))(params, xs)
      return jnp.mean(jnp.argmax(outputs, axis=1) == labels)

    rate = optax.cosine_decay_schedule(lane.rate, num_steps)
    every = [o.make(rate) for o in optimizers.OPTIMIZERS.values()]
    fitted = nf.minibatch.fit(
      loss_fn,
      optax.flatten(_choose(every, lane.optimizer)),
      params,
      key,
      digits.xs,
      digits.ys,
      batch_size=batch_size,
      num_epochs=num_epochs,
      evaluate_fn=accuracy,
    )
    return fitted.losses, fitted.evaluations

  by_lane = jax.vmap(fit, (None, None, 0))
  # It runs longer than it compiles, unlike the others.
  train = jax.jit(
    jax.vmap(by_lane, (0, 0, None)),
    compiler_options={"xla_backend_optimization_level": 1},
  )
  lanes = jax.tree.map(lambda leaf: jnp.asarray(leaf, _lane_dtype(leaf)), lanes)
  return jax.tree.map(np.asarray, train(params, keys, lanes))


def _lane_dtype(leaf):
  return jnp.int32 if np.issubdtype(leaf.dtype, np.integer) else jnp.float32


def class_frequencies(digits: training.Digits) -> np.ndarray:
  """Returns which share of the training examples each class has [10]."""
  counts = np.bincount(digits.ys, minlength=training.NUM_CLASSES)
  return counts / len(digits.ys)
