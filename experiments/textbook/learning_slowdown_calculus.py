"""Calculus of the two costs: minima, integrals and gradients, in float64."""

import functools
from collections.abc import Callable, Sequence

import jax
import numpy as np
import optax
from jax import numpy as jnp
from scipy import integrate, special

import nnfun as nf

COSTS: dict[str, Callable] = {
  "quadratic": nf.losses.quadratic,
  "cross-entropy": nf.losses.binary_cross_entropy,
}
# Programs here run for milliseconds and compile for seconds.
jit = functools.partial(
  jax.jit, compiler_options={"xla_backend_optimization_level": 0}
)
_sigmoid = nf.activations.sigmoid


def _printed_cost(a, y):
  """The problem set's (22): 1 - a stands where 1 - y should."""
  return -(nf.numerics.xlogy(y, a) + nf.numerics.xlog1py(1 - a, -a))


def minima(
  num_targets: int, num_outputs: int, descent_steps: int
) -> dict[str, np.ndarray]:
  """Finds the output at which the cost of each target is least.

  Args:
    num_targets: Y, targets spread evenly inside (0, 1).
    num_outputs: A, outputs spread evenly over (0, 1], a multiple of Y + 1.
    descent_steps: of gradient descent on z from 0, for every target.

  Returns:
    `targets` [Y] and `outputs` [A]; `costs`, `printed_costs` [Y, A]; at a = y
    `slopes`, `printed_slopes` and `curvatures` [Y] by autodiff; `descended`
    [Y], sigma(z) after the descent; and at every other point the problem set's
    (24) over autodiff, `sign_ratio` [2], least and largest.
  """
  y = np.arange(1, num_targets + 1) / (num_targets + 1)
  a = np.arange(1, num_outputs + 1) / num_outputs
  cost = nf.losses.binary_cross_entropy

  def descend(y):
    return nf.minibatch.fit(
      lambda z, x, y: nf.losses.sigmoid_cross_entropy(z, y),
      optax.sgd(4.0),  # one over the largest curvature in z
      jnp.zeros([]),
      jax.random.key(0),  # one example has one order
      jnp.zeros(1),
      y[jnp.newaxis],
      batch_size=1,
      num_epochs=descent_steps,
    ).params

  @jit
  def measure(y, a):
    def each(f):
      return jax.vmap(jax.vmap(f, (0, None)), (None, 0))(a, y)

    return {
      "costs": each(cost),
      "printed_costs": each(_printed_cost),
      "gradients": each(jax.grad(cost)),
      "slopes": jax.vmap(jax.grad(cost))(y, y),
      "printed_slopes": jax.vmap(jax.grad(_printed_cost))(y, y),
      "curvatures": jax.vmap(jax.grad(jax.grad(cost)))(y, y),
      "descended": _sigmoid(jax.vmap(descend)(y)),
    }

  results = jax.tree.map(np.asarray, measure(y, a))
  gradients = results.pop("gradients")[:, :-1]  # not at a = 1
  a_inside, y_column = a[np.newaxis, :-1], y[:, np.newaxis]
  printed = y_column / a_inside - (1 - y_column) / (1 - a_inside)
  apart = np.abs(a_inside - y_column) > 0.5 / num_outputs
  ratio = printed[apart] / gradients[apart]
  return results | {
    "targets": y,
    "outputs": a,
    "sign_ratio": np.array([np.min(ratio), np.max(ratio)]),
  }


def _entropy(a, y):
  return -y * np.log(a) - (1 - y) * np.log1p(-a)


def _integral(f, start, end):
  return integrate.quad(f, start, end, epsabs=1e-12)[0]


