"""Measures how fast the layers of digit networks learn, and trains them."""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import flatten_util, lax
from jax import numpy as jnp

import nnfun as nf
from experiments import images, progress, settings, sweeps
from nnfun import depth

_MAX_HIDDEN, _WIDTH, _NUM_CLASSES = 4, 30, 10


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """Data, and how many networks are drawn and trained."""

  data_dir: str = ""  # Folder of MNIST's four files; empty for 8 x 8 digits.
  num_seeds: settings.Count = 1000  # Networks at the start.
  # The first ones, over which gradients are averaged.
  num_images: settings.Count = 200
  num_training_seeds: settings.Count = 4  # Networks of each depth, trained.
  num_epochs: settings.Count = 80  # Of mini-batches over all training images.
  batch_size: settings.Count = 10  # Images in a mini-batch.
  learning_rate: settings.Positive = 1.0  # eta; 0.1 in the book.
  decay: settings.NonNegative = 1e-4  # lambda / n = 5 / 50,000 in the book.
  seed: settings.Seed = 0  # Of starts and mini-batches.

  def __post_init__(self) -> None:
    """Refuses what has no spread."""
    super().__post_init__()
    settings.require(
      min(self.num_seeds, self.num_training_seeds) >= 2,
      "num_seeds >= 2 and num_training_seeds >= 2",
      num_seeds=self.num_seeds,
      num_training_seeds=self.num_training_seeds,
    )


class Results(NamedTuple):
  """Speeds are norm(dC / d b^l), NaN for layers that a network lacks."""

  is_mnist: np.ndarray  # []
  num_images: np.ndarray  # Over which gradients are averaged  []
  mean_square: np.ndarray  # Of the inputs, mean over images and pixels  []
  at_start: np.ndarray  # Speeds with 2 ... 4 hidden layers  [S, 3, 4]
  in_training: np.ndarray  # The same by epoch  [R, 3, E + 1, 4]
  accuracy: np.ndarray  # Of validation, 1 ... 4 hidden layers  [R, 4, E + 1]
  weights: np.ndarray  # |w| of equation 123  [W]
  interval: np.ndarray  # How wide is the set |w sigma'(w a + b)| >= 1  [W]


class _Evaluation(NamedTuple):
  accuracy: jax.Array  # []
  speeds: jax.Array  # [4]


def run(config: Config) -> Results:
  """Measures the speed of layers at the start and in training."""
  data = images.load(config.data_dir)
  settings.require(
    config.num_images <= len(data.train.labels),
    f"num_images <= {len(data.train.labels)}",
    num_images=config.num_images,
  )
  first = images.take(data.train, slice(config.num_images))
  first = nf.data.Images(*map(jnp.asarray, first))
  parts = progress.track((_start, _train), "layers")
  at_start, trained = (part(config, data, first) for part in parts)
  weights = np.linspace(3.5, 12, 1701)
  return Results(
    is_mnist=np.array(bool(config.data_dir)),
    num_images=np.array(config.num_images),
    mean_square=np.mean(np.square(first.pixels)),
    at_start=at_start,
    in_training=trained.speeds[:, 1:],
    accuracy=trained.accuracy,
    weights=weights,
    interval=interval_width(weights),
  )


def _init(key, num_inputs):
  """Draws W ~ N(0, 1 / n), b ~ N(0, 1) for the deepest network.

  That is `nnfun.initializers.mean_field(1, 1)`, from one draw for all layers,
  which compiles five times as fast.
  """
  sizes = [num_inputs, *[_WIDTH] * _MAX_HIDDEN, _NUM_CLASSES]
  shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
  blank = [
    {"w": jnp.zeros(shape), "b": jnp.zeros(shape[:1])} for shape in shapes
  ]
  flat, unravel = flatten_util.ravel_pytree(tuple(blank))
  layers = unravel(jax.random.normal(key, flat.shape))
  return tuple(
    {"w": layer["w"] / shape[1] ** 0.5, "b": layer["b"]}
    for layer, shape in zip(layers, shapes, strict=True)
  )


