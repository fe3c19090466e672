"""Random tanh networks, forward and as directions, for `mean_field`.

Every function draws one network, or one layer, and is mapped over seeds. A
setting is a pair sigma_w, sigma_b; the settings of a seed share their draws up
to these factors.
"""

from typing import NamedTuple

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress

_phi = nf.activations.tanh
Array = jax.Array


class Starts(NamedTuple):
  """Settings, and where their inputs start."""

  sigma_w: Array  # [S]
  sigma_b: Array  # [S]
  q: Array  # Variance of the inputs of all groups, q* [S].
  c: Array  # Correlation of any two inputs of a group [S, G].
  relaxing_q: Array  # Variances of single inputs that have to settle [S, R].


class Propagation(NamedTuple):
  """What is measured behind each layer."""

  q: Array  # Mean square over units and inputs of the first group [L, S].
  distance: Array  # 1 - c, averaged over the pairs of a group [L, S, G].
  relaxing_q: Array  # Mean squares [L, S, R].
  growth: Array  # |W phi'(z) u|^2 / |u|^2 for random directions u [L, S].


def propagate(
  keys: Array,
  starts: Starts,
  *,
  width: int,
  num_inputs: int,
) -> Propagation:
  """Sends groups of inputs through one random network.

  Beside every input of the first group a tangent is sent, from a random
  direction, through the derivative of the layers.

  Args:
    keys: randomness of the inputs and of each layer [1 + L].
    starts: the settings.
    width: N of every layer.
    num_inputs: K, inputs in a group.

  Returns:
    The measurements of each layer.
  """
  draws = jax.random.normal(keys[0], (2 * num_inputs, width))
  frame = _orthogonalized(draws[:num_inputs])
  groups = _correlated(starts.c, frame)
  groups *= jnp.sqrt(starts.q)[:, None, None, None]
  relaxing = jnp.sqrt(starts.relaxing_q)[..., None] * frame[None, :1]
  tangents = _unit(draws[num_inputs:])
  tangents = jnp.broadcast_to(tangents, groups[:, 0].shape)

  def advance(carry, step):
    key_layer, i = step
    progress.tick(i, len(keys) - 1, "layers")
    layer = _random_layer(_draw(key_layer, width), starts)
    (groups, relaxing), grown = layer(*carry)
    squares = jnp.mean(jnp.square(groups), -1)
    measured = Propagation(
      q=jnp.mean(squares[:, 0], -1),
      distance=_distance(groups / jnp.sqrt(width * squares)[..., None]),
      relaxing_q=jnp.mean(jnp.square(relaxing), -1),
      growth=jnp.mean(jnp.sum(jnp.square(grown), -1), -1),
    )
    return ((groups, relaxing), _unit(grown)), measured

  carry = (groups, relaxing), tangents
  return lax.scan(advance, carry, (keys[1:], jnp.arange(len(keys) - 1)))[1]


def maps(
  key: Array, starts: Starts, q: Array, c: Array, *, width: int
) -> tuple[Array, Array]:
  """Returns variances and correlations behind one random layer.

  Args:
    key: randomness.
    starts: the settings.
    q: variances that go in [Q].
    c: correlations that go in, of pairs of variance q* [C].
    width: N.

  Returns:
    q' [S, Q] and c' [S, C].
  """
  draws = jax.random.normal(key, (width + 2, width + 1), jnp.float32)
  first, second = _orthogonalized(draws[width:, :width].astype(q.dtype))
  single = jnp.outer(jnp.sqrt(q), first)
  single = jnp.broadcast_to(single, (len(starts.q), *single.shape))
  partners = jnp.outer(c, first) + jnp.outer(jnp.sqrt(1 - c**2), second)
  pairs = jnp.concatenate([first[None], partners])
  pairs = jnp.sqrt(starts.q)[:, None, None] * pairs[None]
  layer = _random_layer(draws[:width], starts)
  (single, pairs), _ = layer((single, pairs), pairs[:, :0])
  pairs = _unit(pairs)
  products = jnp.einsum("sn,scn->sc", pairs[:, 0], pairs[:, 1:])
  return jnp.mean(jnp.square(single), -1), products


