"""PyTorch: back-propagation by its layers, RTRL by `torch.bmm`.

PyTorch is handed in by `others`, which knows whether it is there.
"""

import functools
import os
import types

import jax
import numpy as np

from benchmarks import problems, programs

LAYERS = {"vanilla": "RNN", "gru": "GRU", "lstm": "LSTM"}


def _started_with_threads(torch, run):
  """A program after its first call, with one thread or all: the quicker."""

  def with_threads(num_threads):
    torch.set_num_threads(num_threads)
    run()

  candidates = []
  for num_threads in {1, os.cpu_count() or 1}:
    call = functools.partial(with_threads, num_threads)
    started = programs.called(call)
    seconds = programs.called(call).first_seconds
    started = started._replace(note=f"threads: {num_threads}")
    candidates.append((seconds, num_threads, started))
  return min(candidates, key=lambda candidate: candidate[:2])[-1]


def _tensors(torch, problem):
  """Parameters and data [T, B, ...] where PyTorch computes, and a wait."""
  is_cpu = jax.default_backend() == "cpu"
  device = "cpu" if is_cpu else "cuda"

  def tensor(array):
    return torch.tensor(np.asarray(array), device=device)

  params = jax.tree.map(tensor, problem.params)
  xs, ys = tensor(problem.xs), tensor(problem.ys)
  if problem.batch_size == 1:
    xs, ys = xs[:, None], ys[:, None]
  return params, xs, ys, (lambda: None) if is_cpu else torch.cuda.synchronize


def bptt(
  torch: types.ModuleType, problem: problems.Problem
) -> tuple[programs.StartFn, programs.GradientFn]:
  """Goes forward and backward through a layer of PyTorch.

  Args:
    torch: PyTorch.
    problem: the network, one of `LAYERS`, and its stream.

  Returns:
    What starts it, and what gives its gradient.
  """
  n = problem.num_units
  params, xs, ys, wait = _tensors(torch, problem)
  layer = getattr(torch.nn, LAYERS[problem.cell_name])
  layer = layer(problems.NUM_INPUTS, n).to(xs.device)
  w = params["cell"]
  with torch.no_grad():
    if isinstance(w, dict):
      blocks = (
        w["input"][:, :-1],
        w["recurrent"][:, :-1],
        w["input"][:, -1],
        w["recurrent"][:, -1],
      )
    else:  # One bias, where PyTorch has two.
      blocks = w[:, n:-1], w[:, :n], w[:, -1], torch.zeros_like(w[:, -1])
    for leaf, block in zip(layer.parameters(), blocks, strict=True):
      leaf.copy_(block)
  readout = params["readout"].requires_grad_()
  leaves = [*layer.parameters(), readout]

  def gradient_of(num_steps):
    h, _ = layer(xs[:num_steps])
    loss = 0.5 * ((h @ readout.T - ys[:num_steps]) ** 2).sum()
    grads = torch.autograd.grad(loss / problem.batch_size, leaves)
    wait()
    return grads

  def start(num_steps):
    return _started_with_threads(torch, lambda: gradient_of(num_steps))

  def gradient(num_steps):
    grads = [np.asarray(g.cpu()) for g in gradient_of(num_steps)]
    w_x, w_h, b_x, b_h, readout = grads
    b_x, b_h = b_x[:, None], b_h[:, None]
    if isinstance(w, dict):
      cell = {
        "input": np.concatenate([w_x, b_x], 1),
        "recurrent": np.concatenate([w_h, b_h], 1),
      }
    else:
      cell = np.concatenate([w_h, w_x, b_x], 1)
    return {"cell": cell, "readout": readout}

  return start, gradient


def rtrl(
  torch: types.ModuleType, problem: problems.Problem, regime: str
) -> tuple[programs.StartFn, programs.GradientFn]:
  """Runs J_t = diag(1 - h_t^2) (W_h J_tm1 + z_t) for a batch.

  Args:
    torch: PyTorch.
    problem: a vanilla network and its stream.
    regime: "moving" or "fixed".

  Returns:
    What starts it, and what gives its gradient.
  """
  n, b = problem.num_units, problem.batch_size
  params, xs, ys, wait = _tensors(torch, problem)
  num_columns = params["cell"].shape[1]

  def blank():
    h = torch.zeros(b, n, device=xs.device)
    influence = torch.zeros(b, n, n * num_columns, device=xs.device)
    return h, influence, torch.empty_like(influence)

  @torch.no_grad()
  def run(params, state, num_steps, rate):
    """Takes the steps; changes params and returns the state and the sum."""
    (w, readout), (h, influence, room) = params, state
    total = torch.zeros_like(w), torch.zeros_like(readout)
    ones = torch.ones(b, 1, device=xs.device)
    for x, y in zip(xs[:num_steps], ys[:num_steps], strict=True):
      z = torch.cat([h, x, ones], 1)
      h = torch.tanh(z @ w.T)
      slope = 1 - h**2
      transition = slope[:, :, None] * w[:, :n]
      torch.bmm(transition, influence, out=room)
      influence, room = room, influence
      # Row k of W reaches unit k only: the diagonal [B, Z, n] of J.
      own = influence.view(b, n, n, num_columns).diagonal(dim1=1, dim2=2)
      own += z[:, :, None] * slope[:, None, :]
      error = (h @ readout.T - y) / b
      back = error @ readout
      grads = (
        torch.bmm(back[:, None], influence).sum(0).view_as(w),
        error.T @ h,
      )
      for p, g, t in zip((w, readout), grads, total, strict=True):
        if rate:
          p -= rate * g
        else:
          t += g
    wait()
    return (h, influence, room), total

  leaves = params["cell"], params["readout"]

  def start(num_steps):
    own, state = [leaf.clone() for leaf in leaves], blank()

    def call():
      nonlocal state
      if regime == "moving":
        state, _ = run(own, state, num_steps, programs.LEARNING_RATE)
      else:
        state[0].zero_(), state[1].zero_()
        run(own, state, num_steps, 0.0)

    return _started_with_threads(torch, call)

  def gradient(num_steps):
    _, total = run(leaves, blank(), num_steps, 0.0)
    cell, readout = (np.asarray(t.cpu()) for t in total)
    return {"cell": cell, "readout": readout}

  return start, gradient
