"""Sums of outer products made shorter, without bias.

Rows are paired: left [m, n1] and right [m, n2] stand for left^T right, the sum
of m outer products. What is random has the product for its mean.
"""

import jax
from jax import lax
from jax import numpy as jnp

from nnfun import base, loops, numerics


def balance(
  left: base.PyTree, right: base.PyTree
) -> tuple[jax.Array, jax.Array]:
  """Returns the factors that give both parts of a product the same norm.

    rho = sqrt(|right| / |left|), 1 / rho

  Two products become one by a random sign c: (rho_0 a_0 + c rho_1 a_1) times
  (b_0 / rho_0 + c b_1 / rho_1) has the mean a_0 b_0 + a_1 b_1 whatever rho is,
  and the least variance at this rho.

  Args:
    left: any pytree.
    right: likewise; or anything of the same norm.

  Returns:
    Two scalars in float32 or wider, positive and finite unless something is
    NaN: where the square of a norm leaves the normal numbers, as that of zeros
    does, the nearest of them is taken, and only the variance knows. They count
    as constants in derivatives, which keeps those of the mean right.
  """
  squares = [lax.stop_gradient(_squared_norm(tree)) for tree in (left, right)]
  # Roots are taken first, for a quotient of the squares may overflow.
  first, second = (jnp.sqrt(jnp.sqrt(square)) for square in squares)
  return second / first, first / second


def _squared_norm(tree):
  """sum_i x_i^2 in float32 or wider, one of its normal numbers."""
  leaves = map(numerics.widen, jax.tree.leaves(tree))
  nothing = jnp.zeros([], jnp.float32)
  square = sum((jnp.sum(leaf**2) for leaf in leaves), nothing)
  limits = jnp.finfo(square.dtype)
  return jnp.clip(square, limits.tiny, limits.max)


def reduce_rank(
  key: base.Array, left: jax.Array, right: jax.Array, rank: int
) -> tuple[jax.Array, jax.Array]:
  """Returns `rank` outer products with the sum of m for their mean.

    E[left'^T right'] = left^T right = sum_j d_j u_j v_j^T

  The largest singular values d_j are kept as they are. Of the others, whose sum
  is s, k rows are mixed, with the least variance there is, s^2 / k - sum d_j^2:
  (s_j sqrt(d_j) f_j) in front of u_j and of v_j, with random signs s_j and unit
  vectors f_j [k] for which sum_j d_j f_j f_j^T = (s / k) identity. A value is
  kept if it is larger than its share s / k.

  Args:
    key: randomness.
    left: [m, n1].
    right: [m, n2].
    rank: r.

  Returns:
    [r, n1] and [r, n2] in the dtypes that came; exact if no more than r of the
    singular values differ from 0. In derivatives they count as constants:
    singular vectors need not have any.

  References:
    Benzing, Gauy, Mujika, Martinsson, Steger, Optimal Kronecker-sum
    approximation of real time recurrent learning, 2019,
    https://arxiv.org/abs/1902.03993
  """
  signs = jax.random.rademacher(key, left.shape[:1], jnp.float32)
  return reduce_with_signs(signs, left, right, rank)


def reduce_with_signs(
  signs: jax.Array, left: jax.Array, right: jax.Array, rank: int
) -> tuple[jax.Array, jax.Array]:
  """Returns what `reduce_rank` does for given signs.

  Args:
    signs: [m]; the mean is taken over all of them.
    left: [m, n1].
    right: [m, n2].
    rank: r.

  Returns:
    [r, n1] and [r, n2].
  """
  left, right = map(lax.stop_gradient, (left, right))
  if len(left) <= rank:
    room = ((0, rank - len(left)), (0, 0))
    return jnp.pad(left, room), jnp.pad(right, room)
  if rank == 0:  # Of a matrix without elements.
    return left[:0], right[:0]
  (of_left, q_left), (of_right, q_right) = (
    _orthonormalise(numerics.widen(x)) for x in (left, right)
  )
  u_t, d, v_t = _svd(of_left.T @ of_right)
  rows = jnp.sqrt(d)[:, None] * _unit_rows(d, rank)
  rows = signs[:, None].astype(d.dtype) * rows
  mixed_left = (rows.T @ u_t) @ q_left
  mixed_right = (rows.T @ v_t) @ q_right
  return mixed_left.astype(left.dtype), mixed_right.astype(right.dtype)