def _logits(params, x, num_hidden):
  """Runs a network whose hidden layers beyond `num_hidden` are left out."""
  # So all depths are one program, mapped over `num_hidden`.
  a = x
  for i, layer in enumerate(params[:-1]):
    after = nf.activations.sigmoid(layer["w"] @ a + layer["b"])
    a = jnp.where(i < num_hidden, after, a) if i else after
  return params[-1]["w"] @ a + params[-1]["b"]


def _cost(params, x, label, num_hidden):
  target = jax.nn.one_hot(label, _NUM_CLASSES)
  return nf.losses.sigmoid_cross_entropy(_logits(params, x, num_hidden), target)


def _speeds(params, examples, num_hidden):
  """Returns norm(dC / d b^l) of the hidden layers, C the mean over images."""

  def mean_cost(params):
    over_images = jax.vmap(_cost, (None, 0, 0, None))
    return jnp.mean(over_images(params, *examples, num_hidden))

  norms = depth.layer_norms(jax.grad(mean_cost)(params)).b[:-1]
  return jnp.where(jnp.arange(_MAX_HIDDEN) < num_hidden, norms, jnp.nan)


def _start(config, data, first):
  def measure(key):
    params = _init(key, data.train.pixels.shape[1])
    return jax.vmap(lambda n: _speeds(params, first, n))(jnp.arange(2, 5))

  keys = jax.random.split(jax.random.key(config.seed), config.num_seeds)
  # Not all at once: a thousand networks times a thousand images is much.
  batches = jax.jit(lambda keys: lax.map(measure, keys, batch_size=10))
  return np.asarray(batches(keys))


def _train(config, data, first):
  """Trains networks of all depths: w <- (1 - eta decay) w - eta dC / dw."""
  train, validation, _ = (
    nf.data.Images(*map(jnp.asarray, part)) for part in data
  )
  is_weight = tuple([{"w": True, "b": False}] * (_MAX_HIDDEN + 1))
  optimizer = optax.chain(
    optax.add_decayed_weights(config.decay, is_weight),
    optax.sgd(config.learning_rate),
  )

  def fit(key, num_hidden):
    def evaluate(params):
      over_images = jax.vmap(_logits, (None, 0, None))
      logits = over_images(params, validation.pixels, num_hidden)
      return _Evaluation(
        images.accuracy(logits, validation.labels),
        _speeds(params, first, num_hidden),
      )

    key_init, key_order = jax.random.split(key)
    return nf.minibatch.fit(
      lambda *example: _cost(*example, num_hidden),
      optimizer,
      _init(key_init, train.pixels.shape[1]),
      key_order,
      *train,
      batch_size=config.batch_size,
      num_epochs=config.num_epochs,
      evaluate_fn=evaluate,
    ).evaluations

  key = jax.random.key(config.seed + 1)
  keys = jax.random.split(key, config.num_training_seeds)
  over_depths = jax.vmap(fit, (None, 0))
  return sweeps.sweep(lambda key: over_depths(key, jnp.arange(1, 5)), keys)


def interval_width(weights: np.ndarray) -> np.ndarray:
  """Returns how wide the set of a with |w sigma'(w a + b)| >= 1 is  [W]."""
  # sigma' is symmetric and falls from 0 on: z with sigma'(z) = 1 / |w| is found
  # by bisection. The set is 2 z / |w| wide, whatever b is.
  with jax.enable_x64(True):
    low, high = np.zeros_like(weights), np.full_like(weights, 40.0)
    for _ in range(60):
      middle = (low + high) / 2
      slope = np.asarray(nf.activations.sigmoid.slope(middle))
      inside = weights * slope >= 1
      low, high = np.where(inside, middle, low), np.where(inside, high, middle)
  return 2 * low / weights
