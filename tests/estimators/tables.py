"""Every estimator, with what it promises: a new one is a line in each table.

INTERFACE: all of them. EXACT: whose estimates sum to the gradient, for every
segment length. BIASED: with the oracle of what they compute instead. UNBIASED:
whose mean over keys is the gradient; one made here from an exact one shows what
the test can tell.
"""

import functools

import jax
import numpy as np
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


_adaptive = functools.partial(
  nf.estimators.adaptive_bptt, tolerance=0.5, max_window=6, measure_every=2
)
_artbp = functools.partial(nf.estimators.artbp, stop_probability=0.3)
_noise = dict(num_pairs=2, sigma=0.1)
_pes = functools.partial(nf.estimators.pes, **_noise)
_nres = functools.partial(nf.estimators.nres, **_noise)
_truncated_es = functools.partial(nf.estimators.truncated_es, **_noise)
_snap_1 = functools.partial(nf.estimators.snap, order=1)
_snap_2 = functools.partial(nf.estimators.snap, order=2)
_sketched = functools.partial(nf.estimators.sketched_rtrl, rank=2)
_uoro = functools.partial(nf.estimators.uoro, rank=2)
_ok = functools.partial(nf.estimators.ok_rtrl, rank=2)
_ktp = functools.partial(nf.estimators.ktp_rtrl, rank=2)
_symmetric_rflo = functools.partial(nf.estimators.rflo, feedback="symmetric")

# Name -> constructor, and cells in which its code takes each of its ways.
INTERFACE = {
  "truncated_bptt": (nf.estimators.truncated_bptt, ("vanilla",)),
  "rtrl": (nf.estimators.rtrl, ("vanilla",)),
  "lazy_rtrl": (_lazy, ("vanilla", "lstm", "stack")),
  "rolling_bptt": (_rolling, ("bare",)),
  "short_rolling_bptt": (functools.partial(_rolling, window=3), ("vanilla",)),
  "diagonal_rtrl": (nf.estimators.diagonal_rtrl, ("elstm",)),
  "layerwise_diagonal_rtrl": (
    nf.estimators.layerwise_diagonal_rtrl,
    ("indrnn",),
  ),
  "adaptive_bptt": (_adaptive, ("bare",)),
  "artbp": (_artbp, ("vanilla",)),
  "forward_errors": (nf.estimators.forward_errors, ("vanilla", "lru")),
  "pes": (_pes, ("vanilla",)),
  "nres": (_nres, ("vanilla",)),
  "truncated_es": (_truncated_es, ("vanilla",)),
  "snap_1": (_snap_1, ("lstm", "bare")),
  "snap_2": (_snap_2, ("sparse",)),
  "rflo": (nf.estimators.rflo, ("gru",)),
  "eprop": (nf.estimators.eprop, ("lstm",)),
  "sketched_rtrl": (_sketched, ("lstm",)),
  "uoro": (_uoro, ("stack",)),
  "kf_rtrl": (nf.estimators.kf_rtrl, ("vanilla",)),
  "ok_rtrl": (_ok, ("vanilla",)),
  "ktp_rtrl": (_ktp, ("lstm",)),
}

# Which are defined for an `AffineCell` alone.
AFFINE = ("rflo", "eprop", "kf_rtrl", "ok_rtrl", "ktp_rtrl")


def is_defined(name, cell_name):
  """Whether an estimator takes a cell; if not, it says which it takes."""
  cell = oracles.CELLS[cell_name]()
  if name in AFFINE:
    return isinstance(cell, nf.AffineCell)
  if "diagonal" in name:
    return isinstance(cell, nf.DiagonalCell)
  return name != "sketched_rtrl" or cell.input_spec is not None


EXACT = {
  name: INTERFACE[name][0]
  for name in (
    "rtrl",
    "lazy_rtrl",
    "rolling_bptt",
    "diagonal_rtrl",
  )
}

# Name -> constructor, and the segment length in which it is tried.
UNBIASED = {
  "coin": (coin, 1),
  "artbp": (_artbp, 4),
  "uoro": (nf.estimators.uoro, 1),
  "kf_rtrl": (nf.estimators.kf_rtrl, 1),
  "ok_rtrl": (_ok, 1),
  "ktp_rtrl": (_ktp, 1),
  # So little noise that the loss is a parabola within its reach.
  "pes": (functools.partial(_pes, sigma=1e-3), 1),
  "nres": (functools.partial(_nres, sigma=1e-3), 1),
}

# Name -> constructor, and (cell, loss_fn, params, xs, ys) -> the gradient of
# each step, with K = 1.
BIASED = {
  "forward_errors": (
    nf.estimators.forward_errors,
    functools.partial(oracles.truncated_gradients, segment=1),
  ),
  "sketched_rtrl": (
    _sketched,
    functools.partial(oracles.sketched_gradients, rank=2),
  ),
  "snap_1": (
    _snap_1,
    functools.partial(oracles.sparse_gradients, order=1),
  ),
  "snap_2": (
    _snap_2,
    functools.partial(oracles.sparse_gradients, order=2),
  ),
  "eprop": (
    nf.estimators.eprop,
    functools.partial(oracles.leaky_gradients, leak_fn=lambda d: d),
  ),
  "rflo": (
    _symmetric_rflo,
    functools.partial(
      oracles.leaky_gradients, leak_fn=lambda d: np.diag(np.diag(d))
    ),
  ),
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


def setting(cell_name, num_steps=6):
  """Returns a cell, its loss, parameters, inputs and targets."""
  cell = oracles.CELLS[cell_name]()
  loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
  return cell, loss_fn, params, *oracles.make_episode(num_steps)


def summed(estimator, params, xs, ys, segment=1):
  """The gradient of an episode."""
  gradient = functools.partial(
    nf.training.episode_gradient, estimator, segment=segment
  )
  return jax.jit(gradient)(params, jax.random.key(0), xs, ys).grads


def total(gradients):
  """The sum of the gradients of all steps."""
  return jax.tree.map(lambda *g: sum(g), *gradients)