# The decompositions are spelt out. LAPACK, as jaxlib 0.10 calls it for a batch
# on a CPU, waits inside of XLA's pool of threads for that same pool, and two
# calls at a time may wait for ever; and bfloat16 has none.


def _orthonormalise(rows):
  """Returns T [m, m] and Q [m, n], orthonormal or zero, with rows = T Q.

  Gram-Schmidt, twice for each row. What the second time takes away half of was
  rounding: such a row depends on those before it, and adds none of its own.
  """
  num_rows = len(rows)
  scales = jnp.max(jnp.abs(rows), 1, keepdims=True, initial=0)
  scales = jnp.where(scales == 0, 1, scales)  # Squares stay in range.
  places = jnp.arange(num_rows, dtype=jnp.int32)

  def turn(basis, step):
    row, place = step
    first = basis @ row
    once = row - first @ basis
    second = basis @ once
    twice = once - second @ basis
    norm = jnp.sqrt(jnp.sum(twice**2))
    is_new = norm > 0.5 * jnp.sqrt(jnp.sum(once**2))
    unit = jnp.where(is_new, twice / jnp.where(is_new, norm, 1), 0)
    here = (places == place).astype(row.dtype)
    own = here * jnp.where(is_new, norm, 0)
    return basis + here[:, None] * unit[None], first + second + own

  basis, coefficients = loops.scan(
    turn, jnp.zeros_like(rows), (rows / scales, places)
  )
  return scales * coefficients, basis


def _svd(matrix):
  """Returns u^T, d, v^T of a square matrix, in no order; v_j = 0 where d_j is.

  Jacobi rotations from one side: rows are turned in pairs until all are
  orthogonal, each pair of them once in a sweep, half the rows against the other
  half at a time, as in a round-robin tournament.
  """
  size, dtype = len(matrix), matrix.dtype
  scale = jnp.max(jnp.abs(matrix))
  scale = jnp.where(scale == 0, 1, scale)
  half = (size + 1) // 2
  eye = loops.vary(jnp.eye(size, dtype=dtype), matrix)
  both = jnp.concatenate([matrix / scale, eye], 1)
  both = jnp.pad(both, ((0, 2 * half - size), (0, 0)))

  def play(teams, _):
    top, bottom = teams
    a, b = top[:, :size], bottom[:, :size]
    product = jnp.sum(a * b, 1)
    gap = jnp.sum(b**2, 1) - jnp.sum(a**2, 1)
    is_done = product == 0
    slope = gap / (2 * jnp.where(is_done, 1, product))
    tan = jnp.where(slope < 0, -1, 1) / (jnp.abs(slope) + jnp.hypot(slope, 1))
    tan = jnp.where(is_done, 0, tan)[:, None]
    cos = lax.rsqrt(1 + tan**2)
    top, bottom = cos * (top - tan * bottom), cos * (bottom + tan * top)
    # All but the first move on by one place.
    moved = jnp.concatenate([top[:1], bottom[:1], top[1:]])
    return (moved[:half], jnp.concatenate([bottom[1:], moved[half:]])), None

  # Sweeps enough for float64, also where the matrix lacks some of its rank and
  # its singular values span eight decades.
  # Fewer would leave the product what it is, and the variance larger.
  num_turns = (8 + size.bit_length()) * (2 * half - 1)
  teams, _ = loops.scan(play, (both[:half], both[half:]), length=num_turns)
  # After whole sweeps each row is in its place, a bye for an odd one the last.
  rows, u_t = jnp.split(jnp.concatenate(teams)[:size], [size], 1)
  d = jnp.sqrt(jnp.sum(rows**2, 1))
  # What is below the rounding of the largest is zero: mixed with it, it would
  # add the root of that rounding.
  is_zero = d <= _num_roundings(d) * jnp.max(d)
  v_t = jnp.where(is_zero[:, None], 0, rows / jnp.where(is_zero, 1, d)[:, None])
  return u_t, scale * jnp.where(is_zero, 0, d), v_t


