"""Differentiates deep linear networks, and trains some."""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import settings, sweeps
from nnfun import depth


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """The networks of the exercise, and those that are trained."""

  num_nets: settings.Count = 64  # Random networks for the formula.
  formula_depths: tuple[settings.Count, ...] = (3, 10, 100, 1000)  # L.
  max_depth: settings.Count = 1000  # Greatest L in the sweep of depths.
  # |w| of all layers in the sweep of depths, with random signs.
  factors: tuple[settings.Positive, ...] = (0.5, 0.9, 1.0, 1.1, 2.0)
  # D of the trained nets.
  num_matrices: tuple[settings.Count, ...] = (1, 2, 4, 8, 32)
  # s, the singular values of the task; their number is the width.
  strengths: tuple[settings.Positive, ...] = (1.0, 1.5, 2.0)
  start: settings.Positive = 0.2  # u_0, strength of every mode at the start.
  step: settings.Positive = 0.02  # Learning rate times D; half of it runs too.
  duration: settings.Positive = 6.0  # Steps times learning rate times D.
  num_seeds: settings.Count = 4  # Draws of the rotations of the trained nets.
  seed: settings.Seed = 0  # Of weights, signs and rotations.

  def __post_init__(self) -> None:
    """Refuses what has no second layer, no tail, or is no flow."""
    super().__post_init__()
    settings.require(
      min(self.formula_depths) >= 3 and self.max_depth >= 200,
      "formula_depths >= 3 and max_depth >= 200",
      formula_depths=self.formula_depths,
      max_depth=self.max_depth,
    )
    settings.require(
      self.start < min(self.strengths),
      "a start below all strengths",
      start=self.start,
      strengths=self.strengths,
    )
    settings.require(
      self.step < 0.2 / max(self.strengths) ** 2 and self.duration >= 1,
      "step < 0.2 / s^2, where descent follows the flow, and duration >= 1",
      step=self.step,
      duration=self.duration,
    )


class Formula(NamedTuple):
  """Random networks of one depth; the first layer first."""

  paths: np.ndarray  # Weights along both paths  [nets, L, 2]
  output: np.ndarray  # y_hat  [nets]
  gradient: np.ndarray  # Of the loss by `paths`, by jax.grad  [nets, L, 2]


class Results(NamedTuple):
  """F sizes of weights, N depths, D trained depths of s modes."""

  x: np.ndarray  # Inputs of the random networks  [nets, 2]
  y: np.ndarray  # Their targets  [nets]
  formula: dict[str, Formula]  # By depth.
  factors: np.ndarray  # |w|  [F]
  depths: np.ndarray  # L  [N]
  unit_output: np.ndarray  # y_hat for weights of size 1  [N]
  float32: np.ndarray  # dL / dw_11^(1) as it comes  [F, N]
  log_gradient: np.ndarray  # log of its size, exponent kept apart  [F, N]
  num_matrices: np.ndarray  # [D]
  strengths: np.ndarray  # [s]
  start: np.ndarray  # u_0  []
  step: np.ndarray  # Learning rate times D  []
  times: np.ndarray  # D t / tau at the whole and at half the step  [2, records]
  modes: np.ndarray  # Their strengths then  [D, 2, seeds, records, s]


def run(config: Config) -> Results:
  """Measures gradients of deep linear networks, and trains some."""
  rng = np.random.default_rng(config.seed)
  x, y = rng.normal(size=(config.num_nets, 2)), rng.normal(size=config.num_nets)
  with jax.enable_x64(True):
    return Results(
      x=x,
      y=y,
      formula={
        str(size): _formula(rng, x, y, size) for size in config.formula_depths
      },
      factors=np.array(config.factors),
      **_sweep(config),
      num_matrices=np.array(config.num_matrices),
      strengths=np.array(config.strengths),
      start=np.array(config.start),
      step=np.array(config.step),
      **_train(config),
    )


def _multiply(x, matrices):
  return lax.scan(lambda x, w: (w @ x, None), x, matrices)[0]


def _output(weights, x):
  """y_hat = W^(L) W^(L-1) ... W^(1) x for full matrices [L-1, 2, 2]."""
  matrices, last = weights
  return last @ _multiply(x, matrices)


def _loss(weights, x, y):
  return nf.losses.quadratic(_output(weights, x), y)


def _formula(rng, x, y, size):
  """Differentiates random networks of the exercise, diagonal as printed."""
  shape = len(x), size, 2
  paths = rng.choice([-1, 1], shape) * rng.uniform(0.9, 1.1, shape)
  weights = paths[:, :-1, :, np.newaxis] * np.eye(2), paths[:, -1]
  inner, last = sweeps.sweep(jax.grad(_loss), weights, x, y, quick=True)
  inner = np.diagonal(inner, axis1=-2, axis2=-1)
  gradient = np.concatenate([inner, last[:, np.newaxis]], axis=1)
  return Formula(paths, sweeps.sweep(_output, weights, x, quick=True), gradient)


