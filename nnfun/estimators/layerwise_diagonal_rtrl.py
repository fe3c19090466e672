"""Diagonal RTRL within every layer of a stack, backpropagation between them."""

import jax

from nnfun import base
from nnfun.estimators import diagonal_influence, segment


def layerwise_diagonal_rtrl(
  cell: base.DiagonalCell | base.StackedCell,
  loss_fn: base.LossFn,
  *,
  precision: str | None = "highest",
) -> base.GradientEstimator:
  """Carries the influence of every layer on itself, and none between layers.

    E_t^l = Phi_t^{ll} E_tm1^l + I_t^l,
    d loss_t / d theta^l ~ lambda_t^l E_t^l,

  where Phi^{ll} = d s_t^l / d s_tm1^l is block-diagonal, I^l the immediate
  influence, and lambda_t^l the derivative of loss_t with respect to s_t^l, also
  through the layers above at the same step. What is left out is how a layer
  reaches a later loss through the memory of a layer above: the last layer gets
  its exact gradient, a single layer too, those below an approximation. Within a
  segment of K steps nothing is left out.

  A layer costs what `diagonal_rtrl` does, D times the memory of its parameters
  and D^2 times as many products a step, D the numbers of state of a unit; every
  layer but the last is run forward once more.

  Args:
    cell: a stack of `DiagonalCell`s (lru, elstm, indrnn), or one of them. A
      layer may be such a stack itself.
    loss_fn: the loss of one step.
    precision: of products, see `rtrl`.

  Returns:
    The estimator.

  Raises:
    ValueError: if the cell, or a layer, is of another kind.

  References:
    Zucchet, Meier, Schug, Mujika, Sacramento, Online learning of long-range
    dependencies, 2023, https://arxiv.org/abs/2305.15947
  """
  influence = _layerwise_influence(cell)
  return segment.from_influence(cell, loss_fn, influence, precision=precision)


def _layerwise_influence(cell):
  """One influence a layer, in the structure of the stack."""
  if isinstance(cell, base.DiagonalCell):
    return diagonal_influence.influence(cell)
  if not isinstance(cell, base.StackedCell):
    raise ValueError(
      "expected a stack of DiagonalCells, whose units do not read each other's "
      f"state (lru, elstm, indrnn), or one of them, got {type(cell).__name__}"
    )
  influences = list(map(_layerwise_influence, cell.layers))

  def init(params, key):
    return tuple(
      influence.init(theta, key)
      for influence, theta in zip(influences, params, strict=True)
    )

  def advance(params, carried, states, xs, resets):
    read = _inputs(cell, params, states, xs)
    layers = zip(influences, params, carried, states, read, strict=True)
    advanced = [
      influence.advance(theta, before, s, x, resets)
      for influence, theta, before, s, x in layers
    ]
    after, pulls = zip(*advanced, strict=True)

    def pull(cotangent):
      return tuple(p(c) for p, c in zip(pulls, cotangent, strict=True))

    return after, pull

  return base.Influence(init, advance)


def _inputs(cell, params, states, xs):
  """What each layer reads, leaves [K, ...], from where the steps start."""
  inputs = [xs]
  for layer, theta, s_tm1 in zip(
    cell.layers[:-1], params, states, strict=False
  ):

    def run(s_tm1, x_t, layer=layer, theta=theta):
      return layer.output(layer.step(theta, s_tm1, x_t))

    inputs.append(jax.vmap(run)(s_tm1, inputs[-1]))
  return inputs
