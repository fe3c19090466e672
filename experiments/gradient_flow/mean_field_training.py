"""Deep tanh networks trained on digits, for `mean_field`."""

import jax
import optax
from jax import flatten_util, lax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress

_NUM_CLASSES = 10
Array = jax.Array


def standardized_digits(num_examples: int) -> tuple[Array, Array]:
  """Returns digits whose pixels have mean 0, and mean square 1 all together.

  Args:
    num_examples: how many, from the first.

  Returns:
    Pixels [N, 64] and labels [N].
  """
  pixels, labels = nf.data.digits()
  pixels = pixels - pixels.mean(0, keepdims=True)
  pixels = pixels / pixels.std()
  return jnp.asarray(pixels[:num_examples]), jnp.asarray(labels[:num_examples])


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
  """Trains a network of every depth at every sigma_w, for one seed.

  Biases and weights start from the Gaussians of mean-field theory. Depths are
  taken one after the other; a layer that is beyond the depth costs nothing.
  All sigma_w share one draw of the weights.

  Args:
    key: randomness.
    xs: inputs [N, I].
    ys: labels [N].
    sigma_w: [W].
    sigma_b: of all biases.
    depths: hidden layers [D].
    width: of every hidden layer.
    max_depth: the largest of the depths.
    learning_rate: of SGD with momentum 0.9.
    batch_size: examples in a mini-batch.
    num_epochs: passes through the examples.

  Returns:
    Accuracy on the training examples [D, W].
  """
  key_init, key_fit = jax.random.split(key)

  def train(depth, sigma_w):
    def loss_fn(params, x, y):
      logits = _logits(params, x, depth)
      return optax.softmax_cross_entropy_with_integer_labels(logits, y)

    fitted = nf.minibatch.fit(
      loss_fn,
      optax.sgd(learning_rate, momentum=0.9),
      _init(key_init, sigma_w, sigma_b, xs.shape[1], width, max_depth),
      key_fit,
      xs,
      ys,
      batch_size=batch_size,
      num_epochs=num_epochs,
    )
    logits = jax.vmap(lambda x: _logits(fitted.params, x, depth))(xs)
    return jnp.mean(jnp.argmax(logits, -1) == ys)

  def of_depth(step):
    i, depth = step
    progress.tick(i, len(depths), "depths")
    return jax.vmap(train, (None, 0))(depth, sigma_w)

  return lax.map(of_depth, (jnp.arange(len(depths)), depths))


def _init(key, sigma_w, sigma_b, num_inputs, width, depth):
  """Returns mean-field parameters; those of hidden layers are stacked."""

  def shapes(*lead, num_units=width, num_inputs=width):
    w, b = (*lead, num_units, num_inputs), (*lead, num_units)
    return {"w": jnp.zeros(w), "b": jnp.zeros(b)}

  def scaled(layer, sigma_w):
    fan_in = layer["w"].shape[-1]
    return {"w": sigma_w * layer["w"] / fan_in**0.5, "b": sigma_b * layer["b"]}

  # One call draws them all: every call is compiled anew.
  flat, unravel = flatten_util.ravel_pytree(
    {
      "first": shapes(num_inputs=num_inputs),
      "hidden": shapes(depth - 1),
      "last": shapes(num_units=_NUM_CLASSES),
    }
  )
  params = unravel(jax.random.normal(key, flat.shape))
  return {
    "first": scaled(params["first"], sigma_w),
    "hidden": scaled(params["hidden"], sigma_w),
    "last": scaled(params["last"], 1),
  }


def _logits(params, x, depth):
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
