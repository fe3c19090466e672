"""The leaves of a training state, described so that they can be compared.

A leaf is an array or a key of `jax.random`. What JAX would not give back as it
was is refused: Python numbers, NumPy arrays of 64 bits where JAX has 32, and
numbers of a weak type, which let the dtype of a product depend on where they
come from.
"""

import hashlib
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf


def describe(state: nf.base.PyTree) -> dict[str, Any]:
  """Returns what a state is made of, in types JSON can hold.

  Args:
    state: any pytree of arrays and keys.

  Returns:
    Its structure, and the path, kind and checksum of each leaf.

  Raises:
    ValueError: if a leaf is not what JAX would give back as it is.
  """
  leaves, structure = jax.tree_util.tree_flatten_with_path(state)
  return {
    "structure": str(structure),
    "leaves": [
      _describe_leaf(jax.tree_util.keystr(path), leaf) for path, leaf in leaves
    ],
  }


def _describe_leaf(path, leaf):
  is_array = isinstance(leaf, jax.Array | np.ndarray | np.generic)
  if not is_array or jnp.asarray(leaf).dtype != leaf.dtype:
    raise ValueError(
      f"expected leaf {path} to be an array as JAX holds it, got "
      f"{type(leaf).__name__}" + (f" of {leaf.dtype}" if is_array else "")
    )
  if getattr(leaf, "weak_type", False):
    raise ValueError(
      f"expected leaf {path} to have a dtype of its own, got a weak "
      f"{leaf.dtype}; make it with a dtype"
    )
  kind = str(leaf.dtype)
  if _is_key(leaf):
    kind = f"key of {jax.random.key_impl(leaf)}"
  data = np.ascontiguousarray(as_data(leaf))
  sha256 = hashlib.sha256(data.tobytes()).hexdigest() if data.size else ""
  return {"path": path, "kind": f"{kind}{list(leaf.shape)}", "sha256": sha256}


def check_kinds(
  name: str, saved: dict[str, Any], expected: dict[str, Any]
) -> None:
  """Compares structures, and all of the leaves but the numbers in them.

  Args:
    name: of what was saved, for the message.
    saved: what `describe` said of it.
    expected: what it says of the state that it should be like.

  Raises:
    ValueError: if they differ.
  """
  different = f"{name} is one of another configuration: "
  for was, now in zip(saved["leaves"], expected["leaves"], strict=False):
    if (was["path"], was["kind"]) != (now["path"], now["kind"]):
      raise ValueError(
        f"{different}leaf {was['path']} is {was['kind']}, expected "
        f"{now['path']} as {now['kind']}"
      )
  numbers = len(saved["leaves"]), len(expected["leaves"])
  if numbers[0] != numbers[1]:
    raise ValueError(f"{different}{numbers[0]} leaves for {numbers[1]}")
  was, now = saved["structure"], expected["structure"]
  if was != now:
    raise ValueError(f"{different}its structure is {was}, expected {now}")


def _is_key(leaf):
  return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def as_data(leaf: nf.base.Array) -> nf.base.Array:
  """Returns an array; of a key its data."""
  return jax.random.key_data(leaf) if _is_key(leaf) else jnp.asarray(leaf)


def as_leaf(data: nf.base.Array, like: nf.base.Array) -> nf.base.Array:
  """Returns a key made of its data if `like` is one; other data as it is."""
  if not _is_key(like):
    return data
  return jax.random.wrap_key_data(data, impl=jax.random.key_impl(like))
