"""Layers whose units have one radius: the estimator beside the gradient."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
from jax import numpy as jnp

import nnfun as nf
from experiments import sweeps

_NUM_UNITS, _NUM_INPUTS, _NUM_OUTPUTS = 32, 4, 4
DTYPES = (np.float64, np.float32)
_CELL = nf.cells.lru(num_inputs=_NUM_INPUTS, num_units=_NUM_UNITS)


def compare(
  keys: jax.Array,
  lengths: np.ndarray,
  radii: np.ndarray,
  done: Callable[[Any], Any],
) -> tuple[np.ndarray, np.ndarray]:
  """Returns relative errors and cosines of errors propagated forward.

  All layers of a seed have the same weights and inputs, and a sequence of T
  steps is the end of the longest one, from a reset on.

  Args:
    keys: one for each seed [S].
    lengths: T, ascending [L].
    radii: r [R].
    done: told of each precision.

  Returns:
    Both by precision [S, 2, L, R].
  """
  longest = int(lengths[-1])
  steps = np.arange(longest) - (longest - lengths[:, None])
  forward, backward = nf.estimators.forward_errors, nf.estimators.truncated_bptt

  def everywhere(one):
    by_radius = jax.vmap(one, (None, 0, None, 0))
    by_length = jax.vmap(by_radius, (None, None, 0, 0))
    by_seed = jax.vmap(by_length, (0, None, None, 0))
    return lambda shared: by_seed(keys, radii, steps, shared)

  def exact(key, radius, step, _):
    return _gradient(backward, _member(key, radius, longest), step, np.float64)

  def errors(dtype, key, radius, step, exact):
    member = _member(key, radius, longest)
    estimate = _gradient(forward, member, step, dtype)
    norms = optax.tree.norm(estimate), optax.tree.norm(exact)
    difference = optax.tree.norm(optax.tree.sub(estimate, exact))
    product = optax.tree.vdot(estimate, exact)
    return difference / norms[1], product / (norms[0] * norms[1])

  shape = len(keys), len(lengths), len(radii)
  grads = sweeps.quick_jit(everywhere(exact))(np.zeros(shape))
  found = []
  for dtype in DTYPES:
    compare = sweeps.quick_jit(everywhere(functools.partial(errors, dtype)))
    found.append(done(jax.tree.map(np.asarray, compare(grads))))
  return tuple(np.stack(f, axis=1) for f in zip(*found, strict=True))


def _member(key, radius, num_steps):
  """In float32, and hence the same in both precisions."""
  key_cell, key_readout, key_x, key_y = jax.random.split(key, 4)
  theta = _CELL.init(key_cell)
  theta["nu"] = jnp.full(_NUM_UNITS, jnp.log(-jnp.log(radius)))
  theta["log_gamma"] = jnp.full(_NUM_UNITS, 0.5 * jnp.log1p(-(radius**2)))
  width = 2 * _NUM_UNITS
  readout = jax.random.normal(key_readout, (_NUM_OUTPUTS, width)) / width**0.5
  xs = jax.random.normal(key_x, (num_steps, _NUM_INPUTS))
  ys = jax.random.normal(key_y, (num_steps, _NUM_OUTPUTS))
  params = {"cell": theta, "readout": readout}
  return optax.tree.cast((params, xs, ys), np.float32)


def _loss(params, s_t, target):
  error = params["readout"] @ s_t - target.value
  return 0.5 * target.weight * jnp.sum(error**2)


def _gradient(make, member, step, dtype):
  """Of the sequence that begins where the step is 0."""
  params, xs, ys = optax.tree.cast(member, dtype)
  estimator = make(_CELL, _loss)
  state = estimator.init(params, jax.random.key(0))
  targets = nf.Target(ys, (step >= 0).astype(dtype))
  estimate = estimator.update(params, state, xs, targets, step == 0)[1]
  return optax.tree.cast(estimate.grads["cell"], np.float64)
