"""Initialisers that `jax.nn.initializers` lacks, in its interface.

A matrix of weights is [out, in], so that a layer is W x + b: its fan-in is the
last axis. JAX's own initialisers take `in_axis=-1, out_axis=-2` for that, and
a dtype of None is JAX's default floating dtype here as there.
"""

from collections.abc import Callable, Sequence

import jax
from jax import numpy as jnp

from nnfun import base, numerics

Initializer = jax.nn.initializers.Initializer


def mean_field(
  sigma_w: float, sigma_b: float = 0.0
) -> tuple[Initializer, Initializer]:
  """Returns the Gaussian weights and biases of mean-field theory.

    W_ij ~ N(0, sigma_w^2 / fan_in),  b_i ~ N(0, sigma_b^2).

  A wide network is at the edge of chaos where sigma_w^2 E[sigma'(z)^2] = 1: at
  (1, 0) for tanh or linear units, at (sqrt(2), 0) for ReLU.

  Args:
    sigma_w: not negative.
    sigma_b: not negative.

  Returns:
    The initialisers of the weights [out, in] and of the biases [out].

  Raises:
    ValueError: if one of them is negative.

  References:
    Poole et al., Exponential expressivity in deep neural networks through
    transient chaos, 2016, https://arxiv.org/abs/1606.05340
    Schoenholz et al., Deep information propagation, 2017,
    https://arxiv.org/abs/1611.01232
  """
  if not (sigma_w >= 0 and sigma_b >= 0):
    raise ValueError(
      f"expected sigma_w >= 0 and sigma_b >= 0, got {sigma_w} and {sigma_b}"
    )
  weight_init = jax.nn.initializers.variance_scaling(
    sigma_w**2, "fan_in", "normal", in_axis=-1, out_axis=-2
  )
  return weight_init, jax.nn.initializers.normal(sigma_b)


def sparse(num_incoming: int, *, stddev: float = 1.0) -> Initializer:
  """Returns an initialiser that leaves each unit a few incoming weights.

  Each row has `num_incoming` entries from N(0, stddev^2), in columns drawn
  without replacement; the others are 0.

  Args:
    num_incoming: nonzero weights of a unit.
    stddev: their standard deviation.

  Returns:
    The initialiser of a matrix [out, in]; it raises ValueError if there are
    fewer than `num_incoming` inputs.

  Raises:
    ValueError: if `num_incoming` is not positive.

  References:
    Martens, Deep learning via Hessian-free optimization, 2010
    Pascanu, Mikolov, Bengio, On the difficulty of training recurrent neural
    networks, 2013, https://arxiv.org/abs/1211.5063 (15 incoming weights)
  """
  if num_incoming < 1:
    raise ValueError(f"expected num_incoming >= 1, got {num_incoming}")

  def init(key, shape, dtype=None, out_sharding=None):
    if len(shape) != 2 or shape[1] < num_incoming:
      raise ValueError(
        f"expected a shape [out, in] with in >= {num_incoming}, got "
        f"{list(shape)}"
      )
    key_weights, key_columns = jax.random.split(key)
    normal = jax.nn.initializers.normal(stddev)
    weights = normal(key_weights, shape, dtype, out_sharding)
    first = jnp.broadcast_to(jnp.arange(shape[1]) < num_incoming, shape)
    chosen = jax.random.permutation(
      key_columns, first, axis=1, independent=True
    )
    return jnp.where(chosen, weights, 0)

  return init


def with_spectral_radius(
  initializer: Initializer, spectral_radius: float
) -> Initializer:
  """Returns an initialiser that rescales what another one draws.

    W <- W rho / max_i abs(lambda_i(W)).

  It calls `jnp.linalg.eigvals`, which not every accelerator has: draw on a CPU
  where it is missing.

  Args:
    initializer: draws square matrices; a nilpotent one, which no factor can
      help, is left as it is.
    spectral_radius: rho, not negative.

  Returns:
    The initialiser of a matrix [N, N]; it raises ValueError for another shape.

  Raises:
    ValueError: if `spectral_radius` is negative.

  References:
    Jaeger, The "echo state" approach to analysing and training recurrent
    neural networks, 2001

  >>> init = with_spectral_radius(sparse(15), 0.95)
  >>> weights = init(jax.random.key(0), (50, 50))
  >>> print(f"{jnp.max(jnp.abs(jnp.linalg.eigvals(weights))):.2f}")
  0.95
  """
  if not spectral_radius >= 0:
    raise ValueError(f"expected spectral_radius >= 0, got {spectral_radius}")

  def init(key, shape, dtype=None, out_sharding=None):
    if len(shape) != 2 or shape[0] != shape[1]:
      raise ValueError(f"expected a square shape [N, N], got {list(shape)}")
    drawn = initializer(key, shape, dtype, out_sharding)
    weights = numerics.widen(drawn)  # LAPACK has no half precision.
    radius = jnp.max(jnp.abs(jnp.linalg.eigvals(weights)))
    factor = spectral_radius / jnp.where(radius > 0, radius, 1)
    factor = jnp.where(radius > 0, factor, 1).astype(weights.dtype)
    return (weights * factor).astype(drawn.dtype)

  return init


def lsuv(
  params: base.Params,
  xs: base.Array,
  activation_fns: Sequence[Callable[[base.Array], base.Array]],
) -> base.Params:
  """Rescales weights until every layer's pre-activations have variance 1.

    W_l <- W_l / std(W_l a_{l-1}),  a_l = sigma_l(W_l a_{l-1} + b_l),

  from the first layer to the last, the deviation taken over all examples and
  units. The paper starts from orthogonal weights and zero biases, and divides
  until the variance is near 1; a layer is linear in W, so once is enough.

  Args:
    params: layers {"w": [out, in], "b": [out]}, as `mlp.init` makes them.
    xs: a batch of inputs [B, in].
    activation_fns: sigma_l, one function on [out] for each layer.

  Returns:
    The parameters with the biases as they were; so are the weights of a layer
    whose pre-activations all agree, which no factor can spread.

  Raises:
    ValueError: if there is not one activation for each layer, or xs is not a
      batch of vectors.

  References:
    Mishkin, Matas, All you need is a good init, 2016,
    https://arxiv.org/abs/1511.06422 (algorithm 1)
  """
  if len(params) != len(activation_fns) or jnp.ndim(xs) != 2:
    raise ValueError(
      f"expected one activation for each of {len(params)} layers and inputs "
      f"[B, in], got {len(activation_fns)} and inputs {list(jnp.shape(xs))}"
    )
  layers = []
  for layer, activation_fn in zip(params, activation_fns, strict=True):
    deviation = jnp.std(xs @ layer["w"].T)
    w = layer["w"] / jnp.where(deviation > 0, deviation, 1)
    xs = jax.vmap(activation_fn)(xs @ w.T + layer["b"][jnp.newaxis])
    layers.append({"w": w, "b": layer["b"]})
  return tuple(layers)
