"""The steepest step, looked for without derivatives, in float64."""

from typing import NamedTuple

import jax
import numpy as np
from jax import flatten_util, lax
from jax import numpy as jnp

from experiments import sweeps
from experiments.textbook.backpropagation import networks

_LENGTH = 1e-5  # eps of a step: its square is beyond what is looked at.
_NUM_SEARCHES, _NUM_STEPS = 4, 2000


class Steepest(NamedTuple):
  """By how much steps of one length lower the cost C itself."""

  # Along minus the gradient by backpropagation, over eps norm(grad C)  []
  along: np.ndarray
  random: np.ndarray  # The best random step, over that along -grad C  []
  searched: np.ndarray  # The same of the best step found by search  []


def steepest(num_directions: int, rng: np.random.Generator) -> Steepest:
  """Looks for a step that descends more than the one along -grad C."""
  network = networks.SHALLOW
  params, xs, ys = networks.draw_one(network, rng)
  theta, unravel = flatten_util.ravel_pytree(params)
  directions = rng.normal(size=(num_directions, theta.size))

  def cost(theta):
    return networks.mean_cost(network, unravel(theta), xs, ys)

  def fall(u):
    return cost(theta) - cost(theta + _LENGTH * u / jnp.linalg.norm(u))

  def search(carry, key):  # Keeps what lowers C; so goes one step in five.
    u, size = carry
    other = u + size * jax.random.normal(key, u.shape)
    better = fall(other) > fall(u)
    u = jnp.where(better, other / jnp.linalg.norm(other), u)
    return (u, size * jnp.where(better, 1.5, 1.5**-0.25)), None

  @sweeps.quick_jit
  def measure(keys):
    def gradient(x, y):
      grads = networks.by_hand(network, params, x, y)
      return flatten_util.ravel_pytree(grads)[0]

    g = jnp.mean(jax.vmap(gradient)(xs, ys), axis=0)
    along, random = fall(-g), jnp.max(jax.vmap(fall)(directions))
    starts = directions[0] / jnp.linalg.norm(directions[0]), jnp.full([], 0.1)
    found = jax.vmap(lambda keys: fall(lax.scan(search, starts, keys)[0][0]))
    searched = jnp.max(found(keys))
    size = _LENGTH * jnp.linalg.norm(g)
    return Steepest(along / size, random / along, searched / along)

  keys = jax.random.split(jax.random.key(0), (_NUM_SEARCHES, _NUM_STEPS))
  return jax.tree.map(np.asarray, measure(keys))
