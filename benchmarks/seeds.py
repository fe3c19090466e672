"""Times the training of many small networks at once; see `benchmarks.run`.

Setting: Nielsen's first network, [784, 30, 10] sigmoid units, quadratic cost,
mini-batches of 10 out of 50,000 images, eta = 3, float32; no evaluation.

Where the time of ten seeds goes, on one core with AVX-512 (XLA of jaxlib 0.10;
each piece timed alone): 45 % into the gradient and the update of the input
weights, which read and write 1 MB for each mini-batch, 30 % into the product
with them, 20 % into gathering images, 5 to 10 % into shuffling. Images of
uint8, gathering for many steps ahead, and seeds in blocks that fit the cache
change it by less than the noise.
"""

import functools
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import numpy as np
import optax
from rich import table as rich_table

import nnfun as nf

SIZES, BATCH_SIZE, RATE = (784, 30, 10), 10, 3.0
TARGET = 10.0  # Nielsen's loop in NumPy over ours, at least.
_NUM_IMAGES, _NUM_SEEDS = 50_000, 10
_NUM_ROUNDS = 2  # Of half a minute each, for 30 epochs.
# Mini-batches after which a loop in NumPy is stopped; every one is alike.
_NUM_BATCHES = {"float64": 300, "textbook": 300, "matrix": 2000}


class Job(NamedTuple):
  """Something to be timed."""

  run: Callable[[], object]  # Returns when all is computed.
  amount: float  # Epochs times seeds that it does.


class Seconds(NamedTuple):
  """The shortest times for an epoch of one seed."""

  wall: float
  cpu: float  # Of all threads; what others do on the machine counts less.


def images(data_dir: str) -> nf.data.Images:
  """Returns 50,000 images to train on.

  Args:
    data_dir: the folder with MNIST, or "" for random images: of 28 x 28 pixels,
      a fifth of them not black, as in MNIST.

  Returns:
    Pixels [50000, 784], labels [50000].
  """
  if data_dir:
    pixels, labels = nf.data.mnist(data_dir, "train")
    return nf.data.Images(pixels[:_NUM_IMAGES], labels[:_NUM_IMAGES])
  rng = np.random.default_rng(0)
  pixels = rng.random((_NUM_IMAGES, SIZES[0]), np.float32)
  labels = rng.integers(0, SIZES[-1], _NUM_IMAGES, np.int32)
  return nf.data.Images(np.where(pixels < 0.8, np.float32(0), pixels), labels)


def init(key: nf.base.Array) -> nf.base.Params:
  """Draws weights and biases ~ N(0, 1).

  Args:
    key: of the draw.

  Returns:
    Two layers, with weights [30, 784] and [10, 30].
  """
  normal = jax.nn.initializers.normal(1.0)
  return nf.mlp.init(key, SIZES, weight_init=normal, bias_init=normal)


def train(
  key: nf.base.Array,
  params: nf.base.Params,
  xs: nf.base.Array,
  ys: nf.base.Array,
  *,
  num_epochs: int,
) -> nf.base.Params:
  """Trains one network with `nf.minibatch.fit`.

  Args:
    key: order of the examples.
    params: where to start.
    xs: inputs [N, 784].
    ys: targets [N, 10].
    num_epochs: how often all are passed through.

  Returns:
    The parameters.
  """
  layers = [jax.nn.sigmoid] * (len(SIZES) - 1)

  def loss_fn(params, x, y):
    return nf.losses.quadratic(nf.mlp.apply(params, x, layers), y)

  return nf.minibatch.fit(
    loss_fn,
    optax.sgd(RATE),
    params,
    key,
    xs,
    ys,
    batch_size=BATCH_SIZE,
    num_epochs=num_epochs,
  ).params


def textbook(
  params: nf.base.Params, xs: np.ndarray, ys: np.ndarray, order: np.ndarray
) -> nf.base.Params:
  """Trains with NumPy, backpropagation for one example after the other.

  This is update_mini_batch of Nielsen's network.py: what a loop costs in which
  every product is one of a matrix and a vector.

  Args:
    params: two layers, where to start.
    xs: inputs [N, I].
    ys: targets [N, O].
    order: indices, cut into mini-batches.

  Returns:
    The parameters.
  """
  (w1, b1), (w2, b2) = ((layer["w"], layer["b"]) for layer in params)
  for batch in order.reshape(-1, BATCH_SIZE):
    total = [np.zeros_like(p) for p in (w1, b1, w2, b2)]
    for x, y in zip(xs[batch], ys[batch], strict=True):
      hidden = _sigmoid(w1 @ x + b1)
      output = _sigmoid(w2 @ hidden + b2)
      delta2 = (output - y) * output * (1 - output)
      delta1 = (w2.T @ delta2) * hidden * (1 - hidden)
      grads = np.outer(delta1, x), delta1, np.outer(delta2, hidden), delta2
      total = [t + g for t, g in zip(total, grads, strict=True)]
    w1, b1, w2, b2 = (
      p - np.float32(RATE / BATCH_SIZE) * g
      for p, g in zip((w1, b1, w2, b2), total, strict=True)
    )
  return {"w": w1, "b": b1}, {"w": w2, "b": b2}