def _num_roundings(d):
  """The rounding of the largest singular value, relative."""
  return 4 * len(d) * jnp.finfo(d.dtype).eps


def _unit_rows(d, rank):
  """The vectors f_j [r] of all singular values, for those kept as well."""
  rows = _frame(_squared_norms(d, rank), rank)
  norms = jnp.sqrt(jnp.sum(rows**2, 1, keepdims=True))
  # By their own norms: what they lost by rounding would be a bias.
  return jnp.where(norms == 0, 0, rows / jnp.where(norms == 0, 1, norms))


def _squared_norms(d, rank):
  """p_j, 1 where d_j is kept and else k d_j / s; they add up to the rank."""
  places = jnp.arange(len(d), dtype=jnp.int32)
  is_tie = d[:, None] == d[None]
  is_before = (d[:, None] > d[None]) | (
    is_tie & (places[:, None] < places[None])
  )
  place = jnp.sum(is_before.astype(d.dtype), 0)
  rest = jnp.sum(jnp.where(is_before, 0, d[:, None]), 0)  # d_j and smaller ones
  # With a margin, so that no rounding mixes r values of which none is smaller.
  is_small = (rank - place) * d < rest * (1 - _num_roundings(d) / 2)
  is_small |= place >= rank
  is_mixed = is_small | jnp.any(is_small[:, None] & is_before, 0)
  num_mixed = jnp.sum(is_mixed.astype(d.dtype))
  k = num_mixed - (len(d) - rank)
  total = jnp.sum(jnp.where(is_mixed, d, 0))
  # Where there is nothing to mix any vectors will do.
  shares = jnp.where(
    total == 0, 1 / num_mixed, d / jnp.where(total == 0, 1, total)
  )
  return jnp.where(is_mixed, jnp.minimum(k * shares, 1), 1)


def _frame(squared_norms, rank):
  """Rows [q, r] of given squared norms whose r columns are orthonormal.

  It starts from r unit vectors and q - r zeros. A row that waits for its norm
  is turned against a fresh one, a longer or a shorter, until its norm is the
  next that is wanted; the other goes on waiting. Columns stay orthonormal
  however the angles are rounded.
  """
  num_zeros, dtype = len(squared_norms) - rank, squared_norms.dtype
  columns = jnp.arange(rank, dtype=jnp.int32)

  def turn(carry, target):
    waiting, num_units, zeros_left = carry
    length = jnp.sum(waiting**2)
    # Rounding must not make it ask for more of a kind than there are.
    wants_unit = (length < target) | (zeros_left == 0)
    takes_unit = wants_unit & (num_units < rank)
    fresh = ((columns == num_units) & takes_unit).astype(dtype)
    own = takes_unit.astype(dtype)
    # cos^2 length + sin^2 own = target
    gap = jnp.where(length == own, 1, length - own)
    square = jnp.where(length == own, 1, (target - own) / gap)
    cos = jnp.sqrt(jnp.clip(square, 0, 1))
    sin = jnp.sqrt(1 - jnp.clip(square, 0, 1))
    carry = (
      cos * fresh - sin * waiting,
      num_units + takes_unit.astype(jnp.int32),
      zeros_left - (~takes_unit).astype(jnp.int32),
    )
    return carry, cos * waiting + sin * fresh

  start = (
    (columns == 0).astype(dtype),
    jnp.ones([], jnp.int32),
    jnp.full([], num_zeros, jnp.int32),
  )
  (last, _, _), rows = loops.scan(
    turn, start, squared_norms[:-1], is_cheap=True
  )
  return jnp.concatenate([rows, last[None]])
