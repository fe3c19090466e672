"""Estimators that leave something out: when nothing is, and what they compute.

A limit is compared with the gradient of the whole sequence, a rule with its own
recursion, written with dense Jacobians:

  J_t = carry(J_{t-1}, Phi_t, D_t) + I_t,  g = sum_t lambda_t^T J_t,

with Phi = d s_t / d s_tm1, and D that part of it which does not pass through
the products a = W z of an affine cell.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jax import flatten_util, lax
from jax import numpy as jnp

import nnfun as nf
from experiments.rtrl_vs_tbptt.exactness import reference

Make = Callable[..., nf.GradientEstimator]
CarryFn = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]


def ring(num_inputs: int, num_units: int) -> nf.Cell:
  """A tanh cell in which a unit reads itself, the one before it and inputs."""
  cell = nf.cells.vanilla(num_inputs=num_inputs, num_units=num_units)
  (specs,) = jax.tree.leaves(jax.eval_shape(cell.init, jax.random.key(0)))
  mask = np.ones(specs.shape, bool)
  mask[:, :num_units] = _ring(num_units)
  return nf.cells.sparse(cell, mask)


def _ring(num_units):
  own = np.eye(num_units, dtype=bool)
  return own | np.roll(own, 1, axis=0)


def _set(make, **settings):
  """An estimator with settings, a number or that of what it is made for."""

  def made(problem):
    chosen = {
      name: value(problem) if callable(value) else value
      for name, value in settings.items()
    }
    return make(problem.cell, problem.loss_fn, **chosen)

  return made


def _num_units(problem):
  return problem.cell.initial_state().size


def _num_features(problem):
  return jax.tree.leaves(problem.params["cell"])[0].shape[-1]


_E = nf.estimators

# Name -> cell, estimator, and whether the sequence is one segment.
LIMITS = {
  "SnAp-2 of dense weights": ("vanilla", _set(_E.snap, order=2), False),
  "SnAp-1 of a diagonal cell": ("lru", _set(_E.snap, order=1), False),
  "layer-wise RTRL of one layer": (
    "lru",
    _set(_E.layerwise_diagonal_rtrl),
    False,
  ),
  "sketched RTRL of full rank": (
    "vanilla",
    _set(_E.sketched_rtrl, rank=_num_units),
    False,
  ),
  "OK-RTRL of full rank": (
    "vanilla",
    _set(_E.ok_rtrl, rank=_num_features),
    False,
  ),
  "adaptive BPTT of tolerance 0": (
    "vanilla",
    _set(_E.adaptive_bptt, tolerance=0.0),
    False,
  ),
  "ARTBP that never stops": (
    "vanilla",
    _set(_E.artbp, stop_probability=0.0),
    True,
  ),
}


def _snap(influence, phi, leak, *, reach):
  """Keeps of Phi J what the parameters of a unit reach; I is within it."""
  del leak
  num_each = influence.shape[1] // len(phi)
  mask = np.repeat(reach(len(phi)), num_each, axis=1)
  return jnp.where(mask, phi @ influence, 0)


# Name -> cell, estimator, and how it carries J.
RULES: dict[str, tuple[str, Make, CarryFn]] = {
  "SnAp-1": (
    "vanilla",
    _set(_E.snap, order=1),
    functools.partial(_snap, reach=np.eye),
  ),
  "SnAp-2 of a ring": (
    "ring",
    _set(_E.snap, order=2),
    functools.partial(_snap, reach=_ring),
  ),
  "e-prop": ("lstm", _set(_E.eprop), lambda j, phi, leak: leak @ j),
  "RFLO": (
    "gru",
    _set(_E.rflo, feedback="symmetric"),
    lambda j, phi, leak: jnp.diag(leak)[:, None] * j,
  ),
}


class Errors(NamedTuple):
  """Relative errors of the family."""

  name: np.ndarray  # Of limit or rule  [N]
  is_limit: np.ndarray  # [N]
  error: np.ndarray  # [S, N]


def compare(
  make_problem: Callable[[str], reference.Problem],
  sweep: Callable[..., dict[str, np.ndarray]],
) -> Errors:
  """Compares limits with the gradient, and rules with their recursions.

  Args:
    make_problem: the name of a cell to networks and sequences of all seeds.
    sweep: (function of one problem, problems) to its results for all seeds.

  Returns:
    The errors.
  """
  names, found = [*LIMITS, *RULES], {}
  for cell in dict.fromkeys(row[0] for row in (LIMITS | RULES).values()):
    # What one cell is made for is one program.
    found |= sweep(functools.partial(_errors_on, cell), make_problem(cell))
  return Errors(
    np.array(names),
    np.arange(len(names)) < len(LIMITS),
    np.stack([found[name] for name in names], axis=1),
  )


def _errors_on(cell, problem):
  """Returns the errors [] of the limits and rules for a cell, by name."""
  whole = jnp.ones((1, len(problem.xs)))
  used = reference.hold(problem.params, len(problem.xs))
  exact = reference.gradients(problem, used, whole, whole)
  errors = {}
  for name, (own, make, is_whole) in LIMITS.items():
    if own == cell:
      segment = len(problem.xs) if is_whole else 1
      errors[name] = _distance(problem, make, segment, exact)
  for name, (own, make, carry) in RULES.items():
    if own == cell:
      expected = jax.tree.map(lambda g: g[None], carried(problem, carry))
      errors[name] = _distance(problem, make, 1, expected)
  return errors


def _distance(problem, make, segment, expected):
  """Returns the relative error [] to a gradient, leaves [1, ...]."""
  estimate = nf.training.episode_gradient(
    make(problem),
    problem.params,
    jax.random.key(0),  # What is exact is so for any.
    problem.xs,
    problem.ys,
    segment=segment,
  )
  grads = jax.tree.map(lambda leaf: leaf[None], estimate.grads)
  return reference.errors(grads, expected)[0]


def carried(problem: reference.Problem, carry: CarryFn) -> nf.base.Params:
  """Returns the summed gradient by a recursion with dense Jacobians.

  Args:
    problem: one network and sequence.
    carry: (J_{t-1}, Phi_t, D_t) to what is left of J_{t-1}; D_t is zero for a
      cell that is not affine.

  Returns:
    The gradient, that of the readout in full.
  """
  cell, params = problem.cell, problem.params
  theta, unravel_theta = flatten_util.ravel_pytree(params["cell"])
  state_0 = nf.base.initial_state(cell, params["cell"])
  flat_0, unravel = flatten_util.ravel_pytree(state_0)

  def flat(state):
    return flatten_util.ravel_pytree(state)[0]

  def body(carried, step):
    s_tm1, influence = carried
    x_t, y_t = step

    def of_both(theta, s_tm1):
      return flat(cell.step(unravel_theta(theta), unravel(s_tm1), x_t))

    def past_products(s):
      z = cell.features(unravel(s_tm1), x_t)
      a = nf.base.preactivation(params["cell"], z)
      return flat(cell.activate(a, unravel(s)))

    immediate, phi = jax.jacrev(of_both, (0, 1))(theta, s_tm1)
    leak = jnp.zeros_like(phi)
    if isinstance(cell, nf.AffineCell):
      leak = jax.jacrev(past_products)(s_tm1)
    influence = carry(influence, phi, leak) + immediate
    s_t = of_both(theta, s_tm1)
    direct, slope = jax.grad(problem.loss_fn, (0, 1))(params, unravel(s_t), y_t)
    through = unravel_theta(flat(slope) @ influence)
    total = jax.tree.map(jnp.add, direct["cell"], through)
    return (s_t, influence), {**direct, "cell": total}

  start = flat_0, jnp.zeros((flat_0.size, theta.size))
  grads = lax.scan(body, start, (problem.xs, problem.ys))[1]
  return jax.tree.map(lambda g: g.sum(axis=0), grads)
