"""Sequences cut into segments of K steps: [T, ...] as T / K times [K, ...]."""

from collections.abc import Callable

import jax
from jax import lax
from jax import numpy as jnp

from nnfun import base, loops


def num_segments(tree: base.PyTree, segment: int) -> int:
  """Returns into how many segments sequences can be cut.

  Args:
    tree: leaves [T, ...].
    segment: K, the number of steps of a segment.

  Returns:
    T / K.

  Raises:
    ValueError: if there is no time axis or no step, if lengths differ, or if K
      is no positive integer or does not divide T.
  """
  shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(tree)]
  if () in shapes:
    raise ValueError(
      "expected leaves [T, ...], a time axis first, got a scalar leaf"
    )
  lengths = {shape[0] for shape in shapes}
  if len(lengths) != 1:
    raise ValueError(
      f"expected sequences of one length, got lengths {sorted(lengths)}"
    )
  num_steps = lengths.pop()
  if num_steps == 0:
    raise ValueError("expected a sequence of at least one step, got 0 steps")
  base.check_count("segment", segment)
  if num_steps % segment:
    raise ValueError(
      f"expected a segment length that divides the {num_steps} steps of the "
      f"sequence, got {segment!r}; `nf.training.pad` lengthens a sequence by "
      "steps of weight 0"
    )
  return num_steps // int(segment)


def pad(tree: base.PyTree, segment: int) -> tuple[base.PyTree, base.Array]:
  """Lengthens sequences until K divides them, by repeating their last step.

  The loss has to multiply that of a step by its weight (a `Target` holds one),
  and the steps added then change nothing: neither loss nor gradient.

  Args:
    tree: leaves [T, ...], T >= 1.
    segment: K, the number of steps of a segment.

  Returns:
    Leaves [T', ...], T' the next multiple of K, and weights [T'], which are 1
    up to T and 0 from there on.

  Raises:
    ValueError: as `num_segments` does, but for a K that does not divide T.
  """
  base.check_count("segment", segment)
  num_steps = num_segments(tree, 1)
  extra = -num_steps % segment

  def lengthen(leaf):
    leaf = jnp.asarray(leaf)
    return jnp.concatenate([leaf, jnp.repeat(leaf[-1:], extra, axis=0)])

  weights = jnp.concatenate([jnp.ones(num_steps), jnp.zeros(extra)])
  return jax.tree.map(lengthen, tree), weights


def cut(tree: base.PyTree, segment: int) -> base.PyTree:
  """Cuts sequences into segments.

  Args:
    tree: leaves [T, ...].
    segment: K, the number of steps of a segment.

  Returns:
    Leaves [T / K, K, ...].

  Raises:
    ValueError: if the sequence is empty or K does not divide T.
  """
  shape = (num_segments(tree, segment), segment)
  return jax.tree.map(lambda leaf: leaf.reshape(shape + leaf.shape[1:]), tree)


def scan_segments(
  body: Callable[[base.PyTree, base.PyTree], tuple[base.PyTree, base.PyTree]],
  carry: base.PyTree,
  tree: base.PyTree,
  *,
  segment: int,
) -> tuple[base.PyTree, base.PyTree]:
  """Scans over the segments of sequences, where `lax.scan` goes step by step.

  Segments are sliced inside the loop: cut before it, the sequences would be
  copied, and an online run would need memory for all of them.

  Args:
    body: (carry, (i, segment i with leaves [K, ...])) -> (carry, output).
    carry: what the first call of the body gets.
    tree: leaves [T, ...].
    segment: K, the number of steps of a segment.

  Returns:
    The last carry, and the outputs, leaves [T / K, ...].

  Raises:
    ValueError: if the sequence is empty or K does not divide T.
  """
  length, segment = num_segments(tree, segment), int(segment)

  def step(indexed, _):
    i, carry = indexed
    piece = jax.tree.map(
      lambda leaf: lax.dynamic_slice_in_dim(leaf, i * segment, segment), tree
    )
    carry, output = body(carry, (i, piece))
    return (i + 1, carry), output

  start = jnp.zeros([], jnp.int32), carry
  (_, carry), outputs = loops.scan(step, start, length=length)
  return carry, outputs
