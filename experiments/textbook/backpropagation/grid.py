"""Every optimiser and every loss, trained side by side on real digits.

The slides name optimisers and print no formula and no setting. Settings are
those of the papers where these give any, and optax's otherwise.
"""

import functools
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import images, sweeps
from experiments.textbook.backpropagation import readings, training

OPTIMIZERS = {
  "SGD": optax.sgd,
  "momentum": functools.partial(optax.sgd, momentum=0.9),
  "Nesterov": functools.partial(optax.sgd, momentum=0.9, nesterov=True),
  "AdaGrad": optax.adagrad,
  "RMSprop": optax.rmsprop,
  "Adam": optax.adam,
  "AdamW": functools.partial(optax.adamw, weight_decay=1e-2),
}
# (outputs, one-hot code) -> scalar; the others as named in `readings`.
_LOSSES = (
  nf.losses.softmax_cross_entropy,
  nf.losses.quadratic,
  nf.losses.sigmoid_cross_entropy,
)


class Grid(NamedTuple):
  """O methods under R learning rates, which fall to 0 along a cosine."""

  # Optimisers with multi-class cross-entropy; Adam with other losses  [O]
  methods: np.ndarray
  learning_rates: np.ndarray  # At the start  [R]
  losses: np.ndarray  # Mean training loss of the last epoch  [O, R, S]
  validation: np.ndarray  # Accuracy at the end  [O, R, S]
  test: np.ndarray  # Accuracy at the end  [O, R, S]


def choose(
  every: list[optax.GradientTransformation], index: jax.Array
) -> optax.GradientTransformation:
  """Returns the optimiser of a traced index: all are run, one is followed."""

  def init(params):
    return tuple(optimizer.init(params) for optimizer in every)

  def update(grads, states, params):
    pairs = [
      optimizer.update(grads, state, params)
      for optimizer, state in zip(every, states, strict=True)
    ]
    updates, states = zip(*pairs, strict=True)
    followed = functools.partial(lax.select_n, index)
    return jax.tree.map(followed, *updates), states

  return optax.GradientTransformation(init, update)


def train(
  split: images.Split,
  params: nf.base.Params,
  keys: jax.Array,
  *,
  learning_rates: tuple[float, ...],
  batch_size: int,
  num_epochs: int,
) -> Grid:
  """Trains all of it from the same starts, leaves [S, ...], in one program."""
  names = list(OPTIMIZERS)
  methods = [(i, 0) for i in range(len(names))]
  methods += [(names.index("Adam"), i) for i in range(1, len(_LOSSES))]
  num_steps = len(split.train.labels) // batch_size * num_epochs

  def fit(params, key, method, rate):
    def loss_fn(params, x, label):
      outputs = training.logits(params, x)
      target = jax.nn.one_hot(label, training.NUM_CLASSES)
      values = [loss(outputs, target) for loss in _LOSSES]
      return lax.select_n(method[1], *values)

    schedule = optax.cosine_decay_schedule(rate, num_steps)
    every = [make(schedule) for make in OPTIMIZERS.values()]
    fitted = nf.minibatch.fit(
      loss_fn,
      optax.flatten(choose(every, method[0])),
      params,
      key,
      *split.train,
      batch_size=batch_size,
      num_epochs=num_epochs,
    )
    scores = jax.vmap(training.logits, (None, 0))
    accuracy = [
      images.accuracy(scores(fitted.params, part.pixels), part.labels)
      for part in (split.validation, split.test)
    ]
    return fitted.losses[-1], *accuracy

  over_seeds = jax.vmap(fit, (0, 0, None, None))
  over_rates = jax.vmap(over_seeds, (None, None, None, 0))
  rates = jnp.array(learning_rates)
  found = sweeps.sweep(
    lambda method: over_rates(params, keys, method, rates), jnp.array(methods)
  )
  names += readings.OTHER_LOSSES
  return Grid(np.array(names), np.array(learning_rates), *found)
