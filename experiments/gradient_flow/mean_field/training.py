"""Deep tanh networks trained on digits."""

import jax
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import images, progress

_NUM_CLASSES = 10
Array = jax.Array


def standardized_digits(num_examples: int) -> tuple[Array, Array]:
  """Returns pixels of mean 0, together of mean square 1 [N, 64], and labels."""
  pixels, labels = images.take(images.load().train, slice(num_examples))
  pixels = pixels - pixels.mean(0, keepdims=True)
  return jnp.asarray(pixels / pixels.std()), jnp.asarray(labels)


def accuracies(
  key: Array,
  xs: Array,
  ys: Array,
  sigma_w: Array,
  sigma_b: float,
  depths: Array,
  *,
  width: int,
  max_depth: int,
  learning_rate: float,
  batch_size: int,
  num_epochs: int,
) -> Array:
  """Trains networks of every depth at every sigma_w for one seed.

  Returns the accuracy on the training examples [D, W]. Depths are taken one
  after the other; a layer that is beyond the depth costs nothing. All sigma_w
  share one draw of the weights.
  """
  key_init, key_fit = jax.random.split(key)

  def train(depth, sigma_w):
    def loss_fn(params, x, y):
      scores = logits(params, x, depth)
      return optax.softmax_cross_entropy_with_integer_labels(scores, y)

    fitted = nf.minibatch.fit(
      loss_fn,
      optax.sgd(learning_rate, momentum=0.9),
      init(key_init, sigma_w, sigma_b, xs.shape[1], width, max_depth),
      key_fit,
      xs,
      ys,
      batch_size=batch_size,
      num_epochs=num_epochs,
    )
    scores = jax.vmap(logits, (None, 0, None))(fitted.params, xs, depth)
    return images.accuracy(scores, ys)

  def of_depth(step):
    i, depth = step
    progress.tick(i, len(depths), "depths")
    return jax.vmap(train, (None, 0))(depth, sigma_w)

  return lax.map(of_depth, (jnp.arange(len(depths)), depths))


def init(
  key: Array,
  sigma_w: Array,
  sigma_b: float,
  fan_in: int,
  width: int,
  depth: int,
) -> nf.base.Params:
  """Returns mean-field parameters; those of hidden layers are stacked."""

  def layer(key, *shape, sigma_w=sigma_w):
    draws = jax.random.normal(key, (*shape[:-1], shape[-1] + 1))
    weights = sigma_w * draws[..., :-1] / shape[-1] ** 0.5
    return {"w": weights, "b": sigma_b * draws[..., -1]}

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
  h = apply(params["first"], x)
  h, _ = lax.scan(step, h, (numbers, hidden))
  return params["last"]["w"] @ h + params["last"]["b"]
