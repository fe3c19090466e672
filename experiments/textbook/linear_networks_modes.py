"""Deep linear networks learn the singular modes of a hierarchy.

Inputs are one-hot, so that sum x x^T = 1. Outputs are rotated to the left
singular vectors of sum y x^T, in which mode i is output i; directions in which
the targets are 0 are left out.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import numpy as jnp
from scipy import integrate

import nnfun as nf
from nnfun.theory import deep_linear


class Modes(NamedTuple):
  """The data in the coordinates of its modes."""

  strengths: np.ndarray  # s [P], descending
  patterns: np.ndarray  # right singular vectors, rows [P, P]


def hierarchy(
  seed: int, *, num_levels: int, num_features: int, flip_probability: float
) -> np.ndarray:
  """Draws features which diffuse down a binary tree.

  Args:
    seed: of the draw.
    num_levels: branchings; the leaves are the 2^num_levels patterns.
    num_features: F, independent of one another.
    flip_probability: that a feature changes its sign along a branch.

  Returns:
    Features +-1 of the leaves [F, P].
  """
  rng = np.random.default_rng(seed)
  values = rng.choice([-1.0, 1.0], size=(num_features, 1))
  for _ in range(num_levels):
    values = np.repeat(values, 2, axis=1)
    flips = rng.random(values.shape) < flip_probability
    values = np.where(flips, -values, values)
  return values


def modes(features: np.ndarray) -> Modes:
  """Returns the singular values and right singular vectors of [F, P]."""
  _, s, vt = np.linalg.svd(features, full_matrices=False)
  return Modes(s, vt)


def decoupled_start(
  data: Modes, *, u_0: float, num_hidden: int, num_layers: int = 3
) -> tuple[np.ndarray, ...]:
  """Returns matrices that hold each mode with strength u_0, and nothing else.

  Args:
    data: the modes [P].
    u_0: their strength.
    num_hidden: units of each hidden layer, P or more.
    num_layers: N_l, with input and output.

  Returns:
    N_l - 1 matrices [out, in], the first layer first.
  """
  num_matrices, size = num_layers - 1, len(data.strengths)
  inner = np.eye(num_hidden)
  sizes = [inner[:, :size], *[inner] * (num_matrices - 2), inner[:size]]
  matrices = [u_0 ** (1 / num_matrices) * w for w in sizes]
  return (matrices[0] @ data.patterns, *matrices[1:])


def random_start(
  key: jax.Array, data: Modes, *, u_0: float, num_hidden: int
) -> tuple[jax.Array, jax.Array]:
  """Draws two small matrices in which a mode has the strength u_0 on average.

  Before the modes feel their targets' size, the sum of a mode's incoming and
  outgoing vector grows, and their difference decays: what counts is the square
  of half the sum, H sigma^2 / 2 on average.

  Args:
    key: randomness.
    data: the modes [P].
    u_0: the strength.
    num_hidden: H.

  Returns:
    [H, P] and [P, H].
  """
  size, sigma = len(data.strengths), (2 * u_0 / num_hidden) ** 0.5
  draw = jax.nn.initializers.normal(sigma)
  key_first, key_second = jax.random.split(key)
  shape = (num_hidden, size)
  first, second = draw(key_first, shape, float), draw(key_second, shape, float)
  return first, second.T


def train(
  data: Modes,
  start: tuple[jax.Array, ...],
  *,
  learning_rate: float,
  num_epochs: int,
) -> jax.Array:
  """Trains by batch gradient descent on the sum over patterns.

  Args:
    data: the modes [P].
    start: matrices, the first layer first.
    learning_rate: 1 / tau.
    num_epochs: steps.

  Returns:
    The strength of each mode at the start and after every epoch, [E + 1, P].
  """
  size = len(data.strengths)
  targets = (data.strengths[:, None] * data.patterns).T

  def product(matrices, x):
    for w in matrices:
      x = w @ x
    return x

  def evaluate(matrices):
    images = jax.vmap(lambda v: product(matrices, v))(data.patterns)
    return jnp.diagonal(images)

  return nf.minibatch.fit(
    lambda matrices, x, y: nf.losses.quadratic(product(matrices, x), y),
    # The mean over the patterns times their number is the sum.
    optax.sgd(size * learning_rate),
    start,
    jax.random.key(0),  # One batch holds all patterns: nothing is shuffled.
    jnp.eye(size),
    targets,
    batch_size=size,
    num_epochs=num_epochs,
    evaluate_fn=evaluate,
  ).evaluations


def closed_form_errors(
  strengths: np.ndarray, *, u_0: float, tau: float
) -> dict[str, np.ndarray]:
  """Compares equations 11, 12 and 15 with one another; call under float64.

  Args:
    strengths: s [P].
    u_0: strength at the start.
    tau: time constant.

  Returns:
    Largest relative errors: `rate_error` of equation 15 with three layers from
    the derivative of equation 12, `inverse_error` of equation 11 from the time
    put into equation 12.
  """

  @jax.jit
  def errors(s):
    def strength(t, s):
      return deep_linear.mode_strength(t, s, u_0, tau=tau)

    # Up to u / s = 0.95; beyond, s - u has few digits left.
    end = deep_linear.learning_time(0.95 * s, s, u_0, tau=tau)
    t = jnp.outer(jnp.linspace(0.05, 1, 20), end)
    s = jnp.broadcast_to(s, t.shape)
    u, rate = jax.jvp(lambda t: strength(t, s), (t,), (jnp.ones_like(t),))
    flow = deep_linear.mode_rate(u, s, num_layers=3, tau=tau)
    time = deep_linear.learning_time(u, s, u_0, tau=tau)
    return jnp.max(jnp.abs(flow / rate - 1)), jnp.max(jnp.abs(time / t - 1))

  names = ("rate_error", "inverse_error")
  return dict(zip(names, errors(jnp.asarray(strengths)), strict=True))


def half_times(curves: np.ndarray, strengths: np.ndarray) -> np.ndarray:
  """Returns when each mode is half learned, interpolated between epochs.

  Args:
    curves: strengths in training [..., E + 1, P].
    strengths: what they grow to [P].

  Returns:
    Epochs [..., P], NaN for a mode that never is.
  """
  reached = curves >= strengths / 2
  after = np.argmax(reached, axis=-2)[..., None, :]
  before = np.maximum(after - 1, 0)
  low, high = (np.take_along_axis(curves, i, axis=-2) for i in (before, after))
  with np.errstate(divide="ignore", invalid="ignore"):
    fraction = (strengths / 2 - low) / (high - low)
  times = np.where(after > 0, before + fraction, np.nan)
  return times[..., 0, :]


def flow_half_times(
  strengths: Sequence[float], *, u_0: float, num_layers: int, tau: float
) -> np.ndarray:
  """Integrates equation 15 of Saxe et al. from u_0 to s / 2 [P]."""

  def slowness(log_u, s):
    u = np.exp(log_u)
    return u / deep_linear.mode_rate(u, s, num_layers=num_layers, tau=tau)

  return np.array(
    [
      integrate.quad(slowness, np.log(u_0), np.log(s / 2), args=(s,))[0]
      for s in strengths
    ]
  )


def step_delay(
  strengths: np.ndarray, *, u_0: float, num_layers: int = 3
) -> np.ndarray:
  """Returns by how many epochs finite steps lag behind the flow at s / 2.

  One factor a of the N_l - 1 equal ones, u = a^(N_l - 1), moves in steps
  a <- a + lr f(a), f(a) = a^(N_l - 2) (s - a^(N_l - 1)). To first order they
  follow da / dt = f - lr f f' / 2, which takes longer by
  1/2 log[f(a_half) / f(a_0)] epochs, whatever the learning rate.

  Args:
    strengths: s [P].
    u_0: strength at the start.
    num_layers: N_l.

  Returns:
    Epochs [P].
  """
  power = num_layers - 1

  def speed(u):
    return u ** (1 - 1 / power) * (strengths - u)

  return 0.5 * np.log(speed(strengths / 2) / speed(u_0))
