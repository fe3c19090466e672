"""Truncated backpropagation through time."""

import jax
from jax import numpy as jnp

from nnfun import base
from nnfun.estimators import segment


def truncated_bptt(
  cell: base.Cell,
  loss_fn: base.LossFn,
  *,
  precision: str | None = "highest",
  remat: bool = False,
) -> base.GradientEstimator:
  """Backpropagates to the start of each segment and no further.

  With segments of K steps this is BPTT(K, K); with K = T it is the exact
  gradient of the episode, with K = 1 the immediate gradient. A loss at step k
  of a segment is credited to the last k steps only, a bias that no learning
  rate removes.

  Args:
    cell: any cell.
    loss_fn: the loss of one step.
    precision: of products, see `rtrl`.
    remat: whether to keep every sqrt(K)-th state only and to run the steps
      between once more on the way back: memory O(sqrt(K)) for O(K), for about
      a third more time. For long segments.

  Returns:
    The estimator.

  References:
    Williams, Peng, An efficient gradient-based algorithm for on-line training
    of recurrent network trajectories, 1990,
    https://doi.org/10.1162/neco.1990.2.4.490; Chen, Xu, Zhang, Guestrin,
    Training deep nets with sublinear memory cost, 2016,
    https://arxiv.org/abs/1604.06174
  """
  influence = _no_influence()
  return segment.from_influence(
    cell, loss_fn, influence, precision=precision, remat=remat
  )


def _no_influence():
  """The influence that is zero: a first state is a constant."""

  def init(params, key):
    del params, key
    return ()

  def advance(params, influence, states, xs, resets):
    del states, xs, resets

    def pull(cotangent):
      del cotangent
      return jax.tree.map(jnp.zeros_like, params)

    return influence, pull

  return base.Influence(init, advance)
