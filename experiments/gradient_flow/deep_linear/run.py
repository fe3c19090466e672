"""What does depth alone do to a gradient, without any nonlinearity?

The exercises take a deep linear network of two neurons in each layer, with
diagonal weights: "the partial derivative is a product that tacks on weights,
one from each layer". Slightly below 1 the product vanishes, slightly above it
explodes. What a student should take from this:

- The formula is right, at a thousand layers as at two; but y_hat's second path
  is misprinted, w_11^(2) for w_22^(2).
- Vanishing and exploding are not mirror images. Below 1 the gradient falls by
  |w| a layer; above 1 the error y_hat - y grows as well, so that it rises by
  |w|^2 a layer.
- It does not matter which layer is looked at: w dL/dw is the same in all.
- In float32 the gradient of a net with weights 1/2 is exactly 0 from 128 layers
  on, that of one with weights 2 infinite from 65 on. With the exponent kept
  apart a thousand layers are no problem: the numbers exist, the format fails.
- The start decides. A net whose matrices are balanced and aligned with the task
  learns a mode of strength s by tau du/dt = D u^(2 - 2/D) (s - u), and at a
  learning rate of 1 / D great depth costs no more than a finite delay.

  python -m experiments.gradient_flow.deep_linear

takes 7 seconds (--full: 30 seconds). Numbers to expect: errors near 1e-14 in
float64; slopes log |w| and 2 log |w| to 1e-6; trained modes within 1e-4 of the
equation. The source trains nothing here; that part is after Saxe et al.
"""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import cli, study
from experiments.gradient_flow import deep_linear_claims, deep_linear_figure
from nnfun import depth


@dataclasses.dataclass(frozen=True)
class Config:
  """The networks of the exercise, and those that are trained."""

  num_nets: int = 64  # Random networks for the formula.
  formula_depths: tuple[int, ...] = (3, 10, 100, 1000)  # L; at least 3.
  max_depth: int = 1000  # Greatest L in the sweep of depths.
  # |w| of all layers in the sweep of depths, with random signs.
  factors: tuple[float, ...] = (0.5, 0.9, 1.0, 1.1, 2.0)
  num_matrices: tuple[int, ...] = (1, 2, 4, 8, 32)  # D of the trained nets.
  # s, the singular values of the task; their number is the width.
  strengths: tuple[float, ...] = (1.0, 1.5, 2.0)
  start: float = 0.2  # u_0, strength of every mode at the start.
  step: float = 0.02  # Learning rate times D; half of it is run as well.
  duration: float = 6.0  # Steps times learning rate times D.
  num_seeds: int = 4  # Draws of the rotations of the trained nets.
  seed: int = 0  # Of weights, signs and rotations.


def run(config: Config) -> dict[str, np.ndarray]:
  """Measures gradients of deep linear networks, and trains some.

  Args:
    config: the setting.

  Returns:
    For each formula depth and network the weights along both paths as
    `paths_DEPTH` [nets, L, 2], the network's `output` and the `gradient` of its
    two path's weights by automatic differentiation, `gradient_DEPTH`
    [nets, L, 2]; in the sweep of depths `log_gradient` in float32 with the
    exponent apart, `float32` as it comes [factors, depths], and `log_deltas`
    [factors, max_depth - 1] of the deepest net by layer; the modes of the
    trained nets, `modes` [D, 2, seeds, records, s]; and what the claims need
    of the config.

  Raises:
    ValueError: if a setting is out of range.
  """
  _check(config)
  with jax.enable_x64(True):
    formula = _formula(config)
    sweep = _sweep(config)
    modes = _train(config)
  return {
    "formula_depths": np.array(config.formula_depths),
    "factors": np.array(config.factors),
    "num_matrices": np.array(config.num_matrices),
    "strengths": np.array(config.strengths),
    "start": np.array(config.start),
    "step": np.array(config.step),
    "stride": np.array(_stride(config)),
    "modes": modes,
    **formula,
    **sweep,
  }


def _check(config):
  if min(config.formula_depths, default=0) < 3 or config.max_depth < 200:
    raise ValueError(
      "expected formula_depths >= 3 and max_depth >= 200, got "
      f"{config.formula_depths} and {config.max_depth}"
    )
  if not config.factors or min(config.factors) <= 0:
    raise ValueError(f"expected positive factors, got {config.factors}")
  if min(config.num_matrices, default=0) < 1 or config.num_nets < 2:
    raise ValueError(
      "expected num_matrices >= 1 and num_nets >= 2, got "
      f"{config.num_matrices} and {config.num_nets}"
    )
  strengths = config.strengths
  if not 0 < config.start < min(strengths, default=0):
    raise ValueError(
      f"expected a start between 0 and the strengths {strengths}, got "
      f"{config.start}"
    )
  largest = max(strengths) ** 2
  if not 0 < config.step < 0.2 / largest or config.duration < 1:
    raise ValueError(
      "expected 0 < step < 0.2 / s^2, where descent follows the flow, and "
      f"duration >= 1, got {config.step} and {config.duration}"
    )
  if config.num_seeds < 1:
    raise ValueError(f"expected num_seeds >= 1, got {config.num_seeds}")


