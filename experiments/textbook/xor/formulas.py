"""The notes' formulas as they are printed and as they hold, against autodiff.

All is meant to be called under float64.
"""

from typing import Any, NamedTuple

import jax
import numpy as np
from jax import numpy as jnp
from scipy import special

import nnfun as nf
from experiments import sweeps
from experiments.textbook.xor import readings
from experiments.textbook.xor.readings import Weights

_act = nf.activations
# Of both layers: what the library uses, the same in NumPy, and its slope r'.
_KINDS = (
  (_act.relu, lambda z: np.maximum(z, 0), lambda z: np.where(z > 0, 1.0, 0.0)),
  (
    _act.sigmoid,
    special.expit,
    lambda z: special.expit(z) * special.expit(-z),
  ),
)
# Misprints of the way to the update formulas.
_SLOPE_AT_X_I = "r' of sum_k w_ik x_i in (1.13), (1.14)"
_SUM_OVER_H = "s_hi = sum_k w_ik h_k"
_FACTOR_X_I = "x_i for x_j below (1.14)"


class Misprint(NamedTuple):
  """How far a printed equation and its correction are from what holds."""

  printed: np.ndarray  # Largest deviation; 1 where shapes do not fit  []
  corrected: np.ndarray  # Of the equation with the misprint removed  []


def as_params(weights: Weights) -> nf.base.Params:
  """Returns the weights in the form of `nf.mlp`."""
  return tuple(
    {"w": w[..., :-1], "b": w[..., -1]}
    for w in (weights.hidden, weights.output[..., None, :])
  )


def as_weights(params: nf.base.Params) -> Weights:
  """Returns parameters of `nf.mlp`, leaves [..., out, in], as the notes do."""
  hidden, output = (
    np.concatenate([layer["w"], np.asarray(layer["b"])[..., None]], axis=-1)
    for layer in params
  )
  return Weights(hidden, output[..., 0, :])


def tables(weights: Weights, activation: nf.activations.Activation) -> Any:
  """Returns h_0, h_1, y for each pattern of networks [N, ...]: [N, 4, 3]."""
  layers, patterns = (activation, activation), jnp.array(readings.PATTERNS)

  def row(params, x):
    return jnp.concatenate(nf.mlp.forward(params, x, layers).outputs)

  table = jax.vmap(row, (None, 0))
  params = as_params(weights)
  return sweeps.sweep(lambda p: table(p, patterns), params, quick=True)


def update_error(seed: int, num_networks: int, misprint: str = "") -> float:
  """Returns the largest deviation of an update from autodiff."""
  rng = np.random.default_rng(seed)
  networks = Weights(
    rng.normal(size=(num_networks, 2, 3)), rng.normal(size=(num_networks, 3))
  )
  return max(
    np.max(np.abs(found - exact))
    for layer, activation, slope in _KINDS
    for found, exact in zip(
      _updates(networks, activation, slope, misprint),
      _gradients(layer, networks),
      strict=True,
    )
  )


def misprints(seed: int, num_networks: int) -> dict[str, Misprint]:
  """Computes every misprinted equation, and the same as it has to be."""
  found = {
    "U ends in w_15": _bias_of_the_output(seed),
    "W is 4 x 4 for five hidden nodes": _five_hidden_nodes(),
    "no sum over k before theorem 1.5.1": _sum_over_outputs(seed),
  }
  corrected = update_error(seed, num_networks)
  for name in (_SLOPE_AT_X_I, _SUM_OVER_H, _FACTOR_X_I):
    found[name] = Misprint(update_error(seed, num_networks, name), corrected)
  return {name: Misprint(*map(np.asarray, m)) for name, m in found.items()}


def _updates(weights, activation, slope, misprint):
  """Returns w - w' of equations 1.15 to 1.24, networks [N], patterns [4]."""
  w, u = weights
  x = _with_bias(readings.PATTERNS)
  sums = np.einsum("nik,pk->npi", w, x)
  h = _with_bias(activation(sums))
  s_y = np.einsum("nk,npk->np", u, h)
  delta = -(readings.TARGETS - activation(s_y)) * slope(s_y)
  x_j = x[:, None, :]
  if misprint == _SLOPE_AT_X_I:
    sums = np.einsum("nik,pi->npi", w, x[:, :2])
  elif misprint == _SUM_OVER_H:
    sums = np.einsum("nik,npk->npi", w, h)
  elif misprint == _FACTOR_X_I:
    x_j = x[:, :2, None]
  back = delta[..., None] * u[:, None, :2] * slope(sums)
  return Weights(back[..., None] * x_j, delta[..., None] * h)


def _gradients(layer, networks):
  """Returns the gradient of each network for each pattern, [N, 4, ...]."""

  def cost(params, x, t):
    return nf.losses.quadratic(nf.mlp.apply(params, x, (layer, layer)), t)

  one = jax.vmap(jax.grad(cost), (None, 0, 0))
  xs, ts = jnp.array(readings.PATTERNS), jnp.array(readings.TARGETS[:, None])
  params = as_params(networks)
  return as_weights(sweeps.sweep(lambda p: one(p, xs, ts), params, quick=True))


def _bias_of_the_output(seed):
  """Section 1.2: the output's bias is a weight of its own, u_15."""
  rng = np.random.default_rng(seed)
  w, u, x = rng.normal(size=(4, 5)), rng.normal(size=5), rng.normal(size=4)
  params = as_params(Weights(w, u))
  (exact,) = nf.mlp.apply(params, x, [_act.identity] * 2)
  h = np.append(w @ np.append(x, 1), 1)
  return Misprint(
    abs(np.append(u[:4], w[0, 4]) @ h - exact), abs(u @ h - exact)
  )


def _five_hidden_nodes():
  """Equation 1.1: four inputs and five hidden nodes ask for a W of 5 x 4."""

  def refused(num_rows):
    params = as_params(Weights(np.ones((num_rows, 5)), np.ones(6)))
    try:
      nf.mlp.apply(params, np.ones(4), [_act.identity] * 2)
    except ValueError:
      return 1.0
    return 0.0

  return Misprint(refused(4), refused(5))


def _sum_over_outputs(seed):
  """Section 1.5: dL/dw = sum_k dL/dh_k dh_k/dw; printed with a free k."""
  params = nf.mlp.init(jax.random.key(seed), [2, 3, 2])
  x, t = np.random.default_rng(seed).normal(size=(2, 2))

  def outputs(params):
    return nf.mlp.apply(params, x, [_act.sigmoid] * 2)

  exact = jax.grad(lambda p: nf.losses.quadratic(outputs(p), t))(params)
  slopes = jax.jacrev(outputs)(params)[0]["w"]
  terms = (outputs(params) - t)[:, None, None] * slopes
  *errors, corrected = (
    np.max(np.abs(found - exact[0]["w"])) for found in (*terms, terms.sum(0))
  )
  return Misprint(min(errors), corrected)  # Wrong for every k.


def _with_bias(x):
  return np.concatenate([x, np.ones_like(x[..., :1])], axis=-1)
