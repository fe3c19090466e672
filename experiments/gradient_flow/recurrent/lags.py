"""Gradients by lag of the networks, measured and in theory, in float64."""

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf
from experiments import sweeps
from experiments.gradient_flow.recurrent import networks, theory

# Biases of a gate which shut and open it to the last digit of float64.
_SHUT, _OPEN = -50.0, 50.0


def measure(
  family: str,
  cases: list[tuple[int, nf.base.Params, np.ndarray]],
  labels: np.ndarray,
) -> list[np.ndarray]:
  """Returns g_k = norm(d loss / d s_{T-k}) [S, T] of each case.

  A case is a network's number, parameters [S, ...] and inputs [S, T, I]. The
  loss is one output (`labels`), so that d loss / d h_T is a row of the readout.
  """

  def loss_fn(params, state_t, label):
    return params["readout"]["weights"][label] @ nf.base.last_leaf(state_t)

  def one(number, params, xs, label):
    num_units = params["readout"]["weights"].shape[-1]
    cell = networks.make_cell(family, number, xs.shape[-1], num_units)
    return nf.diagnostics.gradient_norm_by_lag(cell, loss_fn, params, xs, label)

  sizes = [len(xs) for _, _, xs in cases]
  with jax.enable_x64(True):
    batches = [
      (jnp.full(len(xs), number), params, xs, labels[: len(xs)])
      for number, params, xs in cases
    ]
    _, params, xs, _ = batch = jax.tree.map(
      lambda *leaves: jnp.concatenate(leaves), *batches
    )
    floats = jax.tree.map(lambda x: x.astype(jnp.float64), (params, xs))
    found = sweeps.sweep(one, batch[0], *floats, batch[3], quick=True)
  return np.split(found, np.cumsum(sizes)[:-1])


def at_rest(
  name: str, params: nf.base.Params, labels: np.ndarray, num_lags: int
) -> np.ndarray:
  """Returns g_k [S, T] in theory of networks without input, in their state 0.

  For the linear network and the LRU it is so with any input.
  """
  network = networks.NETWORKS[name]
  params = jax.tree.map(lambda leaf: np.asarray(leaf, float), params)

  def of_seed(seed):
    own = jax.tree.map(lambda leaf: leaf[seed], params)
    theta, v = own["cell"], own["readout"]["weights"][labels[seed]]
    size = len(v)
    if network.family == "lru":
      return theory.lru_norms(v, theta["nu"], num_lags)
    if network.family == "gru":
      candidate = theta["recurrent"][2 * size :, :size]
      return theory.gru_at_rest(v, candidate, num_lags)
    if network.family == "lstm":
      candidate = theta[2 * size : 3 * size, :size]
      return theory.lstm_at_rest(v, candidate, network.number, num_lags)
    return theory.powers(v, theta[:, :size], num_lags)

  return np.stack([of_seed(seed) for seed in range(len(labels))])


def memories(key: jax.Array, num_steps: int, num_units: int) -> np.ndarray:
  """Returns the share of a memory left after 1 ... T steps [2, T, N].

  Of LSTMs whose gate rem is 0 and 1, the others reading only noisy input.
  """
  cell = nf.cells.lstm(num_inputs=2, num_units=num_units)
  is_rem = np.arange(4 * num_units)[:, None] // num_units == 1
  key_params, key_inputs, key_memory = jax.random.split(key, 3)

  def one(bias):
    theta = cell.init(key_params).at[:, :num_units].set(0.0)
    theta = jnp.where(is_rem, 0.0, theta)
    theta = theta.at[:, -1:].set(jnp.where(is_rem, bias, 0.0))
    memory = jax.random.normal(key_memory, (num_units,))

    def left(states, x_t):
      states = jax.vmap(cell.step, (None, 0, None))(theta, states, x_t)
      return states, (states.ltm[0] - states.ltm[1]) / memory

    both = jnp.stack([memory, jnp.zeros(num_units)])
    start = type(cell.initial_state())(c=both, h=0 * both)
    xs = jax.random.normal(key_inputs, (num_steps, 2))
    return jax.lax.scan(left, start, xs)[1]

  with jax.enable_x64(True):
    return sweeps.sweep(one, jnp.array([_SHUT, _OPEN]), quick=True)
