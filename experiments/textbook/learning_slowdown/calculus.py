"""Calculus of the two costs: minima, integrals and gradients, in float64."""

from typing import NamedTuple

import jax
import numpy as np
from jax import lax
from scipy import integrate, special

import nnfun as nf
from experiments import sweeps

COSTS = {
  "quadratic": nf.losses.quadratic,
  "cross-entropy": nf.losses.binary_cross_entropy,
}
_sigmoid = nf.activations.sigmoid


class Minima(NamedTuple):
  """The cross-entropy of each of Y targets over A outputs in (0, 1]."""

  targets: np.ndarray  # y  [Y]
  outputs: np.ndarray  # a  [A]
  costs: np.ndarray  # [Y, A]
  printed_costs: np.ndarray  # As in (22), with 1 - a for 1 - y  [Y, A]
  slopes: np.ndarray  # dC / da by autodiff  [Y, A]
  descended: np.ndarray  # sigma(z) after descent on z from 0  [Y]


def printed_cost(a: jax.Array, y: jax.Array) -> jax.Array:
  """The problem set's (22): 1 - a stands where 1 - y should."""
  return -(nf.numerics.xlogy(y, a) + nf.numerics.xlog1py(1 - a, -a))


def minima(num_targets: int) -> Minima:
  """Looks where the cost of each target is least."""
  cost, num_outputs = COSTS["cross-entropy"], 20 * (num_targets + 1)
  y = np.arange(1, num_targets + 1) / (num_targets + 1)
  a = np.arange(1, num_outputs + 1) / num_outputs  # Every target is among them.

  def of_target(y):
    curves = [
      jax.vmap(f, (0, None))(a, y) for f in (cost, printed_cost, jax.grad(cost))
    ]
    slope = jax.grad(lambda z: cost(_sigmoid(z), y))
    # The rate is one over the largest curvature in z.
    z = lax.fori_loop(0, 2000, lambda _, z: z - 4.0 * slope(z), 0.0)
    return *curves, _sigmoid(z)

  return Minima(y, a, *sweeps.sweep(of_target, y, quick=True))


def integrals(
  num_paths: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
  """Integrates the derivatives, and takes off the rise of the cost itself."""
  cost = sweeps.quick_jit(COSTS["cross-entropy"])

  def excess(x, y, start, end, bend):  # The last of the weights is b.
    def power(t):
      w = start + t * (end - start) + t * (1 - t) * bend
      velocity = end - start + (1 - 2 * t) * bend
      return (special.expit(x @ w) - y) * (x @ velocity)

    rise = cost(special.expit(x @ end), y) - cost(special.expit(x @ start), y)
    return integrate.quad(power, 0, 1, epsabs=1e-12)[0] - rise

  def on_a_path():
    x, y = np.append(rng.normal(size=3), 1.0), rng.uniform()
    return excess(x, y, *rng.normal(size=(3, 4)))

  over_b = [
    excess(np.ones(1), y, np.zeros(1), np.array([b]), np.zeros(1))
    for y in (0.0, 0.1, 0.5, 0.8, 1.0)
    for b in (-6.0, -2.0, 1.0, 4.0)
  ]
  paths = [on_a_path() for _ in range(num_paths)]
  return {"over b": np.array(over_b), "along random paths": np.array(paths)}


def gradients(rng: np.random.Generator) -> dict[str, np.ndarray]:
  """Returns errors of formulas for an output layer against autodiff."""
  layer = {"w": rng.normal(size=(3, 5)), "b": rng.normal(size=3)}
  below, ys = rng.uniform(size=(8, 5)), rng.uniform(size=(8, 3))

  def of_examples(cost):  # Where dC/db is dC/dz.
    def of_example(layer, x, y):
      return cost(nf.mlp.apply((layer,), x, (_sigmoid,)), y)

    gradient = jax.vmap(jax.grad(of_example), (None, 0, 0))
    return sweeps.quick_jit(gradient)(layer, below, ys)

  found, errors = {name: of_examples(cost) for name, cost in COSTS.items()}, {}
  a = special.expit(below @ layer["w"].T + layer["b"])
  slowed = (a - ys) * a * (1 - a)
  for name, dz in (("quadratic", slowed), ("cross-entropy", a - ys)):
    dw, auto = dz.T @ below / len(below), np.mean(found[name]["w"], axis=0)
    errors[f"{name}, dC/dz"] = _relative(dz, found[name]["b"])
    errors[f"{name}, dC/dw"] = _relative(dw, auto)
  # With the factor a_k that is printed, of the first output.
  printed = below * slowed[:, :1] / found["quadratic"]["b"][:, :1]
  return errors | {"printed": np.max(np.abs(printed - below))}


def _relative(actual, expected):
  return np.linalg.norm(actual - expected) / np.linalg.norm(expected)
