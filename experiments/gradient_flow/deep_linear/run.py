"""Differentiates deep linear networks, and trains some."""

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, settings, sweeps
from nnfun import depth


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """The networks of the exercise, and those that are trained."""

  num_nets: settings.Count = 64  # Random networks of each depth.
  depths: tuple[settings.at_least(3), ...] = (3, 10, 100, 1000)  # Their L.
  max_depth: settings.at_least(200) = 1000  # Greatest L in the sweep of depths.
  # |w| of all layers in the sweep of depths, with random signs.
  factors: tuple[settings.Positive, ...] = (0.5, 0.9, 1.0, 1.1, 2.0)
  # D of the trained nets.
  num_matrices: tuple[settings.Count, ...] = (1, 2, 4, 8, 32)
  # s, the singular values of the task; their number is the width.
  strengths: settings.Ascending[settings.Positive] = (1.0, 1.5, 2.0)
  start: settings.Positive = 0.2  # u_0, strength of every mode at the start.
  step: settings.Positive = 0.005  # Learning rate times D.
  duration: settings.Positive = 6.0  # Steps times learning rate times D.
  seed: settings.Seed = 0  # Of weights, signs and rotations.

  def rules(self) -> Iterator[tuple[bool, str]]:
    """Yields when something is learned, and when descent follows the flow."""
    yield self.start < self.strengths[0], "start below all strengths"
    is_flow = self.step < 0.2 / self.strengths[-1] ** 2
    yield is_flow, "step < 0.2 / s^2 for all strengths s"


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
  times: np.ndarray  # D t / tau  [R]
  modes: np.ndarray  # Their strengths then  [D, R, s]


def run(config: Config) -> Results:
  """Measures gradients of deep linear networks, and trains some."""
  rng = np.random.default_rng(config.seed)
  x, y = rng.normal(size=(config.num_nets, 2)), rng.normal(size=config.num_nets)
  with jax.enable_x64(True), progress.parts("deep linear", 3) as done:
    formula = {str(n): _formula(rng, x, y, n) for n in config.depths}
    return Results(
      x=x,
      y=y,
      formula=done(formula),
      factors=np.array(config.factors),
      **done(_sweep(config, rng)),
      num_matrices=np.array(config.num_matrices),
      strengths=np.array(config.strengths),
      start=np.array(config.start),
      step=np.array(config.step),
      **done(_train(config, rng)),
    )


def _multiply(x, matrices):
  return lax.scan(lambda x, w: (w @ x, None), x, matrices)[0]


def _loss(weights, x, y):
  """Returns the loss and y_hat = W^(L) W^(L-1) ... W^(1) x."""
  matrices, last = weights  # [L-1, 2, 2] and [2].
  output = last @ _multiply(x, matrices)
  return nf.losses.quadratic(output, y), output


def _formula(rng, x, y, size):
  """Differentiates random networks of the exercise, diagonal as printed."""
  shape = len(x), size, 2
  paths = rng.choice([-1, 1], shape) * rng.uniform(0.9, 1.1, shape)
  weights = paths[:, :-1, :, np.newaxis] * np.eye(2), paths[:, -1]
  gradient_fn = jax.grad(_loss, has_aux=True)
  (inner, last), output = sweeps.sweep(gradient_fn, weights, x, y, quick=True)
  inner = np.diagonal(inner, axis1=-2, axis2=-1)
  gradient = np.concatenate([inner, last[:, np.newaxis]], axis=1)
  return Formula(paths, output, gradient)


def _sweep(config, rng):
  """Returns dL / dw_11^(1) for every depth, in float32.

  A net of depth L is the deepest one with the identity in all layers but the
  first L - 1 and the last.
  """
  # The same in both paths, so that y_hat does not change its size by chance.
  signs = rng.choice([-1.0, 1.0], (config.max_depth, 1)) * np.ones(2)
  x, y = np.array([1.0, 0.5], np.float32), jnp.float32(1.0)
  depths = np.arange(2, config.max_depth + 1)
  used = np.arange(1, config.max_depth) < depths[:, np.newaxis]

  def measure(factor, used):
    diagonal = jnp.where(used[:, jnp.newaxis], factor * signs[1:], 1.0).astype(
      jnp.float32
    )
    matrices = jax.vmap(jnp.diag)(diagonal)
    last = (factor * signs[0]).astype(jnp.float32)
    gradient, _ = jax.grad(_loss, has_aux=True)((matrices, last), x, y)

    def residual(a):
      # (y_hat - y) W^(L)^T with the exponent kept apart.
      output = depth.Scaled(last[jnp.newaxis] @ a.mantissa, a.exponent)
      error = depth.add(output, depth.normalize(-y[jnp.newaxis]))
      return depth.normalize(error.mantissa * last, error.exponent)

    deep = depth.propagate(
      {"w": matrices, "b": jnp.zeros_like(diagonal)},
      x,
      residual,
      nf.activations.identity,
      homogeneous=True,
    )
    delta = depth.Scaled(deep.deltas.mantissa[0, :1], deep.deltas.exponent[0])
    return gradient[0][0, 0, 0], depth.log_norm(delta)  # x_1 is 1.

  over_depths = jax.vmap(measure, (None, 0))
  plain, logs = sweeps.sweep(
    lambda factor: over_depths(factor, used), np.array(config.factors)
  )
  return {
    "depths": depths,
    "unit_output": np.cumprod(signs[1:], axis=0)[depths - 2] @ (signs[0] * x),
    "float32": plain,
    "log_gradient": logs,
  }


def _train(config, rng):
  """Trains nets of D matrices, all with as many: beyond D the identity.

  Balanced and aligned: W_l = R_l diag(u_0^(1/D)) R_{l-1}^T, R_0 the right and
  R_D the left singular vectors of the task.
  """
  strengths, width = np.array(config.strengths), len(config.strengths)
  most, num_steps = max(config.num_matrices), config.duration / config.step
  drawn = jnp.array(np.linalg.qr(rng.normal(size=(most + 1, width, width)))[0])

  def train(size):
    is_layer = jnp.arange(most)[:, jnp.newaxis, jnp.newaxis] < size
    rotations = drawn[jnp.minimum(jnp.arange(most + 1), size)]
    first, last = rotations[0], rotations[-1]

    def multiply(x, weights):
      unused = jnp.eye(width)[jnp.newaxis]
      return _multiply(x, jnp.where(is_layer, weights, unused))

    def loss_fn(weights, x, y):
      # The mean over the examples x_i = e_i, times their number: it is
      # |W_D ... W_1 - S|^2 / 2.
      return width * nf.losses.quadratic(multiply(x, weights), y)

    weights = rotations[1:] @ rotations[:-1].swapaxes(1, 2)
    return nf.minibatch.fit(
      loss_fn,
      optax.sgd(config.step / size),
      weights * config.start ** (1 / size),
      jax.random.key(config.seed),  # All examples in one batch: no matter.
      jnp.eye(width),
      first @ jnp.diag(strengths) @ last.T,
      batch_size=width,
      num_epochs=round(num_steps),
      evaluate_fn=lambda w: jnp.diag(last.T @ multiply(first, w)),
    ).evaluations

  modes = sweeps.sweep(train, np.array(config.num_matrices))
  stride = max(1, round(num_steps) // 200)
  times = config.step * np.arange(modes.shape[1])
  return {"times": times[::stride], "modes": modes[:, ::stride]}