def integrals(
  num_paths: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
  """Integrates what the derivatives of the cost are asked to be.

  Args:
    num_paths: random curves in the space of three weights and a bias.
    rng: draws them.

  Returns:
    Differences from the cross-entropy, its value at the start taken off:
    the largest over targets and ends `bias_error` [] of dC / db = a - y and
    `output_error` [] of dC / da = (a - y) / (a (1 - a)); and `path_error`
    [paths] of dC / dw = x (a - y).
  """
  by_bias, by_output = [], []
  for y in (0.0, 0.1, 0.5, 0.8, 1.0):
    for b in (-6.0, -2.0, 1.0, 4.0):
      a = special.expit(b)
      expected = _entropy(a, y) - _entropy(0.5, y)
      found = _integral(lambda b, y=y: special.expit(b) - y, 0, b)
      by_bias.append(found - expected)
      found = _integral(lambda a, y=y: (a - y) / (a * (1 - a)), 0.5, a)
      by_output.append(found - expected)
  by_path = []
  for _ in range(num_paths):
    x = np.append(rng.normal(size=3), 1.0)  # The last weight is the bias.
    by_path.append(_path_error(x, rng.uniform(), *rng.normal(size=(3, 4))))
  return {
    "bias_error": np.max(np.abs(by_bias)),
    "output_error": np.max(np.abs(by_output)),
    "path_error": np.array(by_path),
  }


def _path_error(x, y, start, bend, end):
  """Integrates x (a - y) from start to end, along a parabola of weights."""

  def power(t):
    w = start + t * (end - start) + t * (1 - t) * bend
    velocity = end - start + (1 - 2 * t) * bend
    return (special.expit(x @ w) - y) * (x @ velocity)

  first, last = (_entropy(special.expit(x @ w), y) for w in (start, end))
  return _integral(power, 0, 1) - (last - first)


def gradients(
  sizes: Sequence[int], num_examples: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
  """Compares the gradient of the output layer's weights with autodiff.

  Args:
    sizes: of the input and of each layer of sigmoids.
    num_examples: n.
    rng: draws the network and the examples.

  Returns:
    Relative errors `quadratic_error`, `entropy_error` [] of dC / dw, and
    `error_error` [] of dC / dz = a - y; and of the formula with a_k for dC / dz
    the largest difference of its ratio to autodiff from a_k, `stray_error` [],
    with `stray_factors` [2], the least and largest a_k.
  """
  n = num_examples
  params = tuple(
    {"w": rng.normal(size=(k, j)) / j**0.5, "b": rng.normal(size=k)}
    for j, k in zip(sizes[:-1], sizes[1:], strict=True)
  )
  xs, ys = rng.normal(size=(n, sizes[0])), rng.uniform(size=(n, sizes[-1]))
  layers = (_sigmoid,) * len(params)

  @jit
  def automatic(params):
    def mean(cost, params):
      outputs = jax.vmap(lambda x: nf.mlp.apply(params, x, layers))(xs)
      return jnp.mean(jax.vmap(cost)(outputs, ys))

    passed = jax.vmap(lambda x: nf.mlp.forward(params, x, layers))(xs)
    from_z = {
      name: jax.vmap(jax.grad(lambda z, y, cost=cost: cost(_sigmoid(z), y)))(
        passed.preactivations[-1], ys
      )
      for name, cost in COSTS.items()
    }
    from_w = {
      name: jax.grad(functools.partial(mean, cost))(params)[-1]["w"]
      for name, cost in COSTS.items()
    }
    return passed, from_z, from_w

  passed, from_z, from_w = jax.tree.map(np.asarray, automatic(params))
  a = passed.outputs[-1]
  below = passed.outputs[-2] if len(sizes) > 2 else xs
  slope = a * (1 - a)
  quadratic = np.einsum("nj,nk->jk", (a - ys) * slope, below) / n
  entropy = np.einsum("nj,nk->jk", a - ys, below) / n
  stray = below[:, np.newaxis] * ((a - ys) * slope)[..., np.newaxis]
  stray /= from_z["quadratic"][..., np.newaxis]
  return {
    "quadratic_error": _relative(quadratic, from_w["quadratic"]),
    "entropy_error": _relative(entropy, from_w["cross-entropy"]),
    "error_error": _relative(a - ys, from_z["cross-entropy"]),
    "stray_error": np.max(np.abs(stray - below[:, np.newaxis])),
    "stray_factors": np.array([np.min(below), np.max(below)]),
  }


def _relative(actual, expected):
  return np.linalg.norm(actual - expected) / np.linalg.norm(expected)
