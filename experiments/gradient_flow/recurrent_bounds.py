"""Simple networks whose gradient is bounded by their largest singular value."""

import numpy as np

import nnfun as nf
from experiments.gradient_flow import recurrent_lags as lags_lib
from experiments.gradient_flow import recurrent_networks as networks
from experiments.gradient_flow import recurrent_theory as theory

MATRICES = ("orthogonal", "Gaussian")


def measure(
  gains: tuple[float, ...],
  input_scales: tuple[float, ...],
  *,
  num_units: int,
  num_steps: int,
  num_seeds: int,
  seed: int,
) -> dict[str, np.ndarray]:
  """Measures g_k of h_t = phi(W h_tm1 + x_t) for known W and noise x.

  W is scaled to the largest singular value gain / gamma, gamma the largest
  slope of phi. The inputs are noise about -W phi(0), so that without noise
  every pre-activation is 0, where the slope is gamma.

  Args:
    gains: largest singular value times gamma.
    input_scales: standard deviations of the noise.
    num_units: N.
    num_steps: T.
    num_seeds: S, networks of each kind.
    seed: of matrices and noise.

  Returns:
    `bound_lags` [A, G, M, I, S, T] over activations, gains, matrices, inputs,
    seeds, and `bound_linear` [G, M, I, S, T], norm(v W^k) for the linear ones,
    `bound_transposed` the same with the transpose of W;
    `spiral_lags` [T] of `theory.spiral`, and `spiral_radius`, the largest
    eigenvalue of its matrix.
  """
  shape = (
    len(networks.ACTIVATIONS),
    len(gains),
    len(MATRICES),
    len(input_scales),
    num_seeds,
  )
  rng = np.random.default_rng(seed)
  cases = [
    _draw(rng, index, gains, input_scales, num_units, num_steps)
    for index in np.ndindex(shape)
  ]
  cases.append(_spiral(num_units, num_steps))
  numbers, ws, xs, vs = (np.stack(parts) for parts in zip(*cases, strict=True))
  lags = _lags(numbers, ws, xs, vs)
  is_linear = numbers == list(networks.ACTIVATIONS).index("linear")
  linear, transposed = (
    [theory.powers(v, w, num_steps) for w, v in zip(*pairs, strict=True)]
    for pairs in (
      (ws[is_linear], vs[is_linear]),
      (np.swapaxes(ws, 1, 2)[is_linear], vs[is_linear]),
    )
  )
  eigenvalues = np.linalg.eigvals(theory.spiral()[0])
  return {
    "bound_lags": lags[:-1].reshape(*shape, num_steps),
    "bound_linear": np.reshape(linear, (*shape[1:], num_steps)),
    "bound_transposed": np.reshape(transposed, (*shape[1:], num_steps)),
    "spiral_lags": lags[-1],
    "spiral_radius": np.max(np.abs(eigenvalues)),
  }


def _draw(rng, index, gains, input_scales, num_units, num_steps):
  """Returns (activation, W [N, N], inputs [T, N], v [N]) of one network."""
  name = list(networks.ACTIVATIONS)[index[0]]
  w = rng.normal(size=(num_units, num_units))
  if MATRICES[index[2]] == "orthogonal":
    w = np.linalg.qr(w)[0]
  threshold = nf.theory.recurrent.singular_value_threshold(
    networks.ACTIVATIONS[name]
  )
  w *= gains[index[1]] * threshold / np.linalg.norm(w, 2)
  xs = input_scales[index[3]] * rng.normal(size=(num_steps, num_units))
  # The first step starts from the state 0, the others near phi(0).
  xs[1:] -= w @ np.full(num_units, 0.5 if name == "sigmoid" else 0.0)
  return index[0], w, xs, rng.normal(size=num_units)


def _spiral(num_units, num_steps):
  """Returns the exploding network, the other units being cut off."""
  w, xs = np.zeros((num_units, num_units)), np.zeros((num_steps, num_units))
  w[:2, :2], held, _ = theory.spiral()
  xs[:, :2] = held
  xs[1:, :2] -= w[:2, :2] @ np.tanh(held)
  return list(networks.ACTIVATIONS).index("tanh"), w, xs, np.ones(num_units)


def _lags(numbers, ws, xs, vs):
  size = ws.shape[-1]
  identity = np.broadcast_to(np.eye(size), ws.shape)
  biases = np.zeros((*ws.shape[:2], 1))
  params = {
    "cell": np.concatenate([ws, identity, biases], axis=2),
    "readout": {"weights": vs[:, np.newaxis]},
  }
  return lags_lib.measure(
    "vanilla", numbers, params, xs, np.zeros(len(ws), int)
  )
