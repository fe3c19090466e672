"""Calculus of the two costs: minima, integrals and gradients, in float64."""

import functools
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import numpy as jnp
from scipy import integrate, special

import nnfun as nf
from experiments import sweeps

COSTS = {
  "quadratic": nf.losses.quadratic,
  "cross-entropy": nf.losses.binary_cross_entropy,
}
_cross_entropy = nf.losses.binary_cross_entropy
_sigmoid = nf.activations.sigmoid


class Minima(NamedTuple):
  """The cross-entropy of each of Y targets over A outputs in (0, 1]."""

  targets: np.ndarray  # y  [Y]
  outputs: np.ndarray  # a  [A]
  costs: np.ndarray  # [Y, A]
  printed_costs: np.ndarray  # As in (22), with 1 - a for 1 - y  [Y, A]
  slopes: np.ndarray  # dC / da at a = y by autodiff  [Y]
  descended: np.ndarray  # sigma(z) after descent on z from 0  [Y]
  # (24) as printed over autodiff, away from a = y: least and largest  [2]
  sign_ratio: np.ndarray


class Integrals(NamedTuple):
  """Integrals of what the gradient shall be, less the cross-entropy."""

  bias: np.ndarray  # Of dC / db = a - y; by targets and ends  [20]
  output: np.ndarray  # Of dC / da = (a - y) / (a (1 - a))  [20]
  paths: np.ndarray  # Of dC / dw = x (a - y) along curves of weights  [P]


class Gradients(NamedTuple):
  """Formulas for the output layer against autodiff."""

  entropy_dz: np.ndarray  # Relative error of a - y  []
  entropy_dw: np.ndarray  # Of mean a_k (a_j - y_j)  []
  quadratic_dw: np.ndarray  # Of mean a_k (a_j - y_j) sigma'(z_j)  []
  # dC / dz printed with a factor a_k, over autodiff, less a_k: the largest  []
  stray: np.ndarray
  stray_factors: np.ndarray  # The least and the largest a_k  [2]


def printed_cost(a: jax.Array, y: jax.Array) -> jax.Array:
  """The problem set's (22): 1 - a stands where 1 - y should."""
  return -(nf.numerics.xlogy(y, a) + nf.numerics.xlog1py(1 - a, -a))


def minima(num_targets: int, num_outputs: int, descent_steps: int) -> Minima:
  """Finds the output at which the cost of each target is least."""
  y = np.arange(1, num_targets + 1) / (num_targets + 1)
  a = np.arange(1, num_outputs + 1) / num_outputs

  def descend(y):
    return nf.minibatch.fit(
      lambda z, x, y: nf.losses.sigmoid_cross_entropy(z, y),
      optax.sgd(4.0),  # One over the largest curvature in z.
      jnp.zeros([]),
      jax.random.key(0),  # One example has one order.
      jnp.zeros(1),
      y[jnp.newaxis],
      batch_size=1,
      num_epochs=descent_steps,
    ).params

  def of_target(y):
    costs, printed, gradients = (
      jax.vmap(f, (0, None))(a, y)
      for f in (_cross_entropy, printed_cost, jax.grad(_cross_entropy))
    )
    slope = jax.grad(_cross_entropy)(y, y)
    return costs, printed, gradients, slope, _sigmoid(descend(y))

  costs, printed_costs, gradients, slopes, descended = sweeps.sweep(
    of_target, y, quick=True
  )
  inside, of_y = a[np.newaxis, :-1], y[:, np.newaxis]  # Not at a = 1.
  printed = of_y / inside - (1 - of_y) / (1 - inside)
  apart = np.abs(inside - of_y) > 0.5 / num_outputs
  ratio = printed[apart] / gradients[:, :-1][apart]
  sign_ratio = np.array([ratio.min(), ratio.max()])
  return Minima(y, a, costs, printed_costs, slopes, descended, sign_ratio)


def integrals(num_paths: int, rng: np.random.Generator) -> Integrals:
  """Integrates the derivatives, and takes off the rise of the cost itself."""

  def integral(f, start, end):
    return integrate.quad(f, start, end, epsabs=1e-12)[0]

  rise = sweeps.quick_jit(
    lambda start, end, y: _cross_entropy(end, y) - _cross_entropy(start, y)
  )
  by_bias, by_output, by_path = [], [], []
  for y in (0.0, 0.1, 0.5, 0.8, 1.0):
    for b in (-6.0, -2.0, 1.0, 4.0):
      a = special.expit(b)
      found = integral(lambda b, y=y: special.expit(b) - y, 0, b)
      by_bias.append(found - rise(0.5, a, y))
      found = integral(lambda a, y=y: (a - y) / (a * (1 - a)), 0.5, a)
      by_output.append(found - rise(0.5, a, y))
  for _ in range(num_paths):
    x = np.append(rng.normal(size=3), 1.0)  # The last weight is the bias.
    y, (start, bend, end) = rng.uniform(), rng.normal(size=(3, 4))

    def power(t, x=x, y=y, start=start, bend=bend, end=end):
      w = start + t * (end - start) + t * (1 - t) * bend
      velocity = end - start + (1 - 2 * t) * bend
      return (special.expit(x @ w) - y) * (x @ velocity)

    ends = special.expit(x @ start), special.expit(x @ end)
    by_path.append(integral(power, 0, 1) - rise(*ends, y))
  return Integrals(*map(np.array, (by_bias, by_output, by_path)))


def gradients(
  sizes: tuple[int, ...], num_examples: int, rng: np.random.Generator
) -> Gradients:
  """Compares the gradient of a network's output layer with autodiff."""
  params = tuple(
    {"w": rng.normal(size=(k, j)) / j**0.5, "b": rng.normal(size=k)}
    for j, k in zip(sizes[:-1], sizes[1:], strict=True)
  )
  xs = rng.normal(size=(num_examples, sizes[0]))
  ys = rng.uniform(size=(num_examples, sizes[-1]))
  layers = (_sigmoid,) * len(params)

  def mean_cost(params, cost):
    outputs = jax.vmap(lambda x: nf.mlp.apply(params, x, layers))(xs)
    return jnp.mean(jax.vmap(cost)(outputs, ys))

  def by_z(z, y, cost):
    return cost(_sigmoid(z), y)

  @sweeps.quick_jit
  def automatic(params):
    passed = jax.vmap(lambda x: nf.mlp.forward(params, x, layers))(xs)
    zs = passed.preactivations[-1]
    return (
      passed.outputs,
      {
        name: jax.vmap(jax.grad(functools.partial(by_z, cost=cost)))(zs, ys)
        for name, cost in COSTS.items()
      },
      {
        name: jax.grad(mean_cost)(params, cost)[-1]["w"]
        for name, cost in COSTS.items()
      },
    )

  outputs, dz, dw = jax.tree.map(np.asarray, automatic(params))
  a, below = outputs[-1], outputs[-2]
  error, slowed = a - ys, (a - ys) * a * (1 - a)
  printed = below[:, np.newaxis] * slowed[..., np.newaxis]  # [n, j, k]
  stray = printed / dz["quadratic"][..., np.newaxis] - below[:, np.newaxis]
  return Gradients(
    entropy_dz=_relative(error, dz["cross-entropy"]),
    entropy_dw=_relative(error.T @ below / len(xs), dw["cross-entropy"]),
    quadratic_dw=_relative(slowed.T @ below / len(xs), dw["quadratic"]),
    stray=np.abs(stray).max(),
    stray_factors=np.array([below.min(), below.max()]),
  )


def _relative(actual, expected):
  return np.linalg.norm(actual - expected) / np.linalg.norm(expected)
