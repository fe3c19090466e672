"""How much slower do the early layers of Nielsen's digit networks learn?

Chapter 5 of the book measures the speed of a layer's learning by the norm of
dC / d b, averaged over images, in networks of 30 sigmoid units a layer, and
finds that early layers are slower. What a student should take from this:

- They are slower by a factor of five a layer, in all of a thousand draws as in
  the book's single ones. The data do not matter: mean-field theory, which has
  seen no digits, says sqrt(chi_1) = 0.2.
- The gap stays while the network learns.
- More hidden layers do not make these networks better. With few steps, as on
  the 8 x 8 digits here, deep ones do not even start to learn.
- Could large weights help? |w sigma'(w a + b)| >= 1 holds for at most an
  interval of activations 0.45 wide, and that at |w| = 6.9.

  python -m experiments.gradient_flow.layers --config.data_dir=MNIST_FOLDER

takes 13 seconds on 8 x 8 digits, on which it runs without a folder of MNIST's
four files; then claims about published numbers are left out. (--full with
MNIST: 20 minutes.) Numbers to expect on MNIST at the start, two
hidden layers: medians 0.060 and 0.29; published 0.066 and 0.31.

Departures: pixels are divided by 255, the book's by 256. By default gradients
are averaged over fewer than 1,000 images, and training is shorter.
"""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import flatten_util
from jax import numpy as jnp

import nnfun as nf
from experiments import cli, progress, study
from experiments.gradient_flow import layers_claims, layers_figure
from nnfun import depth
from nnfun.theory import mean_field, quadrature

_MAX_HIDDEN, _WIDTH, _NUM_CLASSES = 4, 30, 10


@dataclasses.dataclass(frozen=True)
class Config:
  """Data, and how many networks are drawn and trained."""

  data_dir: str = ""  # Folder of MNIST's four files; empty for 8 x 8 digits.
  num_seeds: int = 1000  # Networks at the start.
  num_images: int = 200  # The first ones, over which gradients are averaged.
  # Networks of each depth that are trained; for the accuracy, likewise.
  num_training_seeds: int = 4
  gradient_epochs: int = 60  # Of batch gradient descent on these images.
  gradient_regularization: float = 5.0  # lambda there; w decays by lambda / n.
  accuracy_epochs: int = 8  # Of mini-batches over all training images.
  batch_size: int = 10  # Images in a mini-batch.
  learning_rate: float = 0.1  # eta, of both.
  decay: float = 1e-4  # lambda / n = 5 / 50,000 of the accuracy.
  seed: int = 0  # Of starts and mini-batches.


class _Data(NamedTuple):
  train: nf.data.Images
  validation: nf.data.Images


def run(config: Config) -> dict[str, np.ndarray]:
  """Measures the speed of layers at the start and in training.

  Args:
    config: the setting.

  Returns:
    norm(dC / d b^l) of the hidden layers, NaN beyond the network's, as
    `at_start` [3, seeds, 4] and `in_training` [3, seeds, epochs + 1, 4] for 2,
    3 and 4 hidden layers; `accuracy` on the validation images [4, seeds,
    epochs + 1] for 1 to 4; mean-field theory's `chi_1` and `kurtosis` of
    sigma' [4]; the width of the interval of equation 123, `interval` [weights],
    for each of `weights`; and what the claims need of the config.

  Raises:
    ValueError: if a setting is out of range.
    FileNotFoundError: if a file of MNIST is missing.
  """
  _check(config)
  data = _load(config.data_dir)
  if config.num_images > len(data.train.labels):
    raise ValueError(
      f"expected num_images <= {len(data.train.labels)}, got "
      f"{config.num_images}"
    )
  found = {}
  parts = _start, _training, _accuracy, _mean_field
  for part in progress.track(parts, "layers"):
    found |= part(config, data)
  return {
    "is_mnist": np.array(bool(config.data_dir)),
    "num_images": np.array(config.num_images),
    **found,
    **_intervals(),
  }


def _check(config):
  for field in dataclasses.fields(config):
    value = getattr(config, field.name)
    if field.name not in ("data_dir", "seed") and not value > 0:
      raise ValueError(f"expected {field.name} > 0, got {value}")
  if config.num_seeds < 2 or config.num_training_seeds < 2:
    raise ValueError(
      "expected num_seeds >= 2 and num_training_seeds >= 2, got "
      f"{config.num_seeds} and {config.num_training_seeds}"
    )


