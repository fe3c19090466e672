"""The notes' formulas as they are printed and as they hold, against autodiff.

All is meant to be called under float64.
"""

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf
from experiments import sweeps
from experiments.textbook.xor import readings

_act = nf.activations
# Misprints of the way to the update formulas.
UPDATES = (
  "r' of sum_k w_ik x_i in (1.13), (1.14)",
  "s_hi = sum_k w_ik h_k",
  "x_i for x_j below (1.14)",
)


def as_params(network: jax.Array) -> nf.base.Params:
  """Returns a network of the notes, [3, 3], in the form of `nf.mlp`."""
  layers = network[:2], network[2:]
  return tuple({"w": layer[:, :2], "b": layer[:, 2]} for layer in layers)


def tables() -> dict[str, np.ndarray]:
  """Returns h_0, h_1, y of the notes' networks for each pattern, [4, 3]."""
  networks = {
    "signed, sigmoid": (readings.SIGNED, _act.sigmoid),
    "printed, sigmoid": (readings.PRINTED, _act.sigmoid),
    "printed, ReLU": (readings.PRINTED, _act.relu),
    "trained, ReLU": (readings.TRAINED, _act.relu),
  }

  def row(network, activation, x):
    layers = activation, activation
    return np.concatenate(nf.mlp.forward(as_params(network), x, layers).outputs)

  return {
    name: np.array([row(*network, x) for x in readings.PATTERNS])
    for name, network in networks.items()
  }


def misprints(seed: int) -> dict[str, np.ndarray]:
  """Returns how far equations are from what holds, printed and corrected."""
  rng = np.random.default_rng(seed)
  networks = rng.normal(size=(200, 3, 3))

  @sweeps.quick_jit
  def compute():
    errors = {name: _update_error(networks, name) for name in ("", *UPDATES)}
    return {
      "no sum over k before theorem 1.5.1": _sum_over_outputs(rng),
      **{name: [errors[name], errors[""]] for name in UPDATES},
    }

  return {name: np.array(pair) for name, pair in compute().items()}


def _update_error(networks, misprint):
  """Returns the largest deviation of an update from autodiff."""

  def gap(network, x, t):
    return [
      _update(network, x, t, f, misprint) - jax.grad(_cost)(network, x, t, f)
      for f in (_act.relu, _act.sigmoid)
    ]

  xs, ts = (
    np.resize(printed, (len(networks), *printed.shape[1:]))
    for printed in (readings.PATTERNS, readings.TARGETS)
  )
  return jnp.max(jnp.abs(jnp.array(jax.vmap(gap)(networks, xs, ts))))


def _cost(network, x, t, activation):
  (y,) = nf.mlp.apply(as_params(network), x, (activation, activation))
  return nf.losses.quadratic(y, t)


def _update(network, x, t, activation, misprint=""):
  """Returns w - w' of equations 1.15 to 1.24 for one pattern, [3, 3]."""
  w, u, x = network[:2], network[2], jnp.append(x, 1)
  s_h = w @ x
  h = jnp.append(activation(s_h), 1)
  s_y, x_j = u @ h, x[None]
  delta = -(t - activation(s_y)) * activation.slope(s_y)
  if misprint == UPDATES[0]:
    s_h = jnp.sum(w, axis=1) * x[:2]
  elif misprint == UPDATES[1]:
    s_h = w @ h
  elif misprint == UPDATES[2]:
    x_j = jnp.broadcast_to(x[:2, None], (2, 3))
  back = delta * u[:2] * activation.slope(s_h)
  return jnp.vstack([back[:, None] * x_j, delta * h])


def _sum_over_outputs(rng):
  """Section 1.5: dL/dw = sum_k dL/dh_k dh_k/dw; printed with a free k."""
  w, u = ({"w": rng.normal(size=(2, 2)), "b": np.ones(2)} for _ in range(2))
  x, t = rng.normal(size=(2, 2))

  def outputs(w):
    return nf.mlp.apply((w, u), x, [_act.sigmoid] * 2)

  exact = jax.grad(lambda w: nf.losses.quadratic(outputs(w), t))(w)["w"]
  terms = (outputs(w) - t)[:, None, None] * jax.jacrev(outputs)(w)["w"]
  errors = [jnp.max(jnp.abs(found - exact)) for found in (*terms, terms.sum(0))]
  return [jnp.minimum(errors[0], errors[1]), errors[2]]  # Wrong for every k.
