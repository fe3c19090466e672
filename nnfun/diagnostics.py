"""Measurements of gradients: how far they reach and how wrong they are."""

from typing import NamedTuple

import jax
from jax import flatten_util, lax
from jax import numpy as jnp

from nnfun import base, numerics, vectors


def gradient_norm_by_lag(
  cell: base.Cell,
  loss_fn: base.LossFn,
  params: base.Params,
  xs: base.PyTree,
  y_last: base.PyTree,
) -> base.Array:
  """Returns how strongly the last loss depends on each earlier state.

    g_k = norm(d loss_T / d s_{T - k}),  k = 0 ... T - 1

  Args:
    cell: any cell.
    loss_fn: the loss of one step.
    params: the parameters, with the entries "cell" and "readout".
    xs: inputs, leaves [T, ...].
    y_last: what the loss of the last step needs.

  Returns:
    [T], by lag k.
  """
  theta = params["cell"]
  state_0 = base.initial_state(cell, theta)
  step_fn, unravel = vectors.flat_step(cell, state_0)

  def forward(s_tm1, x_t):
    return step_fn(theta, s_tm1, x_t), s_tm1

  s_0 = flatten_util.ravel_pytree(state_0)[0]
  s_last, starts = lax.scan(forward, s_0, xs)
  last = jax.grad(lambda s: loss_fn(params, unravel(s), y_last))(s_last)

  def backward(cotangent, start):
    s_tm1, x_t = start
    _, pull = jax.vjp(lambda s: step_fn(theta, s, x_t), s_tm1)
    return pull(cotangent)[0], numerics.global_norm(cotangent)

  _, norms = lax.scan(backward, last, (starts, xs), reverse=True)
  return norms[::-1]


class EstimatorError(NamedTuple):
  """How an estimator differs from the exact gradient."""

  cosine: base.Array  # of the mean estimate and the exact gradient  []
  relative_bias: base.Array  # norm(mean - exact) / norm(exact)  []
  standard_error: base.Array  # of the mean, norm over entries / norm(exact)  []
  relative_deviation: base.Array  # rms distance of one / norm(exact)  []


def estimator_error(
  estimates: base.Params, exact: base.Params
) -> EstimatorError:
  """Compares estimates of a gradient with the gradient.

  An estimator is consistent with being unbiased as long as `relative_bias`
  is a small multiple of `standard_error`.

  Args:
    estimates: N estimates, leaves [N, ...]; N = 1 for a deterministic one.
    exact: the gradient, leaves [...].

  Returns:
    The errors, in float32 or wider; the standard error is NaN for N = 1.

  Raises:
    ValueError: if the structures differ.
  """
  if jax.tree.structure(estimates) != jax.tree.structure(exact):
    raise ValueError(
      "expected estimates in the structure of the exact gradient "
      f"{jax.tree.structure(exact)}, got {jax.tree.structure(estimates)}"
    )
  shapes = [
    [jnp.shape(leaf) for leaf in jax.tree.leaves(tree)]
    for tree in (estimates, exact)
  ]
  if [shape[1:] for shape in shapes[0]] != shapes[1]:
    raise ValueError(
      f"expected estimates [N, ...] of a gradient with shapes {shapes[1]}, got "
      f"shapes {shapes[0]}"
    )
  samples = jax.vmap(lambda tree: flatten_util.ravel_pytree(tree)[0])(estimates)
  target = flatten_util.ravel_pytree(exact)[0]
  dtype = jnp.result_type(samples, target, jnp.float32)
  samples, target = samples.astype(dtype), target.astype(dtype)
  num_samples = samples.shape[0]
  mean = jnp.mean(samples, axis=0)
  # Norms without the squares of entries, which over- or underflow long before
  # a gradient does; for the same reason the cosine is that of unit vectors.
  norm = numerics.global_norm
  size = norm(target)
  num_pairs = num_samples * (num_samples - 1.0)
  return EstimatorError(
    cosine=(mean / norm(mean)) @ (target / size),
    relative_bias=norm(mean - target) / size,
    standard_error=norm(samples - mean[None]) / num_pairs**0.5 / size,
    relative_deviation=norm(samples - target[None]) / num_samples**0.5 / size,
  )


def first_nonfinite_step(tree: base.PyTree) -> base.Array:
  """Locates the first time step at which something is not finite.

  Args:
    tree: leaves [T, ...], a history of losses, states or gradients.

  Returns:
    The index of the first step with a NaN or an infinity in any leaf, or T if
    there is none; an integer scalar.

  Raises:
    ValueError: if the leaves are not [T, ...] with one T.
  """
  leaves = list(map(jnp.asarray, jax.tree.leaves(tree)))
  lengths = {leaf.shape[:1] for leaf in leaves}
  if len(lengths) != 1 or () in lengths:
    raise ValueError(
      "expected leaves [T, ...] with one number T of steps, got shapes "
      f"{[list(leaf.shape) for leaf in leaves]}"
    )
  bad = [
    jnp.any(~jnp.isfinite(leaf), axis=range(1, leaf.ndim)) for leaf in leaves
  ]
  # The step T, past the last, ends the search.
  return jnp.argmax(jnp.append(jnp.any(jnp.stack(bad), axis=0), True))


