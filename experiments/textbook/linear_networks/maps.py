"""Linear networks as single matrices, and single matrices as networks."""

import jax
import numpy as np

import nnfun as nf
from experiments import sweeps

_SIZES = (6, 5, 7, 4, 3)  # Of the layers which collapse.
_HIDDEN = 25  # Units which reach any map of that rank.


def measure(seed: int) -> tuple[np.ndarray, np.ndarray]:
  """Returns how far layers of integers, and 25 units, are from one matrix."""
  rng = np.random.default_rng(seed)

  def integers(*shape):  # float64 holds their products without rounding.
    return rng.integers(-3, 4, shape).astype(float)

  xs = integers(50, _SIZES[0])
  layers = [
    {"w": integers(n, m), "b": integers(n)}
    for m, n in zip(_SIZES, _SIZES[1:], strict=False)
  ]
  product = np.linalg.multi_dot([_with_column(layer) for layer in layers[::-1]])
  ones = np.column_stack([xs, np.ones(len(xs))])
  matrix = rng.normal(size=(40, _HIDDEN)) @ rng.normal(size=(_HIDDEN, 784))
  cases = (layers, xs), (factor(matrix), np.eye(784))
  # One program for both, of arguments: it would evaluate what is constant.
  program = sweeps.quick_jit(lambda cases: [_outputs(*c) for c in cases])
  collapsed, reached = map(np.asarray, program(cases))
  miss = np.linalg.norm(reached.T - matrix) / np.linalg.norm(matrix)
  return np.max(np.abs(collapsed - (ones @ product.T)[:, :-1])), miss


def _with_column(layer):
  """Returns [[W, b], [0, 1]]: the last row hands the 1 on."""
  above = np.column_stack([layer["w"], layer["b"]])
  return np.vstack([above, np.eye(above.shape[1])[-1:]])


def _outputs(layers, xs):
  identities = [nf.activations.identity] * len(layers)
  return jax.vmap(lambda x: nf.mlp.apply(layers, x, identities))(xs)


def factor(matrix: np.ndarray) -> nf.base.Params:
  """Returns the network of 25 linear hidden units which is the nearest map."""
  u, s, vt = np.linalg.svd(matrix, full_matrices=False)
  root = np.sqrt(s[:_HIDDEN])
  first, second = root[:, None] * vt[:_HIDDEN], u[:, :_HIDDEN] * root
  return (
    {"w": first, "b": np.zeros(len(first))},
    {"w": second, "b": np.zeros(len(second))},
  )
