"""Functions to approximate, and how networks are run at many points."""

import functools

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf
from experiments import sweeps

SIGMOID = nf.activations.sigmoid
RELU = nf.activations.relu
IDENTITY = nf.activations.identity


def evaluate(
  params: nf.base.Params,
  xs: np.ndarray,
  activations: tuple[nf.activations.Activation, ...],
) -> np.ndarray:
  """Returns outputs [P, O], or [P] if one, at points [P, I], or [P] if one."""
  xs = jnp.asarray(xs).reshape(len(xs), -1)
  ys = np.asarray(_apply(params, xs, activations))
  return ys[:, 0] if ys.shape[1] == 1 else ys


def evaluate_relu(params: nf.base.Params, xs: np.ndarray) -> np.ndarray:
  """Returns the same of ReLU layers with a linear output."""
  return evaluate(params, xs, (RELU,) * (len(params) - 1) + (IDENTITY,))


@functools.partial(sweeps.quick_jit, static_argnums=2)
def _apply(params, xs, activations):
  return jax.vmap(lambda x: nf.mlp.apply(params, x, activations))(xs)


_TARGET_LIPSCHITZ = 8.1  # 0.8 + 0.3 + 4.5 + 2.5, term by term on [0, 1]
# Of 2^-k: what the terms left out add is 2e-6.
_AMPLITUDES = 0.5 ** np.arange(20)
_FREQUENCIES = np.pi * 3.0 ** np.arange(20)


@jax.jit
def target(x: nf.base.Array) -> nf.base.Array:
  """Returns 0.2 + 0.4 x^2 + 0.3 x sin(15 x) + 0.05 cos(50 x) of any shape."""
  wave = 0.3 * x * jnp.sin(15 * x) + 0.05 * jnp.cos(50 * x)
  return 0.2 + 0.4 * x**2 + wave


@jax.jit
def weierstrass(x: nf.base.Array) -> nf.base.Array:
  """Returns sum_k 2^-k cos(3^k pi x) of one point, twenty terms."""
  return jnp.sum(_AMPLITUDES * jnp.cos(_FREQUENCIES * x))


def weierstrass_modulus(width: float) -> float:
  """Returns sum_k 2^-k min(2, 3^k pi width), a modulus of `weierstrass`."""
  steps = np.minimum(2, _FREQUENCIES * width)
  return float(np.sum(_AMPLITUDES * steps))


# name -> the function and a modulus of continuity.
CERTIFIED = {
  "f": (target, lambda width: _TARGET_LIPSCHITZ * width),
  "Weierstrass's sum": (weierstrass, weierstrass_modulus),
}
