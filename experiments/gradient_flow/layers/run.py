"""Measures how fast the layers of digit networks learn, and trains them."""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import images, progress, settings, sweeps
from experiments.gradient_flow.layers import readings
from nnfun import base
from nnfun.theory import mean_field, quadrature

_DECAY = 1e-4  # lambda / n = 5 / 50,000 in the book.


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """Data, and how many networks are drawn and trained."""

  data_dir: str = ""  # Folder of MNIST's four files; empty for 8 x 8 digits.
  num_seeds: settings.Several = 1000  # Networks at the start.
  # The first ones, over which gradients are averaged.
  num_images: settings.Count = 100
  num_training_seeds: settings.Several = 5  # Networks of each depth, trained.
  num_epochs: settings.Count = 80  # Of mini-batches over all training images.
  learning_rate: settings.Positive = 1.0  # eta; 0.1 in the book.
  seed: settings.Seed = 0  # Of starts and mini-batches.


class Results(NamedTuple):
  """Speeds are norm(dC / d b^l), NaN for layers that a network lacks."""

  is_mnist: np.ndarray  # []
  expected: np.ndarray  # Theory of log(speed of l + 1 / speed of l)  [3]
  at_start: np.ndarray  # Speeds with 2 ... 4 hidden layers  [S, 3, 4]
  in_training: np.ndarray  # The same by epoch  [R, 3, E + 1, 4]
  accuracy: np.ndarray  # Of validation, 1 ... 4 hidden layers  [R, 4, E + 1]


def run(config: Config) -> Results:
  """Measures the speed of layers at the start and in training."""
  train, validation, _ = (
    nf.data.Images(*map(jnp.asarray, part))
    for part in images.load(config.data_dir)
  )
  first = images.take(train, slice(config.num_images))
  rng = np.random.default_rng(config.seed)
  with progress.parts("layers", 2) as done:
    accuracy, in_training = done(_train(config, rng, train, validation, first))
    at_start = done(_start(config, rng, first))
  return Results(
    is_mnist=np.array(bool(config.data_dir)),
    expected=expected_growth(jnp.mean(first.pixels**2)),
    at_start=at_start,
    in_training=in_training[:, 1:],
    accuracy=accuracy,
  )


def draw(
  rng: np.random.Generator, num_nets: int, num_inputs: int
) -> base.Params:
  """Draws W ~ N(0, 1 / n), b ~ N(0, 1): first, middle and last layers."""
  n, params = readings.WIDTH, []
  for shape in ((n, num_inputs), (3, n, n), (10, n)):
    w = rng.standard_normal((num_nets, *shape), np.float32)
    b = rng.standard_normal((num_nets, *shape[:-1]), np.float32)
    params.append({"w": w / np.float32(shape[-1] ** 0.5), "b": b})
  return tuple(params)


def _logits(params, x, num_hidden):
  """Runs a network whose hidden layers beyond `num_hidden` are left out."""
  # So all depths are one program, mapped over `num_hidden`.
  first, middle, last = params

  def layer(a, numbered):
    i, params = numbered
    after = nf.activations.sigmoid(params["w"] @ a + params["b"])
    return jnp.where(i < num_hidden, after, a), None

  a = nf.activations.sigmoid(first["w"] @ x + first["b"])
  a, _ = lax.scan(layer, a, (jnp.arange(1, 4), middle))
  return last["w"] @ a + last["b"]


def _cost(params, x, label, num_hidden):
  target = jax.nn.one_hot(label, 10)
  return nf.losses.sigmoid_cross_entropy(_logits(params, x, num_hidden), target)


def speeds(
  params: base.Params, examples: nf.data.Images, num_hidden: jax.Array
) -> jax.Array:
  """Returns norm(dC / d b^l) of hidden layers, C the mean over images  [4]."""

  def mean_cost(params):
    over_images = jax.vmap(_cost, (None, 0, 0, None))
    return jnp.mean(over_images(params, *examples, num_hidden))

  first, middle, _ = jax.grad(mean_cost)(params)
  norms = jnp.linalg.norm(jnp.vstack([first["b"], middle["b"]]), axis=1)
  return jnp.where(jnp.arange(4) < num_hidden, norms, jnp.nan)


def _start(config, rng, examples):
  def measure(params):
    return jax.vmap(lambda n: speeds(params, examples, n))(jnp.arange(2, 5))

  params = draw(rng, config.num_seeds, examples.pixels.shape[1])
  # Not all at once: a thousand networks times a thousand images is much.
  run = sweeps.brisk_jit(lambda params: lax.map(measure, params, batch_size=10))
  return np.asarray(run(params))


def _train(config, rng, train, validation, first):
  """Trains networks of all depths: w <- (1 - eta decay) w - eta dC / dw."""
  optimizer = optax.chain(
    optax.add_decayed_weights(_DECAY, ({"w": True, "b": False},) * 3),
    optax.sgd(config.learning_rate),
  )

  def fit(params, key, num_hidden):
    def evaluate(params):
      over_images = jax.vmap(_logits, (None, 0, None))
      logits = over_images(params, validation.pixels, num_hidden)
      accuracy = images.accuracy(logits, validation.labels)
      return accuracy, speeds(params, first, num_hidden)

    return nf.minibatch.fit(
      lambda *example: _cost(*example, num_hidden),
      optimizer,
      params,
      key,
      *train,
      batch_size=10,
      num_epochs=config.num_epochs,
      evaluate_fn=evaluate,
    ).evaluations

  num_seeds, depths = config.num_training_seeds, jnp.arange(1, 5)
  params = draw(rng, num_seeds, train.pixels.shape[1])
  keys = jax.random.split(jax.random.key(config.seed), num_seeds)
  over_depths = jax.vmap(fit, (None, None, 0))
  return sweeps.sweep(lambda *net: over_depths(*net, depths), params, keys)


def expected_growth(mean_square: jax.Array) -> np.ndarray:
  """Returns what mean-field theory says of E log(speed of l + 1 / of l)  [3].

  That is -log(chi_1) / 2 + (3 k - 1) / 4 N at the variance q of layer l, with
  chi_1 = E[sigma'(z)^2], z ~ N(0, q), and k = E[sigma'^4] / chi_1^2.
  """
  sigma = nf.activations.sigmoid

  def layer(q, _):
    chi_1 = mean_field.chi_1(sigma, q, 1.0)
    fourth = quadrature.gaussian_mean(lambda u: sigma.slope(u) ** 4, q)
    spread = (3 * fourth / chi_1**2 - 1) / (4 * readings.WIDTH)
    after = mean_field.variance_map(sigma, q, 1.0, 1.0)
    return after, spread - jnp.log(chi_1) / 2

  # From the variance of the first layer's pre-activations.
  run = sweeps.quick_jit(lambda q: lax.scan(layer, 1 + q, length=3)[1])
  return np.asarray(run(mean_square))
