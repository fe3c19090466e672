"""Norms of the Jacobian d softmax(c z) / d z, by automatic differentiation."""

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf

_GAPS = (0.5, 1.0, 2.0)
_NORMS = (1, 2, np.inf)


def measure(logits: np.ndarray, cs: np.ndarray) -> dict[str, np.ndarray]:
  """Measures the Jacobian, also where a closed form is known.

  Args:
    logits: z [k, V, n].
    cs: inverse temperatures [C].

  Returns:
    Norms [..., 3] in l_1, l_2 and l_infinity: `jacobian_norms` [k, V, C] on the
    logits given; `peak_norms` [2, G, X] for two and for n classes at (gap, 0,
    ..., 0), with the gap from `gaps` [G] and c gap = `peak_xs` [X];
    `half_norms` [C] where one probability is 1/2; `two_norms` [C] of two tied
    classes alone; `pair_norms` [Y] at c = 1 and (0, 0, -y, ..., -y), y =
    `pair_ys` [Y]. And `peak_softmax` [X, n] at (x, 0, ..., 0) and c = 1.
  """
  n = logits.shape[-1]
  first, pair = np.eye(n)[0], np.arange(n) < 2
  two = np.where(pair, 0.0, -np.inf)
  gaps = np.array(_GAPS)[:, None]
  softmax = jax.jit(jax.vmap(nf.activations.softmax, (0, None)))
  xs, ys = np.logspace(-1, 1.5, 601), np.arange(1.0, 21)
  cases = {
    "jacobian_norms": (logits[:, :, None], cs),
    "peak_norms": (
      gaps[:, None] * first + np.stack([two, np.zeros(n)])[:, None, None],
      xs / gaps,
    ),
    "half_norms": (np.log(n - 1) / cs[:, None] * first, cs),
    "two_norms": (two, cs),
    "pair_norms": (-ys[:, None] * ~pair, 1.0),
  }
  return {
    "gaps": np.array(_GAPS),
    "peak_xs": xs,
    "peak_softmax": np.asarray(softmax(xs[:, None] * first, 1.0)),
    "pair_ys": ys,
    **_norms(cases),
  }


def _norms(cases):
  """Compiles once for all cases, by name (z [..., n], c [...])."""

  def norms(z, c):
    jacobian = jax.jacfwd(nf.activations.softmax)(z, c)
    return jnp.stack([jnp.linalg.norm(jacobian, p) for p in _NORMS])

  shapes, zs, all_cs = {}, [], []
  for name, (z, c) in cases.items():
    shapes[name] = np.broadcast_shapes(z.shape[:-1], np.shape(c))
    zs.append(
      np.broadcast_to(z, shapes[name] + z.shape[-1:]).reshape(-1, z.shape[-1])
    )
    all_cs.append(np.broadcast_to(c, shapes[name]).reshape(-1))
  flat = jax.jit(jax.vmap(norms))(np.concatenate(zs), np.concatenate(all_cs))
  ends = np.cumsum([c.size for c in all_cs])[:-1]
  return {
    name: part.reshape(*shape, len(_NORMS))
    for (name, shape), part in zip(
      shapes.items(), np.split(np.asarray(flat), ends), strict=True
    )
  }
