"""Simple networks whose gradient is bounded by their largest singular value."""

from typing import NamedTuple

import jax
import numpy as np

from experiments.gradient_flow.recurrent import lags as lags_lib
from experiments.gradient_flow.recurrent import networks

# Largest singular values, in units of 1 / gamma; the bound says something below
# 1. Standard deviations of the input noise.
_GAINS, _SCALES = (0.5, 0.9, 1.5), (0.0, 0.1, 1.0)
_NUM_SEEDS = 3  # Matrices of each kind.


class Bounds(NamedTuple):
  """Of h_t = phi(W h_tm1 + x_t), W scaled to lambda_1 = gain / gamma.

  gamma is the largest slope of phi. The inputs are noise about -W phi(0), so
  that without noise every pre-activation is 0, where the slope is gamma.
  """

  gains: np.ndarray  # [G]
  scales: np.ndarray  # Of the noise  [I]
  # g_k by activation; W orthogonal, then Gaussian.
  lags: dict[str, np.ndarray]  # [G, 2, I, S, T]


def measure(num_units: int, num_steps: int, seed: int) -> Bounds:
  """Measures g_k for known W and noise."""
  shape = (len(_GAINS), 2, len(_SCALES), _NUM_SEEDS)
  rng, found = np.random.default_rng(seed), {}
  for name in ("tanh", "sigmoid"):
    params, inputs = [], []
    gamma = networks.ACTIVATIONS[name].max_slope
    for g, is_gaussian, i, _ in np.ndindex(shape):
      w = rng.normal(size=(num_units, num_units))
      w = w if is_gaussian else np.linalg.qr(w)[0]
      w *= _GAINS[g] / gamma / np.linalg.norm(w, 2)
      xs = _SCALES[i] * rng.normal(size=(num_steps, num_units))
      # The first step starts from the state 0, the others near phi(0).
      xs[1:] -= w @ np.full(num_units, 0.5 if name == "sigmoid" else 0.0)
      inputs.append(xs)
      cell = np.concatenate([w, np.eye(num_units), 0 * w[:, :1]], axis=1)
      readout = {"weights": rng.normal(size=(1, num_units))}
      params.append({"cell": cell, "readout": readout})
    number = list(networks.ACTIVATIONS).index(name)
    params = jax.tree.map(lambda *leaves: np.stack(leaves), *params)
    case = (number, params, np.stack(inputs))
    (lags,) = lags_lib.measure("vanilla", [case], np.zeros(len(inputs), int))
    found[name] = lags.reshape(*shape, -1)
  return Bounds(np.array(_GAINS), np.array(_SCALES), found)
