"""The LSTM of a textbook, equation by equation, in NumPy.

  (5.1) rem_t   = sigmoid(W_r x_t + U_r wm_{t-1} + b_r)
  (5.2) ltm'_t  = tanh(W_l x_t + U_l wm_{t-1} + b_l)
  (5.3) save_t  = sigmoid(W_s x_t + U_s wm_{t-1} + b_s)
  (5.4) ltm_t   = rem_t * ltm_{t-1} + save_t * ltm'_t
  (5.5) focus_t = sigmoid(W_f x_t + U_f wm_{t-1} + b_f)
  (5.6) wm_t    = focus_t * tanh(ltm_t)

for inputs x_t in R^p and memories in R^d, with W in R^(d x p): the p x d that
the text prints for W_r and W_l has no product with x_t.
"""

from typing import NamedTuple

import jax
import numpy as np
from flax import linen

import nnfun as nf

_NAMES = "rlsf"  # The layers of rem, ltm', save and focus.


class Differences(NamedTuple):
  """The largest ones in (ltm, wm) from the equations."""

  library: np.ndarray  # []
  flax: np.ndarray  # []


def compare(
  num_inputs: int, num_units: int, num_steps: int, seed: int
) -> Differences:
  """Runs the equations, the library's cell and Flax's on the same numbers."""
  rng = np.random.default_rng(seed)
  w = {name: rng.normal(size=(num_units, num_inputs)) for name in _NAMES}
  u = {name: rng.normal(size=(num_units, num_units)) for name in _NAMES}
  b = {name: rng.normal(size=num_units) for name in _NAMES}
  xs = rng.normal(size=(num_steps, num_inputs))
  expected = _equations(w, u, b, xs)
  with jax.enable_x64(True):
    states = (_library(w, u, b, xs), _flax(w, u, b, xs))
  return Differences(*(np.max(np.abs(s - expected)) for s in states))


def _equations(w, u, b, xs):
  """Returns (ltm_t, wm_t) of every step [T, 2, d]."""
  ltm, wm = np.zeros((2, *b["r"].shape))
  states = []
  for x_t in xs:
    a = {name: w[name] @ x_t + u[name] @ wm + b[name] for name in _NAMES}
    rem, save, focus = (1 / (1 + np.exp(-a[name])) for name in "rsf")
    ltm = rem * ltm + save * np.tanh(a["l"])
    wm = focus * np.tanh(ltm)
    states.append((ltm, wm))
  return np.array(states)


def _library(w, u, b, xs):
  """The same of `nf.cells.lstm`, by the names of the textbook."""
  num_units, num_inputs = w["r"].shape
  cell = nf.cells.lstm(num_inputs=num_inputs, num_units=num_units)
  # Rows save, rem, ltm', focus; columns wm, x, 1.
  theta = np.block([[u[k], w[k], b[k][:, None]] for k in "srlf"])
  state, states = nf.base.initial_state(cell, theta), []
  for x_t in xs:
    state = cell.step(theta, state, x_t)
    states.append((state.ltm, state.wm))
  return np.array(states)


def _flax(w, u, b, xs):
  """The same of Flax's cell; its gates i, f, g, o, its kernels transposed."""
  params = {}
  for gate, name in zip("ifgo", "srlf", strict=True):
    params[f"i{gate}"] = {"kernel": w[name].T}
    params[f"h{gate}"] = {"kernel": u[name].T, "bias": b[name]}
  cell = linen.LSTMCell(b["r"].size, param_dtype=np.float64)
  carry, states = (np.zeros_like(b["r"]),) * 2, []
  for x_t in xs:
    carry, _ = cell.apply({"params": params}, carry, x_t)
    states.append(carry)
  return np.array(states)
