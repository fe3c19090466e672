"""Gradients by lag of the networks, and their memories, in float64."""

from collections.abc import Callable

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf
from experiments import sweeps
from experiments.gradient_flow.recurrent import networks


def make_measure(family: str) -> Callable[..., np.ndarray]:
  """Returns how g_k = norm(d loss / d s_{T-k}) of a family is measured.

  That is (number, params [S, ...], inputs [S, T, I], labels [S]) -> [S, T]. The
  loss is one output, the label, so that d loss / d h_T is a row of the readout.
  """

  def loss_fn(params, state_t, label):
    return params["readout"]["weights"][label] @ nf.base.last_leaf(state_t)

  def one(number, params, xs, label):
    net = networks.Network(family, number=number)
    cell = networks.make_cell(net, params["readout"]["weights"].shape[-1])
    return nf.diagnostics.gradient_norm_by_lag(cell, loss_fn, params, xs, label)

  compiled = sweeps.quick_jit(jax.vmap(one, (None, 0, 0, 0)))

  def measure(number, params, xs, labels):
    params, xs = jax.tree.map(np.float64, (params, xs))
    with jax.enable_x64(True):
      return np.asarray(compiled(number, params, xs, labels))

  return measure


def memories(key: jax.Array, num_units: int) -> np.ndarray:
  """Returns the share of a memory left after each step [2, steps, N].

  Of LSTMs whose gate rem is 0 and 1, the others reading only noisy input.
  """

  def one(bias):
    cell = nf.cells.lstm(num_inputs=1, num_units=num_units, forget_bias=bias)
    theta = cell.init(key).at[:, :num_units].set(0.0)

    def memory(ltm):
      def step(state, x_t):
        state = cell.step(theta, state, x_t)
        return state, state.ltm

      state_0 = type(cell.initial_state())(c=ltm, h=0 * ltm)
      xs = jax.random.normal(key, (50, 1))  # As many steps.
      return jax.lax.scan(step, state_0, xs)[1]

    ones = jnp.ones(num_units)
    return jax.jvp(memory, (ones,), (ones,))[1]

  # Biases which shut and open the gate to the last digit of float64.
  with jax.enable_x64(True):
    return sweeps.sweep(one, np.array([-50.0, 50.0]), quick=True)