def lost_digits(
  keys: Array, sigma_w: float, sigma_b: float, c: float, *, width: int
) -> tuple[Array, Array]:
  """Measures 1 - c of two inputs in float32 and in float64.

  Args:
    keys: randomness of the inputs and of each layer [1 + L].
    sigma_w: of the weights.
    sigma_b: of the biases.
    c: correlation of the inputs, whose variance is 1.
    width: N.

  Returns:
    1 - x^T y in float32 and |x - y|^2 / 2 in float64 of the two normalised
    signals, the same network in both [L].
  """
  frame = _orthogonalized(jax.random.normal(keys[0], (2, width)))
  start = _correlated(jnp.full([1, 1], c), frame)[0]

  def advance(carry, key_layer):
    draws = _draw(key_layer, width)
    signals = [_apply(draws, sigma_w, sigma_b, x) for x in carry]
    x, y = _unit(signals[0])[0]
    return signals, (1 - x @ y, _distance(_unit(signals[1]))[0])

  carry = [start.astype(dtype) for dtype in (jnp.float32, jnp.float64)]
  return lax.scan(advance, carry, keys[1:])[1]


def _random_layer(draws, starts):
  """Returns one layer for all settings, a function on signals and tangents."""
  sigma_w, sigma_b = (
    s[:, None, None] for s in (starts.sigma_w, starts.sigma_b)
  )
  width = len(draws)

  def layer(signals, tangents):
    shapes = [x.shape for x in signals]
    rows = [x.reshape(x.shape[0], -1, width) for x in signals]
    slopes = _phi.slope(rows[0][:, : tangents.shape[1]])
    ends = np.cumsum([x.shape[1] for x in rows])[:-1]
    outputs = _apply(draws, sigma_w, sigma_b, jnp.concatenate(rows, 1))
    outputs = jnp.split(outputs, ends, 1)
    shaped = [x.reshape(s) for x, s in zip(outputs, shapes, strict=True)]
    weights, _ = _cast(draws, tangents.dtype)
    return tuple(shaped), sigma_w * ((slopes * tangents) @ weights.T)

  return layer


def _draw(key, width):
  """Returns W sqrt(N) / sigma_w with b / sigma_b as one more column.

  Float32 draws cost half of what float64 ones do, and are as Gaussian.
  """
  return jax.random.normal(key, (width, width + 1), jnp.float32)


def _apply(draws, sigma_w, sigma_b, signals):
  """Returns W phi(z) + b of signals [S, K, N]."""
  weights, biases = _cast(draws, signals.dtype)
  outputs = sigma_w * (_phi(signals) @ weights.T)
  return outputs + sigma_b * biases[None, None]


def _cast(draws, dtype):
  draws = draws.astype(dtype)
  return draws[:, :-1] / len(draws) ** 0.5, draws[:, -1]


def _orthogonalized(vectors):
  """Returns orthogonal vectors of mean square 1 [K, N]."""
  return jnp.linalg.qr(vectors.T)[0].T * vectors.shape[1] ** 0.5


def _correlated(c, frame):
  """Returns vectors of exact common correlation c [S, G] as [S, G, K, N].

  The least that K vectors can have is -1 / (K - 1).
  """
  size, c = len(frame), c[..., None, None]
  mean = jnp.mean(frame, 0, keepdims=True)
  rest = frame - mean
  along = jnp.sqrt(1 + (size - 1) * c) * mean[None, None]
  return along + jnp.sqrt(1 - c) * rest[None, None]


def _unit(vectors):
  return vectors / jnp.linalg.norm(vectors, axis=-1, keepdims=True)


def _distance(units):
  """Returns 1 - c = |x - y|^2 / 2 of unit vectors, averaged over pairs.

  1 - x^T y would have no digits left where c is near 1.
  """
  deviations = units - jnp.mean(units, -2, keepdims=True)
  return jnp.sum(jnp.square(deviations), (-2, -1)) / (units.shape[-2] - 1)
