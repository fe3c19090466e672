"""The softmax family from c = 1e-30 to 1e30, in every floating dtype."""

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf

DTYPES = ("float16", "bfloat16", "float32", "float64")
FAMILY = ("softmax", "log_softmax", "sparsemax")
# Logits tried in every dtype; "near-tie" is one rounding error from a tie.
LOGITS = {
  "apart": (1.0, 0.5, 0.0, -1.0),
  "tie": (1.0, 1.0, 0.0, -1.0),
  "near-tie": (1.0, 1.0, 0.0, -1.0),
  "all tied": (1.0, 1.0, 1.0, 1.0),
  "masked": (1.0, -np.inf, 0.5, 0.0),
  "masked tie": (1.0, -np.inf, 1.0, -np.inf),
}


def evaluate() -> dict[str, np.ndarray]:
  """Evaluates the functions and their derivatives by both modes.

  To be called with 64-bit numbers enabled.

  Returns:
    At c = `extreme_cs` [E], all in float64: `extreme_logits` [D, X, 4],
    `extreme_values` [D, X, E, 3, 4], `extreme_forward` and `extreme_reverse`
    [D, X, E, 3, 4, 5] (derivatives by the four logits, then by c); `printed`
    [D, P, 4], exp(c z) / sum exp(c z) at c = `printed_cs` [P], first logits.
  """
  cs = {
    "extreme_cs": 10.0 ** np.arange(-30, 31),
    "printed_cs": 10 ** np.linspace(0, 3, 301),
  }
  tables = [jax.jit(_table)(_logits(dtype), *cs.values()) for dtype in DTYPES]
  stacked = jax.tree.map(
    lambda *leaves: np.stack([np.asarray(a, np.float64) for a in leaves]),
    *tables,
  )
  return {**cs, **stacked}


def _logits(dtype):
  logits = np.array(list(LOGITS.values()))
  logits[list(LOGITS).index("near-tie"), 1] -= float(jnp.finfo(dtype).epsneg)
  return jnp.asarray(logits, dtype)


def _family(at):
  return jnp.stack([getattr(nf.activations, name)(*at) for name in FAMILY])


def _table(zs, cs, printed_cs):
  def over(fn):
    by_c = jax.vmap(lambda z, c: fn((z, c)), (None, 0))
    return jax.vmap(by_c, (0, None))

  def jacobian(mode):
    by_z, by_c = over(mode(_family))(zs, cs)
    return jnp.concatenate([by_z, by_c[..., None]], axis=-1)

  powers = jnp.exp(printed_cs.astype(zs.dtype)[:, None] * zs[:1])
  return {
    "extreme_logits": zs,
    "extreme_values": over(_family)(zs, cs),
    "extreme_forward": jacobian(jax.jacfwd),
    "extreme_reverse": jacobian(jax.jacrev),
    "printed": powers / jnp.sum(powers, axis=1, keepdims=True),
  }
