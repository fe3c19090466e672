"""Sequences of unequal length: packed behind one another, or padded.

Packed, `resets` starts a new episode where a sequence begins: state, influence
and tape. Padded, the loss multiplies a step by its weight, which is 0 behind
the end. Both give the sum of the gradients of the single sequences.
"""

import jax
import numpy as np
import optax
from jax import numpy as jnp

import nnfun as nf

LENGTHS = (5, 9, 4)
SEGMENT = 4


def loss_fn(
  params: nf.base.Params, h_t: jax.Array, y_t: nf.Target
) -> jax.Array:
  """The weighted squared error of one number read from the state."""
  return y_t.weight * (params["readout"] @ h_t - y_t.value) ** 2


def main() -> dict[str, float]:
  """Prints how far both are from single sequences, one after another."""
  cell = nf.cells.gru(num_inputs=2, num_units=8)
  keys = jax.random.split(jax.random.key(0), 4)
  readout = jax.random.normal(keys[0], (8,))
  params = {"cell": cell.init(keys[1]), "readout": readout}
  xs = [jax.random.normal(keys[2], (n, 2)) for n in LENGTHS]
  ys = [nf.Target(x[:, 0], jnp.ones(len(x))) for x in xs]
  estimator = nf.estimators.rtrl(cell, loss_fn)

  @jax.jit
  def gradient(xs, ys, resets=None):
    return nf.training.episode_gradient(
      estimator, params, keys[3], xs, ys, segment=SEGMENT, resets=resets
    ).grads

  def padded(x, y):
    """A sequence whose length the segments divide."""
    (x, y), weights = nf.training.pad((x, y), SEGMENT)
    return x, y._replace(weight=weights)

  def total(trees):
    return jax.tree.map(lambda *leaves: sum(leaves), *trees)

  one_by_one = total(
    nf.training.exact_gradient(cell, loss_fn, params, x, y).grads
    for x, y in zip(xs, ys, strict=True)
  )
  packed_xs, packed_ys = jax.tree.map(
    lambda *leaves: jnp.concatenate(leaves),
    *zip(xs, ys, strict=True),
  )
  starts = np.cumsum((0, *LENGTHS[:-1]))
  resets = np.zeros(sum(LENGTHS) + -sum(LENGTHS) % SEGMENT, bool)
  resets[starts] = True
  found = {
    "packed": gradient(*padded(packed_xs, packed_ys), jnp.asarray(resets)),
    "padded": total(
      gradient(*padded(x, y)) for x, y in zip(xs, ys, strict=True)
    ),
  }
  errors = {}
  for name, grads in found.items():
    gap = optax.tree.norm(optax.tree.sub(grads, one_by_one))
    errors[name] = float(gap / optax.tree.norm(one_by_one))
    print(f"{name}: relative difference {errors[name]:.1g}")
  return errors


if __name__ == "__main__":
  main()