def _output(matrices, last, x):
  """Returns y_hat = W^(L) W^(L-1) ... W^(1) x for full matrices [L-1, 2, 2]."""
  return last @ lax.scan(lambda x, w: (w @ x, None), x, matrices)[0]


def _loss(weights, x, y):
  return nf.losses.quadratic(_output(*weights, x), y)


def _formula(config):
  """Differentiates random networks of the exercise, diagonal as printed."""
  rng = np.random.default_rng(config.seed)
  x, y = rng.normal(size=(config.num_nets, 2)), rng.normal(size=config.num_nets)
  found = {"x": x, "y": y}
  for size in config.formula_depths:
    shape = config.num_nets, size, 2
    paths = rng.choice([-1, 1], shape) * rng.uniform(0.9, 1.1, shape)
    matrices = paths[:, :-1, :, np.newaxis] * np.eye(2)
    weights = matrices, paths[:, -1]
    grads = jax.jit(jax.vmap(jax.grad(_loss)))(weights, x, y)
    inner = jnp.diagonal(grads[0], axis1=-2, axis2=-1)
    gradient = jnp.concatenate([inner, grads[1][:, jnp.newaxis]], axis=1)
    found |= {
      f"paths_{size}": paths,
      f"output_{size}": np.asarray(jax.vmap(_output)(*weights, x)),
      f"gradient_{size}": np.asarray(gradient),
    }
  return found


def _sweep(config):
  """Returns dL / dw_11^(1) for every depth, in float32.

  A net of depth L is the deepest one with the identity in all layers but the
  first L - 1 and the last.
  """
  num_inner = config.max_depth - 1
  rng = np.random.default_rng(config.seed)
  # The same in both paths, so that y_hat does not change its size by chance.
  signs = rng.choice([-1.0, 1.0], (config.max_depth, 1)) * np.ones(2)
  x, y = np.array([1.0, 0.5], np.float32), jnp.float32(1.0)
  depths = np.arange(2, config.max_depth + 1)
  used = (np.arange(num_inner) < depths[:, np.newaxis] - 1)[..., np.newaxis]

  def measure(factor, used):
    diagonal = jnp.where(used, factor * signs[1:], 1.0).astype(jnp.float32)
    matrices = jax.vmap(jnp.diag)(diagonal)
    last = (factor * signs[0]).astype(jnp.float32)
    plain = jax.grad(_loss)((matrices, last), x, y)[0][0, 0, 0]
    zeros = jnp.zeros_like(diagonal)
    deep = depth.propagate(
      {"w": matrices, "b": zeros},
      x,
      lambda a: _residual(last, a, y),
      nf.activations.identity,
      homogeneous=True,
    )
    deltas = deep.deltas._replace(mantissa=deep.deltas.mantissa[:, :1])
    log_deltas = depth.log_norm(deltas)
    return plain, log_deltas[0] + jnp.log(jnp.abs(x[0])), log_deltas

  over_depths = jax.vmap(measure, (None, 0))
  plain, logs, log_deltas = jax.jit(jax.vmap(over_depths, (0, None)))(
    jnp.array(config.factors), used
  )
  # What the outputs would be with weights of size 1.
  outputs = np.cumprod(signs[1:], axis=0)[depths - 2] @ (signs[0] * x)
  return {
    "depths": depths,
    "unit_output": outputs,
    "float32": np.asarray(plain),
    "log_gradient": np.asarray(logs),
    "log_deltas": np.asarray(log_deltas[:, -1]),
  }


def _residual(last, a, y):
  """Returns (y_hat - y) W^(L)^T with the exponent kept apart."""
  output = depth.Scaled(last[jnp.newaxis] @ a.mantissa, a.exponent)
  error = depth.add(output, depth.normalize(-y[jnp.newaxis]))
  return depth.normalize(error.mantissa * last, error.exponent)


def _stride(config):
  return max(1, round(config.duration / config.step) // 200)


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

  nets = [
    _stack([draw(size) for _ in range(config.num_seeds)])
    for size in config.num_matrices
  ]
  return _stack(nets)


def _stack(trees):
  return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def _train(config):
  """Returns the strength of each mode [D, 2, seeds, records, s].

  All nets have the same number of matrices, those beyond D stay the identity.
  """
  strengths = jnp.array(config.strengths)
  width = len(config.strengths)

  def train(rate, start):
    def multiply(x, weights):
      used = jnp.where(start.is_layer, weights, jnp.eye(width)[jnp.newaxis])
      return lax.scan(lambda x, w: (w @ x, None), x, used)[0]

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
    return fitted.evaluations[:: _stride(config)]

  rates = config.step * jnp.array([1.0, 0.5])
  for axes in ((None, 0), (0, None), (None, 0)):  # Seeds, rates, D.
    train = jax.vmap(train, axes)
  return np.asarray(jax.jit(train)(rates, _starts(config)))


STUDY = study.Study(
  name="gradient_flow/deep_linear",
  question="What does depth alone do to a gradient, without nonlinearity?",
  Config=Config,
  run=run,
  claims=deep_linear_claims.all_claims,
  plot=deep_linear_figure.draw,
  full=Config(
    num_nets=1000,
    num_matrices=(1, 2, 3, 4, 8, 16, 32, 64),
    step=0.005,
    num_seeds=16,
  ),
)

if __name__ == "__main__":
  cli.main(STUDY)
