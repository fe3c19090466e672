"""Streams whose law changes once; three inputs and three targets for all.

What a task has fewer of is zero. Before the change everybody learns the same;
after it sine and Lorenz still ask for the next input, a delay for an old one.
"""

import jax
from jax import numpy as jnp

import nnfun as nf

_FREQUENCIES = 0.2, 0.8  # Of the sine before and after, radians a step.
_RATES = 28.0, 60.0  # Lorenz's rho before and after.
# Of every observation of the sine. Without it gradients vanish, and the next
# large one throws Adam, of which the steps do not depend on their size, far.
_NOISE = 0.05
_STEP = 0.02  # Of the integration of Lorenz's equations, and of the stream.
_SETTLING = 500  # Steps until a trajectory is on the attractor.


def _alone(x, y):
  """A scalar stream as the first of three numbers."""
  return nf.Episode(*(jnp.pad(v[:, None], [(0, 0), (0, 2)]) for v in (x, y)))


def sine(key: jax.Array, num_steps: int, frequency: float) -> nf.Episode:
  """Asks for the next observation of a sine of random phase."""
  key_phase, key_noise = jax.random.split(key)
  phase = jax.random.uniform(key_phase, maxval=2 * jnp.pi)
  x = jnp.sin(frequency * jnp.arange(num_steps + 1) + phase)
  x += _NOISE * jax.random.normal(key_noise, x.shape)
  return _alone(x[:-1], x[1:])


def lorenz(key: jax.Array, num_steps: int, rho: float) -> nf.Episode:
  """Asks for the next point of Lorenz's attractor, by Runge and Kutta."""

  def velocity(point):
    x, y, z = point
    return jnp.stack([10 * (y - x), x * (rho - z) - y, x * y - 8 / 3 * z])

  def body(point, _):
    a = velocity(point)
    b = velocity(point + _STEP / 2 * a)
    c = velocity(point + _STEP / 2 * b)
    d = velocity(point + _STEP * c)
    point += _STEP / 6 * (a + 2 * b + 2 * c + d)
    return point, point

  start = jax.random.normal(key, (3,)) + jnp.array([1.0, 1.0, 25.0])
  length = _SETTLING + num_steps + 1
  points = jax.lax.scan(body, start, length=length)[1][_SETTLING:]
  points = (points - jnp.array([[0.0, 0.0, 25.0]])) / 20
  return nf.Episode(points[:-1], points[1:])


def delayed(key: jax.Array, num_steps: int, delay: int) -> nf.Episode:
  """Asks for what a coin of +1 and -1 showed `delay` steps ago."""
  coins = jax.random.rademacher(key, (num_steps + delay,), jnp.float32)
  return _alone(coins[delay:], coins[:num_steps])


def before(key: jax.Array, num_steps: int, num_delays: int) -> nf.Episode:
  """Returns sine, Lorenz and copies of the present coin, leaves [D, T, 3]."""
  streams = [
    sine(key, num_steps, _FREQUENCIES[0]),
    lorenz(key, num_steps, _RATES[0]),
    *[delayed(key, num_steps, 0)] * num_delays,
  ]
  return jax.tree.map(lambda *leaves: jnp.stack(leaves), *streams)


def after(
  key: jax.Array, num_steps: int, delays: tuple[int, ...]
) -> nf.Episode:
  """Returns sine, Lorenz and every delay, leaves [D, T, 3]."""
  streams = [
    sine(key, num_steps, _FREQUENCIES[1]),
    lorenz(key, num_steps, _RATES[1]),
    *(delayed(key, num_steps, delay) for delay in delays),
  ]
  return jax.tree.map(lambda *leaves: jnp.stack(leaves), *streams)