def _load(data_dir):
  """Returns 50,000 and 10,000 of MNIST's training images, or the digits."""
  if data_dir:
    images, num_train = nf.data.mnist(data_dir, "train"), 50_000
  else:
    images, num_train = nf.data.digits(), 1297
  return _Data(
    nf.data.Images(*(leaf[:num_train] for leaf in images)),
    nf.data.Images(*(leaf[num_train:] for leaf in images)),
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
  """Runs a network whose hidden layers beyond `num_hidden` are left out.

  So all depths are one program, mapped over `num_hidden`.
  """
  a = x
  for i, layer in enumerate(params[:-1]):
    after = nf.activations.sigmoid(layer["w"] @ a + layer["b"])
    a = jnp.where(i < num_hidden, after, a) if i else after
  return params[-1]["w"] @ a + params[-1]["b"]


def _cost(num_hidden):
  def cost(params, x, label):
    target = jax.nn.one_hot(label, _NUM_CLASSES)
    return nf.losses.sigmoid_cross_entropy(
      _logits(params, x, num_hidden), target
    )

  return cost


def _speeds(params, images, num_hidden):
  """Returns norm(dC / d b^l) of the hidden layers, C the mean over images."""

  def mean_cost(params):
    costs = jax.vmap(_cost(num_hidden), (None, 0, 0))(params, *images)
    return jnp.mean(costs)

  norms = depth.layer_norms(jax.grad(mean_cost)(params)).b[:-1]
  return jnp.where(jnp.arange(_MAX_HIDDEN) < num_hidden, norms, jnp.nan)


def _first(config, data):
  images = [leaf[: config.num_images] for leaf in data.train]
  return nf.data.Images(*map(jnp.asarray, images))


def _start(config, data):
  images = _first(config, data)

  def measure(key):
    params = _init(key, images.pixels.shape[1])
    return jax.vmap(lambda n: _speeds(params, images, n))(jnp.arange(2, 5))

  keys = jax.random.split(jax.random.key(config.seed), config.num_seeds)
  # Not all at once: a thousand networks times a thousand images is much.
  batches = jax.jit(lambda keys: jax.lax.map(measure, keys, batch_size=10))
  return {"at_start": np.moveaxis(np.asarray(batches(keys)), 1, 0)}


def _fit(config, train, num_hidden, key, *, decay, batch_size, **settings):
  """Trains one network: w <- (1 - eta decay) w - eta dC / dw."""
  key_init, key_order = jax.random.split(key)
  params = _init(key_init, train.pixels.shape[1])
  is_weight = [{"w": True, "b": False}] * len(params)
  optimizer = optax.chain(
    optax.add_decayed_weights(decay, tuple(is_weight)),
    optax.sgd(config.learning_rate),
  )
  return nf.minibatch.fit(
    _cost(num_hidden),
    optimizer,
    params,
    key_order,
    *train,
    batch_size=batch_size,
    **settings,
  ).evaluations


def _over(config, fit, num_hidden):
  keys = jax.random.split(
    jax.random.key(config.seed + 1), config.num_training_seeds
  )
  over_seeds = jax.vmap(fit, (None, 0))
  return np.asarray(
    jax.jit(jax.vmap(over_seeds, (0, None)))(jnp.array(num_hidden), keys)
  )


def _training(config, data):
  images = _first(config, data)

  def fit(num_hidden, key):
    return _fit(
      config,
      images,
      num_hidden,
      key,
      decay=config.gradient_regularization / config.num_images,
      batch_size=config.num_images,
      num_epochs=config.gradient_epochs,
      evaluate_fn=lambda params: _speeds(params, images, num_hidden),
    )

  return {"in_training": _over(config, fit, [2, 3, 4])}


def _accuracy(config, data):
  train, validation = (
    nf.data.Images(*map(jnp.asarray, images)) for images in data
  )

  def fit(num_hidden, key):
    def accuracy(params):
      logits = jax.vmap(_logits, (None, 0, None))(
        params, validation.pixels, num_hidden
      )
      return jnp.mean(jnp.argmax(logits, axis=1) == validation.labels)

    return _fit(
      config,
      train,
      num_hidden,
      key,
      decay=config.decay,
      batch_size=config.batch_size,
      num_epochs=config.accuracy_epochs,
      evaluate_fn=accuracy,
    )

  return {"accuracy": _over(config, fit, [1, 2, 3, 4])}


def _mean_field(config, data):
  """Follows the variance q from the images through four layers."""
  sigmoid, one = nf.activations.sigmoid, jnp.ones([])
  pixels = data.train.pixels[: config.num_images]

  def layer(q, _):
    chi = mean_field.chi_1(sigmoid, q, one)
    fourth = quadrature.gaussian_mean(lambda u: sigmoid.slope(u) ** 4, q)
    return mean_field.variance_map(sigmoid, q, one, one), (chi, fourth / chi**2)

  def follow(q):
    return jax.lax.scan(layer, q, None, length=_MAX_HIDDEN)[1]

  start = jnp.asarray(1 + np.mean(pixels**2), float)  # The dtype of `one`.
  chi, kurtosis = jax.jit(follow)(start)
  return {"chi_1": np.asarray(chi), "kurtosis": np.asarray(kurtosis)}


def _intervals():
  """Returns the width of the set of a with |w sigma'(w a + b)| >= 1.

  sigma' is symmetric and falls from 0 on: z with sigma'(z) = 1 / |w| is found
  by bisection. The set is 2 z / |w| wide, whatever b is.
  """
  weights = np.linspace(3.5, 12, 1701)
  with jax.enable_x64(True):
    low, high = np.zeros_like(weights), np.full_like(weights, 40.0)
    for _ in range(60):
      middle = (low + high) / 2
      slope = np.asarray(nf.activations.sigmoid.slope(middle))
      inside = weights * slope >= 1
      low, high = np.where(inside, middle, low), np.where(inside, high, middle)
  return {"weights": weights, "interval": 2 * low / weights}


STUDY = study.Study(
  name="gradient_flow/layers",
  question="How much slower do the early layers of a digit network learn?",
  Config=Config,
  run=run,
  claims=layers_claims.all_claims,
  plot=layers_figure.draw,
  full=Config(
    num_images=1000,
    num_training_seeds=10,
    gradient_epochs=500,
    accuracy_epochs=30,
  ),
)

if __name__ == "__main__":
  cli.main(STUDY)
