"""Backpropagation through time that is cut at random, without bias."""

from typing import NamedTuple

import jax
from jax import numpy as jnp

from nnfun import base, numerics
from nnfun.estimators import checks, segment
from nnfun.estimators.truncated_bptt import truncated_bptt


class ArtbpState(NamedTuple):
  """Where a stream stands between two segments."""

  cell: base.State
  key: base.Array


def artbp(
  cell: base.Cell,
  loss_fn: base.LossFn,
  *,
  stop_probability: float,
  precision: str | None = "highest",
  remat: bool = False,
) -> base.GradientEstimator:
  """Cuts the way back before any step at random, and weighs what goes on.

    delta_t = d loss_t / d s_t + m_{t+1} delta_{t+1} Phi_{t+1},
    m = 0 with probability c, else 1 / (1 - c)

  As E m = 1, the mean over the cuts is the gradient through the segment: that
  of the episode if the segment is the episode. Nothing else is credited: what
  lies before the segment is not seen, with any cuts, so that with several
  segments an episode the mean is that of `truncated_bptt`. c = 0 is
  `truncated_bptt` itself.

  A way of k steps has the weight (1 - c)^-k with probability (1 - c)^k, hence
  the second moment (1 - c)^-k: the variance grows exponentially with c K unless
  Phi shrinks faster than sqrt(1 - c).

  Cost and memory are those of `truncated_bptt` for an ordinary cell: what is
  cut is a product with zero here. A stretch of 1 / c steps on the average could
  be run by itself, in memory for these.

  Args:
    cell: any cell.
    loss_fn: the loss of one step.
    stop_probability: c, at least 0 and less than 1.
    precision: of products, see `rtrl`.
    remat: as of `truncated_bptt`.

  Returns:
    The estimator.

  Raises:
    ValueError: if c is out of range, or the cell is none.

  References:
    Tallec, Ollivier, Unbiasing truncated backpropagation through time, 2017,
    https://arxiv.org/abs/1705.08209 (with one c for all steps)
  """
  checks.check_is_cell(cell)
  if not 0 <= stop_probability < 1:
    raise ValueError(
      f"expected 0 <= stop_probability < 1, got {stop_probability}"
    )

  def step_fn(params, state_tm1, step):
    x_t, weight = step
    state_tm1 = jax.tree.map(lambda s: _weigh(s, weight), state_tm1)
    return cell.step(params, state_tm1, x_t)

  weighed = base.Cell(cell.init, cell.initial_state, step_fn)
  one = truncated_bptt(weighed, loss_fn, precision=None, remat=remat)

  def init(params, key):
    return ArtbpState(
      base.initial_state(cell, params["cell"]), checks.own_key(key)
    )

  def update(params, state, xs, ys, resets):
    key, key_cut = jax.random.split(state.key)
    num_steps = jax.tree.leaves(xs)[0].shape[0]
    # Of the weight as the state's dtype has it, so that the mean is 1.
    dtype = base.params_dtype(params["cell"])
    weight = jnp.asarray(1 / (1 - float(stop_probability)), dtype)
    probability = 1 - 1 / numerics.widen(weight)
    is_cut = jax.random.bernoulli(key_cut, probability, (num_steps,))
    weights = jnp.where(is_cut, 0, weight)
    inner = segment.SegmentState(state.cell, ())
    inner, estimate = one.update(params, inner, (xs, weights), ys, resets)
    return ArtbpState(inner.cell, key), estimate

  return segment.estimator(init, update, precision=precision)


@jax.custom_jvp
def _weigh(state, weight):
  """The state itself, whose derivative has a weight."""
  del weight
  return state


@_weigh.defjvp
def _weigh_jvp(primals, tangents):
  (state, weight), (tangent, _) = primals, tangents
  # Selected and not only multiplied: what comes back to a cut may be NaN.
  passed = jnp.where(weight == 0, 0, weight.astype(state.dtype) * tangent)
  return state, passed
