"""Codes of the ten digits, and the layer that turns one into another."""

from collections.abc import Sequence

import numpy as np
from jax import numpy as jnp

from nnfun import base

ZERO_FIRST = tuple(range(10))  # Digit of each unit.
ZERO_LAST = (*range(1, 10), 0)
_PLACES = np.right_shift.outer(range(10), range(4)) & 1


def one_hot(
  digits: base.Array, order: Sequence[int] = ZERO_FIRST
) -> base.Array:
  """Returns 1 for the unit of each digit and 0 for the others, [..., 10].

  >>> print(one_hot(jnp.array(3), ZERO_LAST))
  [0. 0. 1. 0. 0. 0. 0. 0. 0. 0.]
  """
  return jnp.asarray(np.equal.outer(range(10), order), float)[digits]


def bits(digits: base.Array) -> base.Array:
  """Returns four binary places, the least significant first, [..., 4].

  >>> print(bits(jnp.array([6, 9])))
  [[0. 1. 1. 0.]
   [1. 0. 0. 1.]]
  """
  return jnp.asarray(_PLACES, float)[digits]


def one_hot_to_bits(
  order: Sequence[int] = ZERO_FIRST, *, gain: float = 1.0
) -> base.Params:
  """Returns the layer that reads a one-hot code and writes four bits.

    z_j = c sum_i w_ji x_i,  w_ji = 1 if bit j of the digit of unit i is set,
    else -1.

  With the right unit at 0.99 or more and the others between 0 and 0.01, each
  z_j / c is at least 0.99 - 0.01 n_0 > 0.9 where the bit is set and at most
  -0.99 + 0.01 n_1 < -0.9 where not, for n_1 digits with and n_0 without the
  bit. It is enough that the right unit exceeds the sum of the others.

  Args:
    order: the digit of each unit of the layer below, [10].
    gain: c > 0; the outputs sigma(z_j) tend to 0 and 1 as it grows.

  Returns:
    One layer [4, 10], to be appended to a network; activations (sigmoid,).

  Raises:
    ValueError: if the order is not one of the ten digits, or gain not positive.

  References:
    Nielsen, Neural networks and deep learning, 2015, chapter 1, exercise on
    the bitwise representation, http://neuralnetworksanddeeplearning.com
  """
  if sorted(order) != list(range(10)):
    raise ValueError(f"expected an order of the ten digits, got {tuple(order)}")
  if not gain > 0:
    raise ValueError(f"expected gain > 0, got {gain}")
  signs = 2 * _PLACES[np.array(order)].T - 1
  return ({"w": jnp.asarray(gain * signs, float), "b": jnp.zeros(4)},)
