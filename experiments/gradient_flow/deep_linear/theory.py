"""Closed forms for deep linear networks.

The network of the exercise has two paths that never meet: L weights w_11^(l)
lead from x_1 to the output and L weights w_22^(l) (the last one is w_12^(L))
from x_2, y_hat = w_11^(L) ... w_11^(1) x_1 + w_12^(L) w_22^(L-1) ... w_22^(1)
x_2. Saxe's networks have D weight matrices that start balanced and aligned with
the task, so that each singular mode has one strength u, moving by itself.
"""

import numpy as np

from experiments import study


def first_layer_gradient(
  paths: np.ndarray, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
  """Returns dL / dw_11^(1) = (y_hat - y) w_11^(L) ... w_11^(2) x_1."""
  residual = output(paths, x) - y
  return residual * np.prod(paths[..., 1:, 0], axis=-1) * x[..., 0]


def output(paths: np.ndarray, x: np.ndarray) -> np.ndarray:
  """Returns y_hat, the sum of the products along paths [..., L, 2]."""
  return np.sum(np.prod(paths, axis=-2) * x, axis=-1)


def printed_output(paths: np.ndarray, x: np.ndarray) -> np.ndarray:
  """Returns y_hat as the exercises print it, w_11^(2) in place of w_22^(2)."""
  paths = np.array(paths)
  paths[..., 1, 1] = paths[..., 1, 0]
  return output(paths, x)


def log_gradient(
  log_factor: np.ndarray,
  depths: np.ndarray,
  output: np.ndarray,
  x: float,
  y: float,
) -> np.ndarray:
  """Returns log |dL / dw_11^(1)| where all weights have one size |w|.

    log |c |w|^L - y| + (L - 1) log |w| + log |x_1|

  with y_hat = c |w|^L, taken apart so that nothing overflows; c is `output`.
  """
  grown = np.maximum(depths * log_factor, 0)
  residual = output * np.exp(depths * log_factor - grown) - y * np.exp(-grown)
  return (
    np.log(np.abs(residual))
    + grown
    + (depths - 1) * log_factor
    + np.log(np.abs(x))
  )


def log_gradients(results: study.Results) -> np.ndarray:
  """Returns the same for the study's sweep of depths, in float64 [F, N]."""
  logs = np.log(results.factors)[:, np.newaxis]
  return log_gradient(logs, results.depths, results.unit_output, 1.0, 1.0)


def learning_time(
  strength: np.ndarray, start: float, target: float, num_matrices: float
) -> np.ndarray:
  """Returns how long a mode takes from one strength to another, D t / tau.

    tau du/dt = D u^(2 - 2/D) (s - u),
    t / tau = 1/D integral du / (u^(2 - 2/D) (s - u)),

  finite for D = infinity too.
  """
  strength = np.asarray(strength, float)
  nodes, weights = np.polynomial.legendre.leggauss(60)
  # In v = log(u / (s - u)) no singularity is left: du / (s - u) = u dv / s.
  low, high = (np.log(u / (target - u)) for u in (start, strength))
  middle, half = (high + low) / 2, (high - low) / 2
  v = middle[..., np.newaxis] + half[..., np.newaxis] * nodes
  u = target / (1 + np.exp(-v))
  return half * np.sum(weights * u ** (2 / num_matrices - 1), axis=-1) / target


def mode_strength(
  times: np.ndarray, start: float, target: float, num_matrices: float
) -> np.ndarray:
  """Returns u(t), the inverse of `learning_time`, by bisection."""
  low = np.full(np.shape(times), np.log(start / (target - start)))
  high = np.full(np.shape(times), 40.0)  # s up to rounding
  for _ in range(60):
    middle = (low + high) / 2
    u = target / (1 + np.exp(-middle))
    # From above, u is s to rounding, and the time infinite.
    with np.errstate(divide="ignore", invalid="ignore"):
      late = learning_time(u, start, target, num_matrices) > times
    low, high = np.where(late, low, middle), np.where(late, middle, high)
  return target / (1 + np.exp(-low))


def predicted(results: study.Results, times: np.ndarray) -> np.ndarray:
  """Returns the study's mode strengths at D t / tau, [D, times, s]."""
  curves = [
    [
      mode_strength(times, float(results.start), strength, size)
      for strength in results.strengths
    ]
    for size in results.num_matrices
  ]
  return np.moveaxis(np.array(curves), 1, 2)