def _sweep(config):
  """Returns dL / dw_11^(1) for every depth, in float32.

  A net of depth L is the deepest one with the identity in all layers but the
  first L - 1 and the last.
  """
  rng = np.random.default_rng(config.seed)
  # The same in both paths, so that y_hat does not change its size by chance.
  signs = rng.choice([-1.0, 1.0], (config.max_depth, 1)) * np.ones(2)
  x, y = np.array([1.0, 0.5], np.float32), jnp.float32(1.0)
  depths = np.arange(2, config.max_depth + 1)
  layers = np.arange(config.max_depth - 1)
  used = (layers < depths[:, np.newaxis] - 1)[..., np.newaxis]

  def measure(factor, used):
    diagonal = jnp.where(used, factor * signs[1:], 1.0).astype(jnp.float32)
    matrices = jax.vmap(jnp.diag)(diagonal)
    last = (factor * signs[0]).astype(jnp.float32)
    plain = jax.grad(_loss)((matrices, last), x, y)[0][0, 0, 0]
    deep = depth.propagate(
      {"w": matrices, "b": jnp.zeros_like(diagonal)},
      x,
      lambda a: _residual(last, a, y),
      nf.activations.identity,
      homogeneous=True,
    )
    delta = depth.Scaled(deep.deltas.mantissa[0, :1], deep.deltas.exponent[0])
    return plain, depth.log_norm(delta) + jnp.log(jnp.abs(x[0]))

  over_depths = jax.vmap(measure, (None, 0))
  factors = jnp.array(config.factors)
  plain, logs = sweeps.sweep(lambda factor: over_depths(factor, used), factors)
  return {
    "depths": depths,
    "unit_output": np.cumprod(signs[1:], axis=0)[depths - 2] @ (signs[0] * x),
    "float32": plain,
    "log_gradient": logs,
  }


def _residual(last, a, y):
  """Returns (y_hat - y) W^(L)^T with the exponent kept apart."""
  output = depth.Scaled(last[jnp.newaxis] @ a.mantissa, a.exponent)
  error = depth.add(output, depth.normalize(-y[jnp.newaxis]))
  return depth.normalize(error.mantissa * last, error.exponent)


class _Start(NamedTuple):
  """Balanced, aligned weights W_l = R_l diag(u_0^(1/D)) R_{l-1}^T."""

  weights: np.ndarray  # [max D, s, s], from layer D on the identity
  is_layer: np.ndarray  # [max D, 1, 1]
  num_matrices: np.ndarray  # D
  first: np.ndarray  # R_0 [s, s], the task's right singular vectors
  last: np.ndarray  # R_D [s, s], its left ones


def _starts(config):
  """Returns the starts of all nets, leaves [D, seeds, ...]."""
  rng = np.random.default_rng(config.seed)
  width, most = len(config.strengths), max(config.num_matrices)

  def draw(size):
    rotations = np.linalg.qr(rng.normal(size=(most + 1, width, width)))[0]
    rotations[size + 1 :] = rotations[size]
    is_layer = (np.arange(most) < size)[:, np.newaxis, np.newaxis]
    weights = rotations[1:] @ rotations[:-1].swapaxes(1, 2)
    weights *= np.where(is_layer, config.start ** (1 / size), 1)
    size = np.array(float(size))
    return _Start(weights, is_layer, size, rotations[0], rotations[-1])

  return _stack(
    _stack(draw(size) for _ in range(config.num_seeds))
    for size in config.num_matrices
  )


def _stack(trees):
  return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def _train(config):
  """Trains all nets with as many matrices; those beyond D stay the identity."""
  strengths, width = jnp.array(config.strengths), len(config.strengths)
  stride = max(1, round(config.duration / config.step) // 200)

  def train(rate, start):
    def multiply(x, weights):
      used = jnp.where(start.is_layer, weights, jnp.eye(width)[jnp.newaxis])
      return _multiply(x, used)

    def loss_fn(weights, x, y):
      # The mean over the examples x_i = e_i, times their number: it is
      # |W_D ... W_1 - S|^2 / 2.
      return width * nf.losses.quadratic(multiply(x, weights), y)

    def modes(weights):
      return jnp.diag(start.last.T @ multiply(start.first, weights))

    task = start.last @ jnp.diag(strengths) @ start.first.T
    fitted = nf.minibatch.fit(
      loss_fn,
      optax.sgd(rate / start.num_matrices),
      start.weights,
      jax.random.key(config.seed),  # All examples in one batch: no matter.
      jnp.eye(width),
      task.T,
      batch_size=width,
      num_epochs=2 * round(config.duration / config.step),
      evaluate_fn=modes,
    )
    return fitted.evaluations[::stride]

  rates = config.step * np.array([1.0, 0.5])
  over_seeds = jax.vmap(train, (None, 0))
  over_rates = jax.vmap(over_seeds, (0, None))
  modes = sweeps.sweep(lambda start: over_rates(rates, start), _starts(config))
  records = stride * np.arange(modes.shape[-2])
  return {"times": rates[:, np.newaxis] * records, "modes": modes}
