"""The networks of the table, the task, and what they all share.

Inputs are connected to outputs directly, so a loss reads the input. No biases.
"""

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

import nnfun as nf

START = 0.2  # Weights are drawn from U[-0.2, 0.2].


def sequences(lag: int) -> nf.Episode:
  """Returns x a_1 .. a_{p-1} x and y a_1 .. a_{p-1} y, leaves [2, p, p + 1]."""
  between = np.arange(lag - 1)
  symbols = np.array([[k, *between, k] for k in (lag - 1, lag)])
  x = np.eye(lag + 1, dtype=np.float32)[symbols]
  return nf.Episode(x[:, :-1], (x[:, :-1], x[:, 1:]))


def logistic_unit(num_inputs: int) -> nf.AffineCell:
  """One self-recurrent unit, h_t = sigmoid(w h_tm1 + u x_t); row [u, w]."""

  def features(h_tm1, x_t):
    return jnp.concatenate([x_t, h_tm1])

  def activate(a, h_tm1):
    del h_tm1
    return jax.nn.sigmoid(a)

  return _affine((1, num_inputs + 1), jnp.zeros(1), features, activate)


def memory_cell(num_inputs: int) -> nf.AffineCell:
  """One cell that forgets nothing, with an input gate; rows [u], [v].

  c_t = c_tm1 + sigmoid(u x_t) tanh(v x_t / 2), h_t = tanh(c_t / 2).
  """

  def features(state_tm1, x_t):
    del state_tm1
    return x_t

  def activate(a, state_tm1):
    gate, candidate = jnp.split(a, 2)
    c_t = state_tm1[0] + jax.nn.sigmoid(gate) * jnp.tanh(candidate / 2)
    return c_t, jnp.tanh(c_t / 2)

  return _affine((2, num_inputs), (jnp.zeros(1),) * 2, features, activate)


def _affine(shape, start, features, activate):
  def init(key):
    return jax.random.uniform(key, shape, minval=-START, maxval=START)

  return nf.AffineCell(
    init,
    lambda: start,
    nf.base.affine_step(features, activate),
    features,
    activate,
    input_spec=jax.ShapeDtypeStruct((shape[1],), jnp.float32),
  )


def draw(
  cell: nf.Cell, lag: int, rng: np.random.Generator, num_trials: int
) -> nf.base.Params:
  """Draws all weights of some networks, leaves [S, ...], as the paper does."""
  shapes = {
    "cell": jax.eval_shape(cell.init, jax.random.key(0)).shape,
    "readout": {"hidden": (lag + 1, 1), "direct": (lag + 1, lag + 1)},
  }

  def uniform(shape):
    weights = rng.uniform(-START, START, (num_trials, *shape))
    return weights.astype(np.float32)

  return jax.tree.map(uniform, shapes, is_leaf=lambda s: isinstance(s, tuple))


def errors(
  params: nf.base.Params, state_t: nf.base.State, y_t: nf.base.PyTree
) -> jax.Array:
  """Returns the p + 1 logistic outputs less the next symbol."""
  (x_t, next_symbol), readout = y_t, params["readout"]
  h_t = nf.base.last_leaf(state_t)
  a = readout["hidden"] @ h_t + readout["direct"] @ x_t
  return jax.nn.sigmoid(a) - next_symbol


def loss_fn(
  params: nf.base.Params, state_t: nf.base.State, y_t: nf.base.PyTree
) -> jax.Array:
  """Returns half of the squared error, summed over outputs."""
  return 0.5 * jnp.sum(errors(params, state_t, y_t) ** 2)


def largest_error(cell: nf.Cell, lag: int, params: nf.base.Params) -> jax.Array:
  """Returns the largest error of all outputs, steps and both sequences."""

  def one(xs, ys):
    def body(state_tm1, step):
      x_t, y_t = step
      state_t = cell.step(params["cell"], state_tm1, x_t)
      return state_t, jnp.abs(errors(params, state_t, y_t))

    return lax.scan(body, cell.initial_state(), (xs, ys))[1]

  return jnp.max(jax.vmap(one)(*sequences(lag)))
