"""When gradients of a recurrent network vanish or may explode.

h_t = W phi(h_{t-1}) + input: the gradient k steps back is multiplied by k
factors W diag(phi'), none longer than s gamma, s the largest singular value of
W and gamma the largest slope of phi.

References:
  Pascanu, Mikolov, Bengio, On the difficulty of training recurrent neural
  networks, 2013, https://arxiv.org/abs/1211.5063
"""

import math

from jax import numpy as jnp

from nnfun import activations, base


def singular_value_threshold(activation: activations.Activation) -> float:
  """Returns 1 / gamma, below which networks must forget.

  It is sufficient for gradients to vanish that the largest singular value of W
  is below, and necessary for them to explode that it is above.

  Args:
    activation: phi.

  Returns:
    1 for tanh, 4 for the sigmoid.

  >>> singular_value_threshold(activations.sigmoid)
  4.0
  """
  return 1 / activation.max_slope


def log_gradient_bound(
  w: base.Array, activation: activations.Activation, lag: base.Array
) -> base.Array:
  """Returns an upper bound of log |dh_t / dh_{t-k}|, k log(s gamma).

  Args:
    w: recurrent weights [N, N].
    activation: phi.
    lag: k in steps, any shape.

  Returns:
    The shape of `lag`; a logarithm, for the bound itself over- or underflows.

  Raises:
    ValueError: if w is not square.
  """
  _check(w)
  return lag * jnp.log(jnp.linalg.norm(w, 2) * activation.max_slope)


def linear_growth(w: base.Array) -> base.Array:
  """Returns the rate log rho(W) at which gradients of a linear network grow.

    |W^k|^{1/k} -> rho(W),

  the largest modulus of an eigenvalue: below 1 they vanish in the end, though
  they may grow before if singular values exceed 1.

  Args:
    w: recurrent weights [N, N].

  Returns:
    The rate per step, a scalar.

  Raises:
    ValueError: if w is not square.
  """
  _check(w)
  return jnp.log(jnp.max(jnp.abs(jnp.linalg.eigvals(w))))


def vanishing_horizon(
  largest_singular_value: float,
  activation: activations.Activation,
  fraction: float = 1e-3,
) -> float:
  """Returns after how many steps less than a fraction of a gradient is left.

    k = log(fraction) / log(s gamma).

  Args:
    largest_singular_value: s.
    activation: phi.
    fraction: between 0 and 1.

  Returns:
    k in steps; infinite from the threshold on, where there is no such bound.

  Raises:
    ValueError: if the fraction is not between 0 and 1.

  >>> round(vanishing_horizon(0.9, activations.tanh), 1)
  65.6
  """
  if not 0 < fraction < 1:
    raise ValueError(f"expected a fraction between 0 and 1, got {fraction}")
  factor = largest_singular_value * activation.max_slope
  return math.log(fraction) / math.log(factor) if factor < 1 else math.inf


def _check(w):
  if jnp.ndim(w) != 2 or jnp.shape(w)[0] != jnp.shape(w)[1]:
    raise ValueError(f"expected w [N, N], got shape {list(jnp.shape(w))}")
