"""Every estimator, with what it promises: a new one is a line in each table.

INTERFACE: all of them. EXACT: whose estimates sum to the gradient, for every
segment length. BIASED: with the oracle of what they compute instead. UNBIASED:
whose mean over keys is the gradient; as long as the library has none, one that
is made here from an exact one shows what the test can tell.
"""

import functools

import jax
from jax import numpy as jnp

import nnfun as nf
from tests import oracles

NUM_STEPS = 12  # Of an episode; a rolling window as long is exact.


_lazy = functools.partial(nf.estimators.rtrl, flush_every=5)
_rolling = functools.partial(nf.estimators.rolling_bptt, window=NUM_STEPS)


def coin(cell, loss_fn, probability=0.5):
  """The exact gradient or nothing, doubled: unbiased if the coin is fair."""
  exact = nf.estimators.rtrl(cell, loss_fn)

  def init(params, key):
    return exact.init(params, key), key

  def update(params, state, xs, ys, resets=None):
    state, key = state
    key, key_coin = jax.random.split(key)
    state, estimate = exact.update(params, state, xs, ys, resets)
    weight = 2.0 * jax.random.bernoulli(key_coin, probability)
    grads = jax.tree.map(lambda g: weight.astype(g.dtype) * g, estimate.grads)
    return (state, key), estimate._replace(grads=grads)

  return nf.GradientEstimator(init, update)


# Name -> constructor, and cells in which its code takes each of its ways.
INTERFACE = {
  "truncated_bptt": (nf.estimators.truncated_bptt, ("vanilla",)),
  "rtrl": (nf.estimators.rtrl, ("vanilla",)),
  "lazy_rtrl": (_lazy, ("vanilla", "lstm", "stack")),
  "rolling_bptt": (_rolling, ("bare",)),
  "short_rolling_bptt": (functools.partial(_rolling, window=3), ("vanilla",)),
  "diagonal_rtrl": (nf.estimators.diagonal_rtrl, ("elstm",)),
}

EXACT = {
  name: INTERFACE[name][0]
  for name in ("rtrl", "lazy_rtrl", "rolling_bptt", "diagonal_rtrl")
}

UNBIASED = {"coin": coin}

# Name -> constructor, and (cell, loss_fn, params, xs, ys) -> the gradient of
# each step, with K = 1.
BIASED = {
  "truncated_bptt": (
    nf.estimators.truncated_bptt,
    functools.partial(oracles.truncated_gradients, segment=1),
  ),
  "short_rolling_bptt": (
    INTERFACE["short_rolling_bptt"][0],
    lambda cell, loss_fn, params, xs, ys: oracles.online_gradients(
      cell, loss_fn, [params] * len(xs), xs, ys, window=3
    ),
  ),
}

# Every estimator in the cells where the rest of the contract is tried.
CASES = [
  (f"{name}_{cell}", name, cell)
  for name, (_, cells) in INTERFACE.items()
  for cell in cells
]


def make(name, cell_name, *, seed=0, dtype=None, **settings):
  """Returns a cell, its loss, parameters and the estimator.

  The same ones whenever asked for the same, so that a test file compiles its
  update once.
  """
  dtype = jnp.dtype(dtype or jnp.result_type(float))
  return _make(name, cell_name, seed, dtype, **settings)


@functools.cache
def _make(name, cell_name, seed, dtype, **settings):
  cell = oracles.CELLS[cell_name]()
  loss_fn = oracles.make_loss(cell)
  params = oracles.make_params(cell, seed, dtype)
  estimator = INTERFACE[name][0](cell, loss_fn, **settings)
  return cell, loss_fn, params, estimator
