"""What adapts: how the gradient is found, and what it may change."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf
from experiments.rtrl_vs_tbptt.is_rtrl_needed import readings

_stepwise = nf.estimators.stepwise
_ALL = 1.0, 1.0


class Group(NamedTuple):
  """Methods that one compiled program runs: a number is all that differs."""

  names: tuple[str, ...]
  variants: np.ndarray  # [V, ...]
  # Of a variant: the estimator, and how much of the gradients of cell and of
  # readout are used, 0 or 1.
  make: Callable[[jax.Array], tuple[nf.base.GradientEstimator, Any]]


class Paths(NamedTuple):
  """The influence of the parameters, and through what it travels."""

  jacobian: jax.Array  # d h / d W  [N, N, Z]
  is_path: jax.Array  # Whether what unit j carries reaches unit i  [N, N]


def random_paths(
  cell: nf.base.AffineCell,
  loss_fn: nf.base.LossFn,
  num_paths: int | jax.Array,
) -> nf.base.GradientEstimator:
  """Real-time recurrent learning through k of the n inputs of every unit.

    J_t = (M * Phi_t) J_{t-1} + I_t,  Phi_t = diag(1 - h_t^2) W

  M has k ones in each row, drawn by `init` and kept. k = n is RTRL, k = 0 the
  immediate gradient, the identity for M SnAp-1. Multiplied out in full.

  Args:
    cell: a tanh cell.
    loss_fn: the loss of one step.
    num_paths: k; may be traced.

  Returns:
    The estimator.
  """

  def init(weights, key):
    num_units = len(weights)
    draws = jax.random.uniform(key, (num_units, num_units))
    ranks = jnp.argsort(jnp.argsort(draws, axis=1), axis=1)
    jacobian = jnp.zeros((num_units, *weights.shape), weights.dtype)
    return Paths(jacobian, ranks < num_paths)

  def advance(weights, influence, h_tm1, x_t):
    num_units = len(weights)
    z = cell.features(h_tm1, x_t)
    slope = 1 - cell.activate(weights @ z, h_tm1) ** 2
    transition = influence.is_path * slope[:, None] * weights[:, :num_units]
    before = influence.jacobian.reshape(num_units, -1)
    carried = (transition @ before).reshape(influence.jacobian.shape)
    own = jnp.diag(slope)[:, :, None] * z[None, None]
    jacobian = carried + own

    def pull(cotangent):
      return jnp.tensordot(cotangent, jacobian, 1)

    return influence._replace(jacobian=jacobian), pull

  influence = _stepwise.StepInfluence(init, advance)
  return _stepwise.from_step_influence(cell, loss_fn, influence)


def groups(
  cell: nf.base.AffineCell,
  loss_fn: nf.base.LossFn,
  num_units: int,
  num_paths: tuple[int, ...],
) -> tuple[Group, ...]:
  """Returns all that is compared; RTRL first."""
  exact = nf.estimators.rtrl(cell, loss_fn)
  own = nf.estimators.snap(cell, loss_fn, order=1)
  immediate = nf.estimators.truncated_bptt(cell, loss_fn)
  names = tuple(readings.paths(k, num_units) for k in num_paths)
  untrained = readings.FROZEN, readings.READOUT, readings.IMMEDIATE
  used = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]])

  def through(k):
    return random_paths(cell, loss_fn, k), _ALL

  return (
    Group((readings.RTRL,), np.zeros(1), lambda _: (exact, _ALL)),
    Group((readings.SNAP,), np.zeros(1), lambda _: (own, _ALL)),
    Group(untrained, used, lambda used: (immediate, used)),
    Group(names, np.array(num_paths), through),
  )
