"""ReLU networks that are dead from the start, and one that learns or stalls."""

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments.gradient_flow import activations_networks as networks

STARTS = ("standard", "Glorot", "He")


def rays_alive(
  rng: np.random.Generator,
  *,
  num_nets: int,
  width: int,
  num_layers: int,
  kind: str,
) -> np.ndarray:
  """Follows the inputs +1 and -1 through random networks without biases.

  Such a network of one input is linear along both rays, and is the constant 0
  if both have died out.

  Args:
    rng: randomness.
    num_nets: how many.
    width: units of every hidden layer.
    num_layers: hidden layers.
    kind: of `activations_networks.KINDS`.

  Returns:
    Whether anything is left of the two rays, [num_layers, nets, 2].
  """
  activation = networks.KINDS[kind].activation
  # The first column of a matrix is a layer's weights for one input.
  rays = jnp.eye(width)[:, :1] * jnp.array([[1.0, -1.0]])
  first = jnp.broadcast_to(rays, (num_nets, width, 2))

  def layer(rays, matrices):
    rays = activation(matrices @ rays)
    # Only signs matter, and a product of many layers may leave the format.
    size = jnp.max(jnp.abs(rays), axis=(1, 2), keepdims=True)
    rays = rays / jnp.where(size > 0, size, 1)
    return rays, jnp.any(rays != 0, axis=1)

  matrices = networks.start("He", rng, (num_layers, num_nets, width, width))
  follow = jax.jit(lambda matrices: lax.scan(layer, first, matrices)[1])
  return np.asarray(follow(matrices))


def dead_gradients(
  rng: np.random.Generator, *, num_nets: int, width: int, num_layers: int
) -> tuple[np.ndarray, np.ndarray]:
  """Compares dead networks with networks whose gradient is 0.

  Args:
    rng: randomness.
    num_nets: how many ReLU networks of one input and one output.
    width: units of every hidden layer.
    num_layers: hidden layers.

  Returns:
    Whether f(1) = f(-1) = 0, and whether dC / dw is 0 for all weights, for
    the cost of fitting f(x) = |x| + 1 at both inputs; [num_nets] each.
  """
  sizes = [1, *[width] * num_layers, 1]
  weights = [
    networks.start("He", rng, (num_nets, *shape))
    for shape in zip(sizes[1:], sizes[:-1], strict=True)
  ]
  activations = [nf.activations.relu] * num_layers + [nf.activations.identity]
  xs = jnp.array([[1.0], [-1.0]])

  def outputs(weights):
    params = [{"w": w, "b": jnp.zeros(len(w))} for w in weights]
    return jax.vmap(lambda x: nf.mlp.apply(params, x, activations))(xs)

  def measure(weights):
    def cost(weights):
      return nf.losses.quadratic(outputs(weights), jnp.full((2, 1), 2.0))

    grads = jax.tree.leaves(jax.grad(cost)(weights))
    silent = jnp.all(outputs(weights) == 0)
    return silent, jnp.all(jnp.stack([jnp.all(g == 0) for g in grads]))

  return tuple(map(np.asarray, jax.jit(jax.vmap(measure))(weights)))


def train(
  rng: np.random.Generator,
  xs: jax.Array,
  labels: jax.Array,
  *,
  num_train: int,
  num_layers: int,
  width: int,
  num_seeds: int,
  num_epochs: int,
  batch_size: int,
  learning_rate: float,
) -> dict[str, np.ndarray]:
  """Trains a deep ReLU network on labelled images, from three starts.

  Args:
    rng: randomness of the starts and, through a key, of the mini-batches.
    xs: inputs [M, I].
    labels: classes [M], 0 ... 9.
    num_train: examples to train on; the others test.
    num_layers: layers, of which all but the last have ReLU.
    width: units of the hidden layers.
    num_seeds: networks for each start.
    num_epochs: passes through the examples.
    batch_size: examples in a mini-batch.
    learning_rate: of SGD with momentum 0.9.

  Returns:
    By epoch, the start first: `accuracy` on the test examples and `loss`, the
    cross-entropy of the training examples in nats; [starts, seeds, epochs + 1].
  """
  shapes = (width, xs.shape[1]), (num_layers - 2, width, width), (10, width)

  def starts(name):
    return [
      {
        "w": networks.start(name, rng, (num_seeds, *shape)),
        "b": np.zeros((num_seeds, *shape[:-1]), np.float32),
      }
      for shape in shapes
    ]

  params = jax.tree.map(
    lambda *leaves: np.concatenate(leaves), *map(starts, STARTS)
  )

  def logits(params, x):
    first, hidden, last = params
    relu = nf.activations.relu
    a = relu(first["w"] @ x + first["b"])
    a, _ = lax.scan(lambda a, p: (relu(p["w"] @ a + p["b"]), None), a, hidden)
    return last["w"] @ a + last["b"]

  def loss_fn(params, x, y):
    return nf.losses.softmax_cross_entropy_with_integer_labels(
      logits(params, x), y
    )

  def evaluate(params):
    scores = jax.vmap(logits, (None, 0))(params, xs)
    losses = jax.vmap(nf.losses.softmax_cross_entropy_with_integer_labels)(
      scores, labels
    )
    is_right = jnp.argmax(scores, axis=1) == labels
    return {
      "accuracy": jnp.mean(is_right[num_train:]),
      "loss": jnp.mean(losses[:num_train]),
    }

  def fit(params, key):
    return nf.minibatch.fit(
      loss_fn,
      optax.sgd(learning_rate, momentum=0.9),
      params,
      key,
      xs[:num_train],
      labels[:num_train],
      batch_size=batch_size,
      num_epochs=num_epochs,
      evaluate_fn=evaluate,
    ).evaluations

  key = jax.random.key(rng.integers(2**31))
  keys = jax.random.split(key, len(STARTS) * num_seeds)
  found = jax.jit(jax.vmap(fit))(params, keys)
  return {
    name: np.asarray(value).reshape(len(STARTS), num_seeds, -1)
    for name, value in found.items()
  }
