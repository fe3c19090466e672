"""The LSTM of a textbook, equation by equation, in NumPy.

Inputs x_t are in R^p, memories in R^d and W in R^(d x p): the p x d that the
text prints for W_r and W_l has no product with x_t.
"""

import jax
import numpy as np
from jax import lax
from scipy import special

import nnfun as nf
from experiments import sweeps

_ROWS = "srlf"  # Of the library's matrix: save, rem, ltm', focus.


def difference(num_units: int, num_steps: int, seed: int) -> np.ndarray:
  """Returns the largest one in (ltm, wm) of the library and the equations."""
  num_inputs = num_units + 1  # With as many, a transposed W would do.
  rng = np.random.default_rng(seed)
  w = {name: rng.normal(size=(num_units, num_inputs)) for name in _ROWS}
  u = {name: rng.normal(size=(num_units, num_units)) for name in _ROWS}
  b = {name: rng.normal(size=num_units) for name in _ROWS}
  xs = rng.normal(size=(num_steps, num_inputs))
  cell = nf.cells.lstm(num_inputs=num_inputs, num_units=num_units)
  # Columns wm, x, 1.
  theta = np.block([[u[name], w[name], b[name][:, None]] for name in _ROWS])

  def step(state, x_t):
    state = cell.step(theta, state, x_t)
    return state, (state.ltm, state.wm)

  with jax.enable_x64(True):
    start = nf.base.initial_state(cell, theta)
    states = sweeps.quick_jit(lambda xs: lax.scan(step, start, xs)[1])(xs)
  expected, (ltm, wm) = [], np.zeros((2, num_units))
  for x_t in xs:
    a = {name: w[name] @ x_t + u[name] @ wm + b[name] for name in _ROWS}
    rem = special.expit(a["r"])  # (5.1)
    candidate = np.tanh(a["l"])  # (5.2)
    save = special.expit(a["s"])  # (5.3)
    ltm = rem * ltm + save * candidate  # (5.4)
    focus = special.expit(a["f"])  # (5.5)
    wm = focus * np.tanh(ltm)  # (5.6)
    expected.append((ltm, wm))
  return np.abs(np.stack(states, axis=1) - expected).max()