def matrix(
  params: nf.base.Params, xs: np.ndarray, ys: np.ndarray, order: np.ndarray
) -> nf.base.Params:
  """Trains with NumPy, a mini-batch as a matrix, parameters changed in place.

  Args:
    params: as of `textbook`, likewise the others.
    xs: inputs.
    ys: targets.
    order: indices.

  Returns:
    The parameters.
  """
  w1, b1, w2, b2 = (layer[name].copy() for layer in params for name in "wb")
  rate = np.float32(RATE / BATCH_SIZE)
  for batch in order.reshape(-1, BATCH_SIZE):
    x, y = xs[batch], ys[batch]
    hidden = _sigmoid(x @ w1.T + b1)
    output = _sigmoid(hidden @ w2.T + b2)
    delta2 = rate * (output - y) * output * (1 - output)
    delta1 = (delta2 @ w2) * hidden * (1 - hidden)
    w1 -= delta1.T @ x
    b1 -= delta1.sum(axis=0)
    w2 -= delta2.T @ hidden
    b2 -= delta2.sum(axis=0)
  return {"w": w1, "b": b1}, {"w": w2, "b": b2}


def jobs(
  data: nf.data.Images, *, num_seeds: int, num_epochs: int
) -> dict[str, Job]:
  """Returns what is compared, compiled where it can be.

  Args:
    data: what `images` returns.
    num_seeds: networks trained together.
    num_epochs: how many they are trained for.

  Returns:
    "float64", "textbook" and "matrix", one network in NumPy for a part of an
    epoch, the first with weights of float64 as NumPy draws them for Nielsen;
    "alone", one network by `train`; "together", all of them; and "one order",
    all with the same mini-batches, so that only initial weights differ.
  """
  xs, ys = data.pixels, np.eye(SIZES[-1], dtype=np.float32)[data.labels]
  keys = jax.random.split(jax.random.key(0), num_seeds)
  many = jax.jit(jax.vmap(init))(keys)
  one = jax.tree.map(lambda leaf: leaf[0], many)
  inputs = jax.device_put((xs, ys))

  train_one = functools.partial(train, num_epochs=num_epochs)
  train_many = jax.vmap(train_one, (0, 0, None, None))
  train_in_one_order = jax.vmap(train_one, (None, 0, None, None))

  def fit(train_fn, key, params):
    compiled = jax.jit(train_fn).lower(key, params, *inputs).compile()
    return lambda: jax.block_until_ready(compiled(key, params, *inputs))

  def loop(function, name, dtype=np.float32):
    order = np.random.default_rng(0).permutation(len(xs))
    order = order[: _NUM_BATCHES[name] * BATCH_SIZE]
    start = jax.tree.map(lambda leaf: np.asarray(leaf, dtype), one)
    return Job(lambda: function(start, xs, ys, order), len(order) / len(xs))

  return {
    "float64": loop(textbook, "float64", np.float64),
    "textbook": loop(textbook, "textbook"),
    "matrix": loop(matrix, "matrix"),
    "alone": Job(fit(train_one, keys[0], one), num_epochs),
    "together": Job(fit(train_many, keys, many), num_epochs * num_seeds),
    "one order": Job(
      fit(train_in_one_order, keys[0], many), num_epochs * num_seeds
    ),
  }


def best_seconds(
  jobs: Mapping[str, Job], num_rounds: int
) -> dict[str, Seconds]:
  """Times jobs in turn.

  Args:
    jobs: by name.
    num_rounds: how often each is run.

  Returns:
    By name, the shortest times per epoch and seed.
  """
  times = {name: [] for name in jobs}
  for _ in range(num_rounds):
    for name, job in jobs.items():
      wall, cpu = time.perf_counter(), time.process_time()
      job.run()
      wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
      times[name].append((wall / job.amount, cpu / job.amount))
  return {
    name: Seconds(*map(min, zip(*pairs, strict=True)))
    for name, pairs in times.items()
  }


def compare(data_dir: str, num_epochs: int) -> dict[str, Seconds]:
  """Times every way to train.

  Args:
    data_dir: as of `images`.
    num_epochs: how many epochs ours are trained for.

  Returns:
    What `best_seconds` does.
  """
  ways = jobs(images(data_dir), num_seeds=_NUM_SEEDS, num_epochs=num_epochs)
  return best_seconds(ways, _NUM_ROUNDS)


def table(best: Mapping[str, Seconds]) -> rich_table.Table:
  """Words the times and their ratios to ours, by the clock and in CPU time.

  Args:
    best: what `compare` returns.

  Returns:
    The table.
  """
  found = rich_table.Table(
    "per epoch and seed",
    "ms",
    "CPU ms",
    "per second",
    "over ours",
    "CPU over ours",
    title="[784, 30, 10], mini-batches of 10 of 50,000 images",
  )
  for name, label in {
    "float64": "NumPy, one by one (Nielsen)",
    "textbook": "NumPy, one by one, float32",
    "matrix": "NumPy, matrices, float32",
    "alone": "ours, one seed",
    "together": f"ours, {_NUM_SEEDS} seeds together",
    "one order": f"ours, {_NUM_SEEDS} seeds, one order",
  }.items():
    wall, cpu = best[name]
    ours = best["together"]
    times = f"{1e3 * wall:.0f}", f"{1e3 * cpu:.0f}", f"{1 / wall:.2f}"
    ratios = f"{wall / ours.wall:.1f}", f"{cpu / ours.cpu:.1f}"
    found.add_row(label, *times, *ratios)
  return found


def _sigmoid(z):
  return 1 / (1 + np.exp(-z))
