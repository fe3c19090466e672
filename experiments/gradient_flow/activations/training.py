"""Networks that learn the digits, and what their activations cost."""

import time
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import images, sweeps
from experiments.gradient_flow.activations import networks, starts

_NAMES = ("sigmoid", "tanh", "ReLU")
_STARTS = ("Glorot", "He")


class Curves(NamedTuple):
  """By epoch, in nats; before it seeds and, where there are some, rates."""

  train: np.ndarray  # Loss of images to train on  [S, (R,) E + 1]
  validation: np.ndarray  # Loss of others  [S, (R,) E + 1]
  zeros: np.ndarray  # Share of hidden units at exactly 0  [S, (R,) E + 1]


class Costs(NamedTuple):
  """What XLA counts for a unit of sigmoid, tanh, ReLU, forward and backward."""

  transcendentals: np.ndarray  # [3]
  others: np.ndarray  # Its "flops"  [3]


class Looped(NamedTuple):
  """A forward pass by loops over layers and neurons, and in vector notation."""

  difference: np.ndarray  # Of the outputs, the largest  []
  seconds: np.ndarray  # Of one pass, looped and in vectors  [2]


def by_start(
  rng: np.random.Generator,
  data: images.Split,
  rate: float,
  *,
  num_seeds: int,
  width: int,
  num_epochs: int,
) -> dict[str, Curves]:
  """Trains ReLU networks of 30 layers from two starts  [S, E + 1]."""

  def one(params, key):
    relu = nf.activations.relu
    return _fit(params, rate, key, relu, data, 40, num_epochs, momentum=0.9)

  shapes = _shapes(data, num_layers=30, width=width)
  drawn = [starts.network(name, rng, num_seeds, shapes) for name in _STARTS]
  both = jax.tree.map(lambda *leaves: np.stack(leaves, axis=1), *drawn)
  keys = _keys(rng, num_seeds)
  found = sweeps.sweep(jax.vmap(one, (0, None)), both, keys)
  return {n: Curves(*(x[:, i] for x in found)) for i, n in enumerate(_STARTS)}


def by_activation(
  rng: np.random.Generator,
  data: images.Split,
  rates: tuple[float, ...],
  *,
  num_seeds: int,
  num_epochs: int,
) -> dict[str, Curves]:
  """Trains networks with each activation and rate  [S, R, E + 1].

  Each has the start made for it: ReLU that of He, the others Glorot's.
  """
  kinds = [networks.KINDS[name] for name in _NAMES]

  def one(index, both, key):
    is_relu = jnp.where(index == _NAMES.index("ReLU"), 1, 0)
    params = jax.tree.map(lambda leaf: leaf[is_relu], both)
    activation = networks.switched(index, kinds, "fn")
    return jax.vmap(
      lambda rate: _fit(params, rate, key, activation, data, 20, num_epochs)
    )(jnp.array(rates))

  shapes = _shapes(data, num_layers=4, width=32)
  drawn = [starts.network(name, rng, num_seeds, shapes) for name in _STARTS]
  both = jax.tree.map(lambda *leaves: np.stack(leaves, axis=1), *drawn)
  over_seeds = jax.vmap(one, (None, 0, 0))
  found = networks.over(len(kinds), over_seeds, both, _keys(rng, num_seeds))
  return {n: Curves(*(x[i] for x in found)) for i, n in enumerate(_NAMES)}


def _keys(rng, num_seeds):
  return jax.random.split(jax.random.key(rng.integers(2**31)), num_seeds)


def _shapes(data, *, num_layers, width):
  """First layer, equal hidden layers in one stack, and output."""
  num_inputs = data.train.pixels.shape[1]
  return (width, num_inputs), (num_layers - 2, width, width), (10, width)


def _fit(
  params, rate, key, activation, data, batch_size, num_epochs, momentum=None
):
  """Trains one network by SGD and returns its curves."""
  train, others, _ = data
  seen = images.take(train, slice(300))  # More would tell no more.

  def forward(params, x):
    def layer(a, p):
      a = activation(p["w"] @ a + p["b"])
      return a, a

    first, hidden, last = params
    a, _ = layer(x, first)
    end, outputs = lax.scan(layer, a, hidden)
    return last["w"] @ end + last["b"], jnp.vstack([a, outputs])

  def loss_fn(params, x, y):
    scores, _ = forward(params, x)
    return nf.losses.softmax_cross_entropy_with_integer_labels(scores, y)

  def evaluate(params):
    over_images = jax.vmap(loss_fn, (None, 0, 0))
    losses = [jnp.mean(over_images(params, *part)) for part in (seen, others)]
    _, hidden = jax.vmap(forward, (None, 0))(params, others.pixels)
    return Curves(*losses, jnp.mean(hidden == 0))

  return nf.minibatch.fit(
    loss_fn,
    optax.sgd(rate, momentum),
    params,
    key,
    *train,
    batch_size=batch_size,
    num_epochs=num_epochs,
    evaluate_fn=evaluate,
  ).evaluations


def costs() -> Costs:
  """Counts what an activation and its derivative need for one unit."""
  units, found = jax.ShapeDtypeStruct((1000,), jnp.float32), []
  for name in _NAMES:
    # As compiled: before, what is computed twice counts twice.
    both = jax.jit(jax.value_and_grad(networks.KINDS[name].activation.fn))
    cost = jax.jit(jax.vmap(both)).lower(units).compile().cost_analysis()
    kinds = "transcendentals", "flops"
    found.append([cost.get(kind, 0.0) / 1000 for kind in kinds])
  return Costs(*np.transpose(found))


def looped(rng: np.random.Generator) -> Looped:
  """Runs a network of three layers of 100 tanh units both ways, in NumPy."""
  weights = rng.standard_normal((3, 100, 100)) / 10

  def by_loops(a):
    for w in weights:
      a = np.array([np.tanh(sum(row * a)) for row in w])
    return a

  def in_vectors(a):
    for w in weights:
      a = np.tanh(w @ a)
    return a

  x = rng.standard_normal(100)
  outputs, seconds = [], []
  for fn in (by_loops, in_vectors):
    start = time.perf_counter()
    outputs.append(fn(x))
    seconds.append(time.perf_counter() - start)
  with jax.enable_x64(True):
    params = [{"w": w, "b": np.zeros(100)} for w in weights]
    outputs.append(nf.mlp.apply(params, x, [nf.activations.tanh] * 3))
  return Looped(np.ptp(np.stack(outputs), axis=0).max(), np.array(seconds))
