"""Narrow ReLU networks of ten layers, many of them dead from the start."""

from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import sweeps
from experiments.gradient_flow.activations import networks, starts

_NUM_HIDDEN = 9


class Learned(NamedTuple):
  """LeakyReLU networks that fit |x|, for each slope alpha; 0 is ReLU."""

  loss: np.ndarray  # What is left, over the variance of |x|  [nets, A]
  silent: np.ndarray  # Whether f is 0 everywhere at the start  [nets, A]
  gradient: np.ndarray  # Norm over all weights then  [nets, A]


def alive(rng: np.random.Generator, *, num_nets: int, width: int) -> np.ndarray:
  """Says whether 1 and -1 get through each layer  [nets, layers, 2]."""
  # Without biases f is linear along both rays: constant if both have died out.
  relus = [nf.activations.relu] * _NUM_HIDDEN

  def measure(params):
    xs = jnp.array([[1.0], [-1.0]])
    outputs = jax.vmap(lambda x: nf.mlp.forward(params[:-1], x, relus).outputs)
    return jnp.stack([jnp.any(a != 0, axis=-1) for a in outputs(xs)])

  return sweeps.sweep(measure, _draw(rng, num_nets, width))


def learn(
  rng: np.random.Generator,
  alphas: tuple[float, ...],
  *,
  num_nets: int,
  num_steps: int,
) -> Learned:
  """Fits |x| with width 3 by Adam, for every alpha from the same start."""
  xs = jnp.linspace(-1, 1, 16)[:, jnp.newaxis]
  optimizer = optax.adam(0.01)
  kinds = [networks.Kind(_leaky(alpha)) for alpha in alphas]

  def fit(index, params):
    def outputs(params):
      activation = networks.switched(index, kinds, "fn")
      activations = [activation] * _NUM_HIDDEN + [nf.activations.identity]
      return jax.vmap(lambda x: nf.mlp.apply(params, x, activations))(xs)

    def cost(params):
      ys = jnp.abs(xs)
      return jnp.mean((outputs(params) - ys) ** 2) / jnp.var(ys)

    def step(carry, _):
      params, state = carry
      updates, state = optimizer.update(jax.grad(cost)(params), state)
      return (optax.apply_updates(params, updates), state), None

    weights = [layer["w"] for layer in jax.grad(cost)(params)]
    carry = params, optimizer.init(params)
    (trained, _), _ = lax.scan(step, carry, length=num_steps)
    silent = jnp.all(outputs(params) == 0)
    return Learned(cost(trained), silent, optax.tree.norm(weights))

  over_nets = jax.vmap(fit, (None, 0))
  found = networks.over(len(kinds), over_nets, _draw(rng, num_nets, 3))
  return Learned(*(leaf.T for leaf in found))


def _leaky(alpha):
  if alpha == 0:
    return nf.activations.relu
  return nf.activations.leaky_relu(negative_slope=alpha)


def _draw(rng, num_nets, width):
  """Networks of one input and one output, from He's start."""
  shapes = [(width, 1), *[(width, width)] * (_NUM_HIDDEN - 1), (1, width)]
  return starts.network("He", rng, num_nets, shapes)
