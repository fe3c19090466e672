"""Gradients by lag of the networks, measured and in theory, in float64."""

from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf
from experiments.gradient_flow import recurrent_networks as networks
from experiments.gradient_flow import recurrent_theory as theory

PHASES = ("start", "trained", "rest")
EXACT = ("linear, orthogonal", "LRU")  # Known with any input.


def measure(
  family: str,
  numbers: np.ndarray,
  params: nf.base.Params,
  xs: np.ndarray,
  labels: np.ndarray,
) -> np.ndarray:
  """Returns g_k = norm(d loss / d s_{T-k}), the loss being one output itself.

  So d loss / d h_T is a row of the readout, and known.

  Args:
    family: key of `networks.FAMILIES`.
    numbers: of the networks [B].
    params: leaves [B, ...].
    xs: inputs [B, T, I].
    labels: which output [B].

  Returns:
    [B, T].
  """
  num_units = params["readout"]["weights"].shape[-1]

  def loss_fn(params, state_t, label):
    return params["readout"]["weights"][label] @ nf.base.last_leaf(state_t)

  def one(number, params, xs, label):
    cell = networks.make_cell(
      networks.Network(family, number),
      num_inputs=xs.shape[-1],
      num_units=num_units,
    )
    return nf.diagnostics.gradient_norm_by_lag(cell, loss_fn, params, xs, label)

  compiled = jax.jit(jax.vmap(one), compiler_options=networks.QUICK_COMPILER)
  with jax.enable_x64(True):
    floats = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), (params, xs))
    return np.asarray(compiled(numbers, *floats, labels))


def measure_all(
  start: dict[str, Any],
  trained: dict[str, Any],
  xs: np.ndarray,
  labels: np.ndarray,
) -> dict[str, np.ndarray]:
  """Measures every network at the start, after training and without input.

  Args:
    start: parameters by name, leaves [S, ...].
    trained: likewise.
    xs: inputs [S, T, I].
    labels: [S].

  Returns:
    `lags` and `lags_theory` [phases, V, S, T]; theory is NaN where it says
    nothing. `cut` [V', S, T] of the LSTMs without recurrent weights and
    without input.
  """
  start, trained = _numpy(start), _numpy(trained)
  measured, cut = {}, None
  for family in networks.FAMILIES:
    names = networks.members(family)
    cases = [
      (name, *case)
      for case in ((start, xs), (trained, xs), (start, 0 * xs))
      for name in names
    ]
    if family == "lstm":
      cases += [(name, _cut(start), 0 * xs) for name in names]
    batches = [
      (np.full(len(xs), networks.NETWORKS[name].number), tree[name], x, labels)
      for name, tree, x in cases
    ]
    batch = jax.tree.map(lambda *leaves: np.concatenate(leaves), *batches)
    lags = measure(family, *batch).reshape(-1, len(names), *xs.shape[:2])
    measured |= dict(zip(names, np.swapaxes(lags[:3], 0, 1), strict=True))
    cut = lags[3] if family == "lstm" else cut
  in_theory = [
    _theory(name, start, trained, labels, xs.shape[1])
    for name in networks.NETWORKS
  ]
  return {
    "lags": np.stack([measured[name] for name in networks.NETWORKS], axis=1),
    "lags_theory": np.stack(in_theory, axis=1),
    "cut": cut,
  }


def _numpy(tree):
  return jax.tree.map(lambda leaf: np.asarray(leaf, float), tree)


def _cut(params):
  """Returns the LSTMs with nothing but their biases, the last column."""

  def only_biases(tree):
    cell = np.zeros_like(tree["cell"])
    cell[..., -1] = tree["cell"][..., -1]
    return {**tree, "cell": cell}

  return {name: only_biases(params[name]) for name in networks.members("lstm")}


def _theory(name, start, trained, labels, num_lags):
  """Returns [phases, S, T]."""

  def of_seed(tree, seed):
    theta = jax.tree.map(lambda leaf: leaf[seed], tree[name])
    v = theta["readout"]["weights"][labels[seed]]
    return at_rest(name, theta["cell"], v, num_lags)

  def of(tree):
    return np.stack([of_seed(tree, seed) for seed in range(len(labels))])

  rest = of(start)
  if name in EXACT:
    return np.stack([rest, of(trained), rest])
  unknown = np.full_like(rest, np.nan)
  return np.stack([unknown, unknown, rest])


def at_rest(name: str, theta: Any, v: np.ndarray, num_lags: int) -> np.ndarray:
  """Returns g_k in theory of a network without input, in its state 0.

  For the linear network and the LRU it is so with any input.

  Args:
    name: key of `networks.NETWORKS`.
    theta: the parameters of its cell.
    v: d loss / d h_T [N].
    num_lags: how many.
  """
  network, size = networks.NETWORKS[name], len(v)
  if network.family == "lru":
    return theory.lru_norms(v, theta["nu"], num_lags)
  if network.family == "gru":
    candidate = theta["recurrent"][2 * size :, :size]
    return theory.gru_at_rest(v, candidate, num_lags)
  if network.family == "lstm":
    candidate = theta[2 * size : 3 * size, :size]
    return theory.lstm_at_rest(v, candidate, network.number, num_lags)
  return theory.powers(v, theta[:, :size], num_lags)
