"""Deep tanh networks trained on digits."""

from typing import Any

import jax
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import images
from experiments.gradient_flow.mean_field import readings

_NUM_CLASSES = 10
_BATCH_SIZE = 32
Array = jax.Array


def accuracies(config: Any, key: Array) -> Array:
  """Trains networks of every depth and sigma_w; returns accuracies [D, W].

  All sigma_w share one draw of the weights. Depths are taken one after the
  other; a layer that is beyond the depth costs nothing.
  """
  key_init, key_fit = jax.random.split(key)
  pixels, labels = images.take(
    images.load().train, slice(config.train_examples)
  )
  # Inputs as the theory has them, of mean 0 and together of mean square 1.
  xs = pixels - pixels.mean(0, keepdims=True)
  xs, ys = jnp.asarray(xs / xs.std()), jnp.asarray(labels)
  sizes = xs.shape[1], config.train_width, config.train_depths[-1]

  def train(depth, sigma_w):
    def loss_fn(params, x, y):
      scores = logits(params, x, depth)
      return optax.softmax_cross_entropy_with_integer_labels(scores, y)

    fitted = nf.minibatch.fit(
      loss_fn,
      optax.sgd(config.learning_rate, momentum=0.9),
      init(key_init, sigma_w, readings.VARIANCE_B**0.5, sizes),
      key_fit,
      xs,
      ys,
      batch_size=_BATCH_SIZE,
      num_epochs=config.num_epochs,
    )
    scores = jax.vmap(logits, (None, 0, None))(fitted.params, xs, depth)
    return images.accuracy(scores, ys)

  sigma_w = jnp.sqrt(jnp.array(config.train_variances))
  return lax.map(
    lambda depth: jax.vmap(train, (None, 0))(depth, sigma_w),
    jnp.array(config.train_depths),
  )


def init(
  key: Array, sigma_w: Array, sigma_b: float, sizes: tuple[int, int, int]
) -> nf.base.Params:
  """Draws a network of sizes (inputs, width, depth), hidden layers stacked."""

  def layer(key, *shape, sigma_w=sigma_w):
    draws = jax.random.normal(key, (*shape[:-1], shape[-1] + 1))
    weights = sigma_w * draws[..., :-1] / shape[-1] ** 0.5
    return {"w": weights, "b": sigma_b * draws[..., -1]}

  fan_in, width, depth = sizes
  key_first, key_hidden, key_last = jax.random.split(key, 3)
  return {
    "first": layer(key_first, width, fan_in),
    "hidden": layer(key_hidden, depth - 1, width, width),
    "last": layer(key_last, _NUM_CLASSES, width, sigma_w=1.0),
  }


def logits(params: nf.base.Params, x: Array, depth: Array) -> Array:
  """Returns the scores [10] of one input behind `depth` hidden layers."""

  def apply(layer, h):
    return jnp.tanh(layer["w"] @ h + layer["b"])

  def step(h, numbered):
    i, layer = numbered
    # The depth is not mapped over, so that the branch is a real one.
    return lax.cond(i < depth, apply, lambda _, h: h, layer, h), None

  hidden = params["hidden"]
  numbers = jnp.arange(1, 1 + len(hidden["b"]))
  h, _ = lax.scan(step, apply(params["first"], x), (numbers, hidden))
  return params["last"]["w"] @ h + params["last"]["b"]
