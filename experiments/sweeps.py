"""Compiled work of a study: once and quickly, or for many members at a time."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jaxlib
import numpy as np

# Off, compiling takes less time; unknown to later ones.
_EMITTERS = (
  {"xla_cpu_use_fusion_emitters": False}
  if jaxlib.__version__.startswith("0.10.")
  else {}
)


def _jit_at(level):
  options = {"xla_backend_optimization_level": level, **_EMITTERS}
  return functools.partial(jax.jit, compiler_options=options)


# For what runs once or is small: compiling takes longer than running.
quick_jit = _jit_at(0)
# For loops of some seconds, which level 0 would make five times as long: it
# compiles in half the time of `jax.jit`, and what it compiles is nearly as
# fast.
brisk_jit = _jit_at(1)


def sweep(fn: Callable[..., Any], *members: Any, quick: bool = False) -> Any:
  """Runs a function for all members at once: seeds, rates, gains.

  Args:
    fn: a function of one member, pure.
    *members: its arguments, the members along axis 0 of every leaf.
    quick: whether it is for `quick_jit` rather than `brisk_jit`.

  Returns:
    What the function returns, members along axis 0, as NumPy arrays.
  """
  compiled = (quick_jit if quick else brisk_jit)(jax.vmap(fn))
  return jax.tree.map(np.asarray, compiled(*members))