class NonFinite(NamedTuple):
  """What has a NaN or an infinity somewhere in it; booleans []."""

  params: base.Params  # for each leaf
  loss: base.Array
  grads: base.Params  # for each leaf


def nonfinite(params: base.Params, estimate: base.Estimate) -> NonFinite:
  """Says what of an update is not finite; a `measure` of `training.every`.

  Args:
    params: the parameters with which the estimate was made.
    estimate: of the loss and its gradient.

  Returns:
    Where there is something that is not finite.
  """

  def is_bad(leaf):
    return jnp.any(~jnp.isfinite(leaf))

  return NonFinite(*jax.tree.map(is_bad, (params, *estimate)))


def check_cell(
  cell: base.Cell | base.AffineCell | base.DiagonalCell | base.StackedCell,
  params: base.Params,
  state_tm1: base.State,
  x_t: base.PyTree,
) -> None:
  """Checks, with numbers, that a cell keeps the promise of its record.

  For an `AffineCell` that `step` is activate(W features(...)), for a
  `DiagonalCell` that `step` moves the units as `unit_step` does; for any cell
  that what comes back through `step` is linear in the cotangent, unlike in a
  cell that clips gradients by a `jax.custom_vjp`: what RTRL carries is d s_t /
  d params, a matrix. Estimators rely on it and cannot see it. Call it once,
  outside of jit.

  Args:
    cell: the cell, for instance a user's own.
    params: its parameters, random ones for preference.
    state_tm1: a state, not zero for preference.
    x_t: an input.

  Raises:
    ValueError: if the two differ by more than rounding, or are NaN.
  """
  base.initial_state(cell, params)  # For its checks.
  actual = base.step(cell, params, state_tm1, x_t)
  _check_linear(cell, params, state_tm1, x_t)
  if isinstance(cell, base.AffineCell):
    expected = base.affine_step(cell.features, cell.activate)(
      params, state_tm1, x_t
    )
    promise = "activate(W features(state_tm1, x_t), state_tm1)"
  elif isinstance(cell, base.DiagonalCell):
    theta, units = cell.split(params, state_tm1)
    expected = jax.vmap(cell.unit_step, (0, 0, None))(theta, units, x_t)
    actual = cell.split(params, actual)[1]
    promise = "unit_step of each unit"
  else:
    return
  shapes = [jax.tree.map(jnp.shape, tree) for tree in (actual, expected)]
  if shapes[0] != shapes[1]:
    raise ValueError(
      f"expected step to be {promise}, got states with shapes {shapes[0]} and "
      f"{shapes[1]}"
    )
  _check_close(actual, expected, f"step to be {promise}")


def _check_linear(cell, params, state_tm1, x_t):
  # Half precision would round what is scaled.
  params, state_tm1, x_t = map(_in_float32, (params, state_tm1, x_t))
  try:
    state_t, pull = jax.vjp(
      lambda *start: base.step(cell, *start, x_t), params, state_tm1
    )
    # Of both signs, and not constant: a softmax gives nothing back for that.
    cotangent = jax.tree.map(
      lambda s: jnp.cos(jnp.arange(s.size, dtype=s.dtype)).reshape(s.shape),
      state_t,
    )
    expected = pull(cotangent)
  except ValueError:  # No derivative; evolution strategies need none.
    return
  for scale in (2**-8, -(2**8)):  # Powers of two, which round nothing.
    scaled = jax.tree.map(lambda c, scale=scale: scale * c, cotangent)
    found = jax.tree.map(lambda g, scale=scale: g / scale, pull(scaled))
    finite = [
      bool(jnp.all(jnp.isfinite(g))) for g in jax.tree.leaves((found, expected))
    ]
    if not all(finite):  # As at a corner: that tells of no rule.
      return
    promise = "what comes back through step to be linear in the cotangent"
    _check_close(found, expected, promise, least=0)


def _in_float32(tree):
  def widen(leaf):
    is_short = jnp.issubdtype(leaf.dtype, jnp.floating) and (
      jnp.finfo(leaf.dtype).bits < 32
    )
    return leaf.astype(jnp.float32) if is_short else leaf

  return jax.tree.map(widen, jax.tree.map(jnp.asarray, tree))


def _check_close(actual, expected, promise, least=1):
  for a, e in zip(*map(jax.tree.leaves, (actual, expected)), strict=True):
    e = jnp.asarray(e, a.dtype)
    error = jnp.max(jnp.abs(a - e), initial=0)
    size = jnp.max(jnp.abs(e), initial=least)
    # Half of the digits; the negation catches NaN.
    if not error <= size * jnp.finfo(a.dtype).eps ** 0.5:
      raise ValueError(
        f"expected {promise}, got values that differ by {error:.3g}"
      )
