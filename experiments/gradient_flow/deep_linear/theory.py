"""Closed forms for deep linear networks.

The network of the exercise has two paths that never meet: L weights w_11^(l)
lead from x_1 to the output and L weights w_22^(l) (the last one is w_12^(L))
from x_2, y_hat = w_11^(L) ... w_11^(1) x_1 + w_12^(L) w_22^(L-1) ... w_22^(1)
x_2. Saxe's networks have D weight matrices that start balanced and aligned with
the task, so that each singular mode has one strength u, moving by itself.
"""

import numpy as np
from scipy import integrate

from experiments import study


def output(paths: np.ndarray, x: np.ndarray) -> np.ndarray:
  """Returns y_hat, the sum of the products along paths [..., L, 2]."""
  return np.sum(np.prod(paths, axis=-2) * x, axis=-1)


def printed_output(paths: np.ndarray, x: np.ndarray) -> np.ndarray:
  """Returns y_hat as the exercises print it, w_11^(2) in place of w_22^(2)."""
  paths = np.array(paths)
  paths[..., 1, 1] = paths[..., 1, 0]
  return output(paths, x)


def first_layer_gradient(
  paths: np.ndarray, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
  """Returns dL / dw_11^(1) = (y_hat - y) w_11^(L) ... w_11^(2) x_1."""
  residual = output(paths, x) - y
  return residual * np.prod(paths[..., 1:, 0], axis=-1) * x[..., 0]


def log_gradients(results: study.Results) -> np.ndarray:
  """Returns log |dL / dw_11^(1)| where all weights have one size |w|  [F, N].

    log |c |w|^L - y| + (L - 1) log |w|,  y_hat = c |w|^L, x_1 = y = 1,

  taken apart so that nothing overflows.
  """
  logs, depths = np.log(results.factors)[:, np.newaxis], results.depths
  grown = np.maximum(depths * logs, 0)
  output = results.unit_output * np.exp(depths * logs - grown)
  residual = np.log(np.abs(output - np.exp(-grown))) + grown
  return residual + (depths - 1) * logs


def mode_strengths(results: study.Results) -> np.ndarray:
  """Returns u at v = D t / tau: du/dv = u^(2 - 2/D) (s - u)  [D, R, s]."""
  times, strengths = results.times, results.strengths

  def solve(size):
    return integrate.solve_ivp(
      lambda _, u: u ** (2 - 2 / size) * (strengths - u),
      (0, times[-1]),
      np.full(len(strengths), results.start),
      t_eval=times,
      rtol=1e-8,
      atol=1e-10,
    ).y.T

  return np.stack([solve(size) for size in results.num_matrices])


def limit_time(u: float, start: float, strength: float) -> float:
  """Returns D t / tau from a start to u, D infinite: of du / (u^2 (s - u))."""

  def primitive(u):
    return np.log(u / (strength - u)) / strength**2 - 1 / (strength * u)

  return primitive(u) - primitive(start)
