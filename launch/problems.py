"""What `launch.distributed` can train, by name."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import optax
from jax import numpy as jnp

import nnfun as nf


class Problem(NamedTuple):
  """A task, and how predictions are judged."""

  task: nf.Task
  num_inputs: int
  num_outputs: int
  judge: Callable[[jax.Array, nf.base.PyTree], jax.Array]  # Loss of a step.


def adding(num_steps: int) -> Problem:
  """The squared error of the sum, at the last step."""

  def judge(prediction, y_t):
    return y_t.weight * (prediction[0] - y_t.value) ** 2

  return Problem(nf.tasks.adding(num_steps=num_steps), 2, 1, judge)


def copy(num_steps: int) -> Problem:
  """The cross-entropy of each symbol of a string of half the steps, in nats."""
  num_symbols = 8
  task = nf.tasks.copy(num_symbols=num_symbols, max_length=num_steps // 2)

  def judge(logits, y_t):
    # Blanks, one symbol more, have no weight.
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, y_t.value)
    return y_t.weight * loss

  return Problem(task, num_symbols + 2, num_symbols + 1, judge)


def delayed_addition(num_steps: int) -> Problem:
  """The cross-entropy of a distribution, in nats."""
  task = nf.tasks.delayed_addition(num_steps=num_steps)
  return Problem(task, 2, 2, optax.softmax_cross_entropy)


PROBLEMS = {
  "adding": adding,
  "copy": copy,
  "delayed_addition": delayed_addition,
}
CELLS = {
  "gru": nf.cells.gru,
  "lstm": nf.cells.lstm,
  "mgu": nf.cells.mgu,
  "vanilla": nf.cells.vanilla,
}
ESTIMATORS = {
  "kf_rtrl": nf.estimators.kf_rtrl,
  "rtrl": nf.estimators.rtrl,
  "snap_1": functools.partial(nf.estimators.snap, order=1),
  "truncated_bptt": nf.estimators.truncated_bptt,
  "uoro": nf.estimators.uoro,
}


class Model(NamedTuple):
  """What is trained, and by which estimator."""

  task: nf.Task
  estimator: nf.base.GradientEstimator
  init: nf.base.InitFn  # Of all parameters.


def make(
  problem: str, num_steps: int, cell: str, num_units: int, estimator: str
) -> Model:
  """Returns a network with a linear readout and its estimator.

  Args:
    problem: a name of PROBLEMS.
    num_steps: the steps of an episode.
    cell: a name of CELLS.
    num_units: of the cell.
    estimator: a name of ESTIMATORS.

  Returns:
    The model.
  """
  task, num_inputs, num_outputs, judge = PROBLEMS[problem](num_steps)
  net = CELLS[cell](num_inputs=num_inputs, num_units=num_units)

  def loss_fn(params, state_t, y_t):
    readout = params["readout"]
    prediction = readout["w"] @ net.output(state_t) + readout["b"]
    return judge(prediction, y_t)

  def init(key):
    theta = net.init(key)
    dtype = jax.tree.leaves(theta)[0].dtype
    w = jnp.zeros((num_outputs, num_units), dtype)
    readout = {"w": w, "b": jnp.zeros(num_outputs, dtype)}
    return {"cell": theta, "readout": readout}

  return Model(task, ESTIMATORS[estimator](net, loss_fn), init)
