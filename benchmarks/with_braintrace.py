"""braintrace: SnAp of order 2, which keeps all of a vanilla cell's J."""

import importlib
import types
import warnings

import jax
from jax import numpy as jnp

from benchmarks import problems, programs


def rtrl(
  braintrace: types.ModuleType, problem: problems.Problem, regime: str
) -> tuple[programs.StartFn, programs.GradientFn]:
  """Runs the exact RTRL of braintrace for one stream.

  Args:
    braintrace: the package.
    problem: a vanilla network and its stream.
    regime: "moving" or "fixed".

  Returns:
    What starts it, and what gives its gradient.
  """
  brainstate = importlib.import_module("brainstate")
  n = problem.num_units

  def prepare(num_steps, rate):
    """A function that takes the steps and returns the summed gradient."""
    w = problem.params["cell"]
    cell = braintrace.nn.ValinaRNNCell(
      problems.NUM_INPUTS, n, activation="tanh"
    )
    inputs_first = jnp.concatenate([w[:, n:-1], w[:, :n]], 1).T
    cell.W.weight.value = {"weight": inputs_first, "bias": w[:, -1]}
    readout = brainstate.ParamState(problem.params["readout"])
    with warnings.catch_warnings():
      warnings.simplefilter("ignore")
      learner = braintrace.compile(cell, braintrace.SnAp, problem.xs[0], n=2)
    weights = {"cell": cell.W.weight, "readout": readout}

    def loss_fn(x, y):
      return 0.5 * jnp.sum((readout.value @ learner(x) - y) ** 2)

    def step(total, episode):
      grads = brainstate.transform.grad(loss_fn, weights)(*episode)
      if not rate:
        return jax.tree.map(jnp.add, total, grads), None
      for name, state in weights.items():
        state.value = jax.tree.map(
          lambda p, g: p - rate * g, state.value, grads[name]
        )
      return total, None

    @brainstate.transform.jit
    def run(*episode):
      values = {name: state.value for name, state in weights.items()}
      zeros = jax.tree.map(jnp.zeros_like, values)
      return brainstate.transform.scan(step, zeros, episode)[0]

    episode = problem.xs[:num_steps], problem.ys[:num_steps]

    def quietly():
      with warnings.catch_warnings():  # That it keeps all of J, as it should.
        warnings.simplefilter("ignore")
        return jax.block_until_ready(run(*episode))

    return quietly

  def start(num_steps):
    moves = regime == "moving"
    return programs.called(
      prepare(num_steps, programs.LEARNING_RATE if moves else 0)
    )

  def gradient(num_steps):
    total = prepare(num_steps, 0)()
    cell = total["cell"]
    w_x, w_h = cell["weight"][: problems.NUM_INPUTS], cell["weight"][-n:]
    blocks = w_h.T, w_x.T, cell["bias"][:, None]
    return {
      "cell": jnp.concatenate(blocks, 1),
      "readout": total["readout"],
    }

  return start, gradient
