"""The network of the published figure, and its gradient by both directions."""

from typing import NamedTuple

import jax
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf

NUM_UNITS = 32  # Inputs and outputs are as many.


class Member(NamedTuple):
  """A network with its inputs, of which the first ones are a sequence."""

  params: nf.base.Params
  xs: jax.Array  # [T, 32]
  counts: jax.Array  # Whether a step belongs to the sequence  [T]


def cell() -> nf.DiagonalCell:
  """Returns the linear recurrent unit; r_min is in its parameters."""
  return nf.cells.lru(num_inputs=NUM_UNITS, num_units=NUM_UNITS)


def draw(
  key: jax.Array, r_min: jax.Array, length: jax.Array, num_steps: int
) -> Member:
  """Draws a network as the authors' notebook does, numbers of 64 bits.

  The library's B has the same spread and no bias; the readout is layer
  normalisation and a perceptron of 128 hidden ReLU.
  """
  n = NUM_UNITS
  key_cell, key_radius, key_c, key_w1, key_w2, key_x = jax.random.split(key, 6)
  u = jax.random.uniform(key_radius, (n,))
  squared = u * (1 - r_min**2) + r_min**2
  theta = cell().init(key_cell) | {
    "nu": jnp.log(-0.5 * jnp.log(squared)),
    "log_gamma": 0.5 * jnp.log1p(-squared),
  }
  glorot = jax.nn.initializers.glorot_uniform()
  lecun = jax.nn.initializers.lecun_normal()
  readout = {
    "c": jnp.concatenate([glorot(k, (n, n)) for k in jax.random.split(key_c)]),
    "scale": jnp.ones(n),
    "w1": lecun(key_w1, (n, 4 * n)),
    "w2": lecun(key_w2, (4 * n, n)),
  }
  readout |= {"shift": jnp.zeros(n), "b1": jnp.zeros(4 * n), "b2": jnp.zeros(n)}
  params = {"cell": theta, "readout": readout}
  xs = jax.random.normal(key_x, (num_steps, n))
  return Member(params, xs, (jnp.arange(num_steps) < length).astype(xs.dtype))


def loss_fn(
  params: nf.base.Params, s_t: jax.Array, counts_t: jax.Array
) -> jax.Array:
  """Returns the mean square of the outputs, the targets are 0; 0 afterwards."""
  p = params["readout"]
  z = jax.nn.standardize(s_t @ p["c"], epsilon=1e-6) * p["scale"] + p["shift"]
  outputs = jax.nn.relu(z @ p["w1"] + p["b1"]) @ p["w2"] + p["b2"]
  return counts_t * jnp.mean(outputs**2)


class Gradients(NamedTuple):
  """Of one network, with errors run forward, twice, and backward."""

  forward: nf.base.Params  # Two passes with inverses, as published.
  summed: nf.base.Params  # delta_0 by a sum without inverses, as in nnfun.
  backward: nf.base.Params  # The exact one.


def gradients(member: Member) -> Gradients:
  """Returns the gradient by errors run forward, in two passes, and backward.

  With g_t the slope of loss_t and delta_t = g_t + lambda delta_{t+1}, as
  complex numbers, a pass is delta_t = (delta_{t-1} - g_{t-1}) / lambda, with
  g_0 = 0. The first one begins with 0; what it misses at the end, times
  lambda^T, is delta_0, where the second begins. It is sum_t lambda^t g_t too.
  """
  theta, counts = member.params["cell"], member.counts

  def step(s_tm1, x_t):
    s_t = cell().step(theta, s_tm1, x_t)
    return s_t, (s_tm1, s_t)

  zero = jnp.zeros(2 * NUM_UNITS, member.xs.dtype)
  _, (before, states) = lax.scan(step, zero, member.xs)
  direct, slopes = jax.vmap(jax.grad(loss_fn, (0, 1)), (None, 0, 0))(
    member.params, states, counts
  )
  real, imaginary = jnp.split(slopes, 2, axis=1)
  g = real - 1j * imaginary
  turn = jnp.exp(1j * jnp.exp(theta["theta"]))
  # With factors of 1 and slopes of 0 the end of the sequence stays as it is.
  factors = jnp.exp(-jnp.exp(theta["nu"])) * turn
  factors = jnp.where(counts[:, None] > 0, factors, 1)
  none = jnp.zeros_like(g[0])

  def forward(delta, steps):
    slope_tm1, factor, _ = steps
    delta = (delta - slope_tm1) / factor
    return delta, delta

  def warm_up(carry, steps):
    delta, power, total = carry
    _, factor, slope_t = steps
    power = power * factor
    total = total + power * slope_t
    return (forward(delta, steps)[0], power, total), None

  def backward(delta, steps):
    factor, slope_t = steps
    return factor * (slope_t + delta), slope_t + delta

  steps = jnp.concatenate([none[None], g[:-1]]), factors, g
  (last, power, total), _ = lax.scan(warm_up, (none, none + 1, none), steps)
  starts = jnp.stack([power * (g[-1] - last), total])
  _, (twice, summed) = jax.vmap(lambda e: lax.scan(forward, e, steps))(starts)
  _, exact = lax.scan(backward, none, steps[1:], reverse=True)
  _, pull = jax.vjp(
    lambda theta: jax.vmap(cell().step, (None, 0, 0))(theta, before, member.xs),
    theta,
  )

  def through(deltas):
    pairs = jnp.concatenate([deltas.real, -deltas.imag], axis=1)
    return pull(counts[:, None] * pairs)[0]

  readout = jax.tree.map(lambda leaf: leaf.sum(axis=0), direct["readout"])
  deltas = twice, summed, exact
  return Gradients(*({"cell": through(d), "readout": readout} for d in deltas))


def compare(
  key: jax.Array, r_min: jax.Array, length: jax.Array, *, num_steps: int
) -> tuple[jax.Array, jax.Array]:
  """Returns cosines [2] with the exact gradient, and relative errors [2].

  Of all parameters, those of the readout included, as published.
  """
  *estimates, exact = gradients(draw(key, r_min, length, num_steps))

  def of(estimate):
    norms = optax.tree.norm(estimate), optax.tree.norm(exact)
    difference = optax.tree.norm(optax.tree.sub(estimate, exact))
    product = optax.tree.vdot(estimate, exact)
    return product / (norms[0] * norms[1]), difference / norms[1]

  cosines, errors = zip(*map(of, estimates), strict=True)
  return jnp.stack(cosines), jnp.stack(errors)
