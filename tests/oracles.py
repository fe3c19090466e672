"""Slow and obvious versions of what the library does: Python loops over time.

Nothing here uses the estimators or the influences. Derivatives are those of
JAX on single steps or on whole unrolled sequences.
"""

import contextlib
import functools

import jax
import numpy as np
from flax import linen
from jax import flatten_util
from jax import numpy as jnp

import nnfun as nf

NUM_INPUTS = 3
NUM_UNITS = 4
NUM_OUTPUTS = 2

# Relative to the largest entry of each leaf, by dtype: rounding, nothing else.
TOLERANCE = {jnp.dtype("float64"): 1e-10, jnp.dtype("float32"): 2e-4}


@contextlib.contextmanager
def float64():
  """Float64 inside, whatever it was before afterwards."""
  before = jax.config.jax_enable_x64
  jax.config.update("jax_enable_x64", True)
  try:
    yield
  finally:
    jax.config.update("jax_enable_x64", before)


class SharedWeightsCell(linen.RNNCellBase):
  """A Flax cell with a two-part carry and one kernel used twice."""

  features: int = NUM_UNITS
  param_dtype: jnp.dtype = jnp.float32

  @linen.compact
  def __call__(self, carry, x):
    slow, fast = carry
    kernel = linen.Dense(self.features, param_dtype=self.param_dtype)
    into = linen.Dense(self.features, param_dtype=self.param_dtype)
    fast = jnp.tanh(kernel(fast) + into(x))
    slow = 0.9 * slow + 0.1 * jnp.tanh(kernel(slow) + fast)
    return (slow, fast), fast

  @linen.nowrap
  def initialize_carry(self, rng, input_shape):
    del rng
    zeros = jnp.zeros((*input_shape[:-1], self.features), self.param_dtype)
    return zeros, zeros

  @property
  def num_feature_axes(self):
    return 1


def _bare(cell):
  """The same cell as its user would write it: three functions, no more."""
  return nf.Cell(cell.init, cell.initial_state, cell.step)


def _bare_affine(cell):
  """An affine cell made without the optional fields."""
  return nf.AffineCell(
    cell.init, cell.initial_state, cell.step, cell.features, cell.activate
  )


_SIZES = dict(num_inputs=NUM_INPUTS, num_units=NUM_UNITS)

CELLS = {
  "vanilla": lambda: nf.cells.vanilla(**_SIZES),
  "linear": lambda: nf.cells.linear(**_SIZES),
  "gru": lambda: nf.cells.gru(**_SIZES),
  "gru_original": lambda: nf.cells.gru_original(**_SIZES),
  "lstm": lambda: nf.cells.lstm(**_SIZES),
  "mgu": lambda: nf.cells.mgu(**_SIZES),
  "lru": lambda: nf.cells.lru(**_SIZES),
  "elstm": lambda: nf.cells.elstm(**_SIZES),
  "indrnn": lambda: nf.cells.indrnn(**_SIZES, activation=jnp.tanh),
  "stack": lambda: nf.cells.stack(
    [
      nf.cells.lstm(**_SIZES),
      nf.cells.vanilla(num_inputs=NUM_UNITS, num_units=3),
    ]
  ),
  "flax": lambda: nf.cells.from_linen(
    SharedWeightsCell(), num_inputs=NUM_INPUTS
  ),
  "bare": lambda: _bare(nf.cells.gru(**_SIZES)),
  "bare_affine": lambda: _bare_affine(nf.cells.lstm(**_SIZES)),
}

DIAGONAL_CELLS = ("lru", "elstm", "indrnn")


def make_loss(cell):
  """A loss which uses every part of the state, and the cell's parameters."""
  del cell

  def loss_fn(params, state_t, y_t):
    h_t = flatten_util.ravel_pytree(state_t)[0]
    prediction = params["readout"]["w"] @ jnp.tanh(h_t) + params["readout"]["b"]
    weight_decay = 1e-3 * sum(
      jnp.sum(leaf**2) for leaf in jax.tree.leaves(params["cell"])
    )
    return 0.5 * jnp.sum((prediction - y_t) ** 2) + weight_decay

  return loss_fn


def make_params(cell, seed=0, dtype=None):
  """Random parameters {"cell", "readout"}, none of them zero."""
  key_cell, key_noise, key_readout = jax.random.split(jax.random.key(seed), 3)
  theta, unravel = flatten_util.ravel_pytree(cell.init(key_cell))
  theta = unravel(theta + 0.1 * jax.random.normal(key_noise, theta.shape))
  num_states = flatten_util.ravel_pytree(cell.initial_state())[0].size
  w = jax.random.normal(key_readout, (NUM_OUTPUTS, num_states))
  readout = {"w": w, "b": jnp.full(NUM_OUTPUTS, 0.1)}
  params = {"cell": theta, "readout": readout}
  dtype = dtype or jnp.result_type(float)
  return jax.tree.map(lambda leaf: leaf.astype(dtype), params)


