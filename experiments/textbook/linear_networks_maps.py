"""Linear networks as single matrices, and single matrices as networks.

Integers are used where an identity is exact: float64 holds them and their
products without rounding.
"""

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf


def collapse_errors(seed: int) -> dict[str, np.ndarray]:
  """Compares integer networks with one matrix; call it under float64.

  Args:
    seed: of the networks and inputs.

  Returns:
    Largest differences: `collapse_error` of U (W x) from (U W) x through four
    layers without bias, `column_error` of a network with biases from the
    product of its matrices with the bias as a column more.
  """
  rng = np.random.default_rng(seed)
  sizes = (6, 5, 7, 4, 3)

  def integers(*shape):
    return rng.integers(-3, 4, shape).astype(float)

  xs = integers(50, sizes[0])
  layers = [
    {"w": integers(n, m), "b": integers(n)}
    for m, n in zip(sizes, sizes[1:], strict=False)
  ]
  bare = [{"w": p["w"], "b": np.zeros_like(p["b"])} for p in layers]
  product = np.linalg.multi_dot([p["w"] for p in reversed(layers)])
  extended = np.linalg.multi_dot([_with_column(p) for p in reversed(layers)])
  ones = np.concatenate([xs, np.ones((len(xs), 1))], axis=1)
  return {
    "collapse_error": _largest(_linear(bare, xs) - xs @ product.T),
    "column_error": _largest(_linear(layers, xs) - (ones @ extended.T)[:, :-1]),
  }


def _with_column(layer):
  """Returns [[W, b], [0, 1]]: the last row hands the 1 on."""
  last = np.zeros(layer["w"].shape[1] + 1)
  last[-1] = 1
  return np.vstack([np.column_stack([layer["w"], layer["b"]]), last])


def _linear(layers, xs):
  layers = jax.tree.map(jnp.asarray, tuple(layers))
  identities = [nf.activations.identity] * len(layers)
  apply = jax.vmap(lambda x: nf.mlp.apply(layers, x, identities))
  return np.asarray(jax.jit(apply)(xs))


def _largest(difference):
  return np.array(np.max(np.abs(difference)))


def factor(matrix: np.ndarray, num_hidden: int) -> tuple[np.ndarray, ...]:
  """Writes the nearest map of rank `num_hidden` as a linear network.

  Args:
    matrix: any map [C, D].
    num_hidden: hidden units H.

  Returns:
    W2 [C, H] and W1 [H, D] whose product is the matrix if its rank is at most
    H, and else the nearest one of rank H (Eckart and Young, 1936).
  """
  u, s, vt = np.linalg.svd(matrix, full_matrices=False)
  rank = min(num_hidden, len(s))
  root = np.sqrt(s[:rank])
  w2 = np.zeros((matrix.shape[0], num_hidden))
  w1 = np.zeros((num_hidden, matrix.shape[1]))
  w2[:, :rank], w1[:rank] = u[:, :rank] * root, root[:, None] * vt[:rank]
  return w2, w1


def reach(seed: int) -> dict[str, np.ndarray]:
  """Measures which random maps 25 linear hidden units reach.

  Args:
    seed: of the maps.

  Returns:
    Relative errors: `reach_digits` of a full map [10, 784], `reach_rank` of a
    map [40, 784] of rank 25; for a full map [40, 784] the error `miss` and
    `miss_theory`, what its singular values beyond the 25th leave.
  """
  rng = np.random.default_rng(seed)
  full = rng.normal(size=(40, 784))
  low = rng.normal(size=(40, 25)) @ rng.normal(size=(25, 784))
  tail = np.linalg.svd(full, compute_uv=False)[25:]
  return {
    "reach_digits": _miss(full[:10]),
    "reach_rank": _miss(low),
    "miss": _miss(full),
    "miss_theory": np.linalg.norm(tail) / np.linalg.norm(full),
  }


def _miss(matrix):
  w2, w1 = factor(matrix, 25)
  return np.linalg.norm(w2 @ w1 - matrix) / np.linalg.norm(matrix)


def parameter_counts() -> np.ndarray:
  """Counts the numbers in [784, 10], [784, 25, 10] and [784, 4, 10]."""

  def count(sizes):
    shapes = jax.eval_shape(
      lambda key: nf.mlp.init(key, sizes), jax.random.key(0)
    )
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))

  return np.array([count([784, 10]), count([784, 25, 10]), count([784, 4, 10])])
