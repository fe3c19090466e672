"""The softmax family from c = 1e-30 to 1e30, in every floating dtype."""

from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf
from experiments import sweeps

DTYPES = ("float16", "bfloat16", "float32", "float64")
_FAMILY = ("softmax", "log_softmax", "sparsemax")
# Logits tried in every dtype; the third is one rounding error from a tie.
_LOGITS = (
  (1.0, 0.5, 0.0, -1.0),
  (1.0, 1.0, 0.0, -1.0),
  (1.0, 1.0, 0.0, -1.0),
  (1.0, 1.0, 1.0, 1.0),
  (1.0, -np.inf, 0.5, 0.0),
  (1.0, -np.inf, 1.0, -np.inf),
)
_NEAR_TIE = 2


class Format(NamedTuple):
  """What a number format makes of softmax, log-softmax and sparsemax."""

  largest: np.ndarray  # Finite number  []
  smallest: np.ndarray  # Normal number  []
  epsilon: np.ndarray  # Distance from 1 to the next number  []
  cs: np.ndarray  # [E]
  logits: np.ndarray  # [X, 4]
  values: np.ndarray  # [X, E, 3, 4]
  # Derivatives by the logits, then by c, in forward and in reverse mode.
  slopes: np.ndarray  # [2, X, E, 3, 4, 5]


def evaluate(dtype: str) -> Format:
  """Evaluates the functions and their derivatives, in x64 mode."""
  info, logits = jnp.finfo(dtype), np.array(_LOGITS)
  logits[_NEAR_TIE, 1] -= float(info.epsneg)
  zs, cs = jnp.asarray(logits, dtype), 10.0 ** np.arange(-30, 31)
  found = sweeps.quick_jit(_table)(zs, cs)
  sizes = (np.array(float(x)) for x in (info.max, info.tiny, info.eps))
  return Format(*sizes, cs, *(np.asarray(a, np.float64) for a in (zs, *found)))


def _table(zs, cs):
  def over(fn):
    by_c = jax.vmap(lambda z, c: fn((z, c)), (None, 0))
    return jax.vmap(by_c, (0, None))(zs, cs)

  def jacobian(mode):
    by_z, by_c = over(mode(_family))
    return jnp.concatenate([by_z, by_c[..., None]], axis=-1)

  modes = jnp.stack([jacobian(jax.jacfwd), jacobian(jax.jacrev)])
  return over(_family), modes


def _family(at):
  return jnp.stack([getattr(nf.activations, name)(*at) for name in _FAMILY])