def make_episode(num_steps, seed=1, dtype=None):
  """Random inputs [T, I] and targets [T, O]."""
  key_x, key_y = jax.random.split(jax.random.key(seed))
  dtype = dtype or jnp.result_type(float)
  return (
    jax.random.normal(key_x, (num_steps, NUM_INPUTS), dtype),
    jax.random.normal(key_y, (num_steps, NUM_OUTPUTS), dtype),
  )


def start(cell, params):
  """The initial state in the dtype of the parameters."""
  dtype = jax.tree.leaves(params["cell"])[0].dtype
  return jax.tree.map(lambda s: s.astype(dtype), cell.initial_state())


# On every platform: a GPU multiplies float32 numbers more coarsely by default.
_exactly = functools.partial(jax.default_matmul_precision, "highest")


@_exactly()
def losses(cell, loss_fn, params, xs, ys, state=None):
  """The loss of every step and the last state, in a loop."""
  state = start(cell, params) if state is None else state
  result = []
  for x_t, y_t in zip(xs, ys, strict=True):
    state = cell.step(params["cell"], state, x_t)
    result.append(loss_fn(params, state, y_t))
  return result, state


@_exactly()
def whole_gradient(cell, loss_fn, params, xs, ys):
  """The gradient of the summed loss through the whole sequence."""

  def total(params):
    return sum(losses(cell, loss_fn, params, xs, ys)[0])

  return jax.jit(jax.value_and_grad(total))(params)


@_exactly()
def truncated_gradients(cell, loss_fn, params, xs, ys, segment):
  """The gradient of each segment with its first state held constant."""
  state, result = start(cell, params), []
  for first in range(0, len(xs), segment):
    piece = slice(first, first + segment)

    def total(params, state=state, piece=piece):
      values, last = losses(cell, loss_fn, params, xs[piece], ys[piece], state)
      return sum(values), last

    grads, state = jax.grad(total, has_aux=True)(params)
    result.append(grads)
  return result


@_exactly()
def online_gradients(cell, loss_fn, sequence, xs, ys, window=None):
  """The recursion of RTRL with a gradient at every step, spelt out.

  Step t uses the parameters `sequence[t]`:

    J_t = Phi_t J_{t-1} + I_t,  g_t = (d loss_t / d s_t) J_t + direct part,

  or, with a window k, the sum over the last k steps of Phi_t ... Phi_{u+1} I_u.
  """
  state = start(cell, sequence[0])
  flat, unravel = flatten_util.ravel_pytree(state)
  theta, unravel_theta = flatten_util.ravel_pytree(sequence[0]["cell"])

  def step(theta, s, x):
    s_t = cell.step(unravel_theta(theta), unravel(s), x)
    return flatten_util.ravel_pytree(s_t)[0]

  jacobians = jax.jit(jax.jacfwd(step, argnums=(0, 1)))
  immediate, transitions, result = [], [], []
  for params, x_t, y_t in zip(sequence, xs, ys, strict=True):
    theta = flatten_util.ravel_pytree(params["cell"])[0]
    i_t, phi_t = jacobians(theta, flat, x_t)
    immediate.append(np.asarray(i_t))
    transitions.append(np.asarray(phi_t))
    flat = step(theta, flat, x_t)
    oldest = 0 if window is None else max(0, len(immediate) - window)
    influence = np.zeros_like(immediate[0])
    for u in range(oldest, len(immediate)):
      influence = transitions[u] @ influence + immediate[u]
    direct, slope = jax.grad(
      lambda params, s, y_t=y_t: loss_fn(params, unravel(s), y_t), (0, 1)
    )(params, flat)
    through = unravel_theta(jnp.asarray(np.asarray(slope) @ influence))
    cell_grads = jax.tree.map(jnp.add, direct["cell"], through)
    result.append({**direct, "cell": cell_grads})
  return result


def assert_same_gradient(actual, expected):
  """Equal structure, shapes and dtypes, and values to rounding."""
  assert jax.tree.structure(actual) == jax.tree.structure(expected)
  paths = jax.tree_util.tree_leaves_with_path(expected)
  for (path, e), a in zip(paths, jax.tree.leaves(actual), strict=True):
    assert a.shape == e.shape, (path, a.shape, e.shape)
    assert a.dtype == e.dtype, (path, a.dtype, e.dtype)
    scale = float(jnp.max(jnp.abs(e)))
    assert np.isfinite(scale) and scale > 0, f"{path}: nothing to compare"
    error = float(jnp.max(jnp.abs(a - e))) / scale
    assert error < TOLERANCE[e.dtype], f"{path}: relative error {error}"
