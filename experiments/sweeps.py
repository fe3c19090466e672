"""Compiled work of a study: once and quickly, or for many members at a time."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jaxlib
import numpy as np

# For what runs once or is small: compiling takes longer than running.
_QUICK_COMPILER = {"xla_backend_optimization_level": 0}
if jaxlib.__version__.startswith("0.10."):  # Unknown to later ones.
  _QUICK_COMPILER["xla_cpu_use_fusion_emitters"] = False
quick_jit = functools.partial(jax.jit, compiler_options=_QUICK_COMPILER)


def sweep(fn: Callable[..., Any], *members: Any, quick: bool = False) -> Any:
  """Runs a function for all members at once: seeds, rates, gains.

  Args:
    fn: a function of one member, pure.
    *members: its arguments, the members along axis 0 of every leaf.
    quick: whether compiling takes longer than running.

  Returns:
    What the function returns, members along axis 0, as NumPy arrays.
  """
  compiled = (quick_jit if quick else jax.jit)(jax.vmap(fn))
  return jax.tree.map(np.asarray, compiled(*members))
