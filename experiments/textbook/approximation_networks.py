"""How the study of approximation runs its networks."""

import functools

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf

# Programs here run for milliseconds and compile for longer.
COMPILER = {"xla_backend_optimization_level": 0}

SIGMOID = nf.activations.sigmoid
RELU = nf.activations.relu
IDENTITY = nf.activations.identity


def evaluate(
  params: nf.base.Params,
  xs: np.ndarray,
  activations: tuple[nf.activations.Activation, ...],
) -> np.ndarray:
  """Returns the outputs of a network at many points.

  Args:
    params: the layers.
    xs: points [P, I], or [P] if there is one input.
    activations: one for each layer.

  Returns:
    [P, O], or [P] if there is one output.
  """
  xs = jnp.asarray(xs).reshape(len(xs), -1)
  ys = np.asarray(_apply(params, xs, activations))
  return ys[:, 0] if ys.shape[1] == 1 else ys


def evaluate_relu(params: nf.base.Params, xs: np.ndarray) -> np.ndarray:
  """Returns the outputs of ReLU layers with a linear output.

  Args:
    params: the layers.
    xs: as for `evaluate`.

  Returns:
    As `evaluate` does.
  """
  return evaluate(params, xs, (RELU,) * (len(params) - 1) + (IDENTITY,))


@functools.partial(jax.jit, static_argnums=2, compiler_options=COMPILER)
def _apply(params, xs, activations):
  return jax.vmap(lambda x: nf.mlp.apply(params, x, activations))(xs)
