"""Linear networks as single matrices, and single matrices as networks."""

from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf

_HIDDEN = 25


class Maps(NamedTuple):
  """Differences of networks from the single matrix that they should be."""

  collapse: np.ndarray  # Largest, integers, without and with biases  [2]
  # Relative, of any map to 10 outputs and of one of rank 25 to 40  [2]
  reach: np.ndarray
  # The same for a map of full rank to 40; and what Eckart and Young say  [2]
  miss: np.ndarray


def measure(seed: int) -> Maps:
  """Compares networks with matrices; to be called under float64."""
  rng = np.random.default_rng(seed)
  collapse = _collapse(rng)
  full = rng.normal(size=(40, 784))
  low = rng.normal(size=(40, _HIDDEN)) @ rng.normal(size=(_HIDDEN, 784))
  tail = np.linalg.svd(full, compute_uv=False)[_HIDDEN:]
  least = np.linalg.norm(tail) / np.linalg.norm(full)
  reach = [_distance(full[:10]), _distance(low)]
  return Maps(
    collapse, np.array(reach), np.array([_distance(full), float(least)])
  )


def _collapse(rng):
  """Integers: float64 holds them and their products without rounding."""
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
  differences = (
    _outputs(bare, xs) - xs @ product.T,
    _outputs(layers, xs) - (ones @ extended.T)[:, :-1],
  )
  return np.array([np.max(np.abs(d)) for d in differences])


def _with_column(layer):
  """Returns [[W, b], [0, 1]]: the last row hands the 1 on."""
  last = np.zeros(layer["w"].shape[1] + 1)
  last[-1] = 1
  return np.vstack([np.column_stack([layer["w"], layer["b"]]), last])


def _outputs(layers, xs):
  layers = jax.tree.map(jnp.asarray, tuple(layers))
  identities = [nf.activations.identity] * len(layers)
  apply = jax.vmap(lambda x: nf.mlp.apply(layers, x, identities))
  return np.asarray(jax.jit(apply)(xs))


def factor(matrix: np.ndarray, num_hidden: int) -> nf.base.Params:
  """Returns the network which is the nearest map of rank `num_hidden`."""
  u, s, vt = np.linalg.svd(matrix, full_matrices=False)
  rank = min(num_hidden, len(s))
  root = np.sqrt(s[:rank])
  w2 = np.zeros((matrix.shape[0], num_hidden))
  w1 = np.zeros((num_hidden, matrix.shape[1]))
  w2[:, :rank], w1[:rank] = u[:, :rank] * root, root[:, None] * vt[:rank]
  return (
    {"w": w1, "b": np.zeros(num_hidden)},
    {"w": w2, "b": np.zeros(len(matrix))},
  )


def _distance(matrix):
  """Returns how far the outputs for all unit vectors are from the columns."""
  network = factor(matrix, _HIDDEN)
  columns = _outputs(network, np.eye(matrix.shape[1])).T
  return float(np.linalg.norm(columns - matrix) / np.linalg.norm(matrix))
