"""Slow and obvious versions of what the library does.

Nothing here uses the estimators or the influences. Derivatives are those of
JAX, on single steps or through a whole sequence.
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
  "sparse": lambda: nf.cells.sparse(
    nf.cells.vanilla(**_SIZES),
    np.random.default_rng(3).random((NUM_UNITS, NUM_UNITS + NUM_INPUTS + 1))
    < 0.6,
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
  """Random parameters {"cell", "readout"}, none of them zero.

  By NumPy, which has nothing to compile.
  """
  rng = np.random.default_rng(seed)
  theta = jax.eval_shape(cell.init, jax.random.key(0))
  num_states = sum(s.size for s in jax.tree.leaves(cell.initial_state()))
  dtype = np.dtype(dtype or jnp.result_type(float))

  def draw(leaf):
    fan_in = leaf.shape[-1] if leaf.ndim else 1
    return np.asarray(rng.normal(size=leaf.shape) / fan_in**0.5, dtype)

  readout = {
    "w": rng.normal(size=(NUM_OUTPUTS, num_states)).astype(dtype),
    "b": np.full(NUM_OUTPUTS, 0.1, dtype),
  }
  params = {"cell": jax.tree.map(draw, theta), "readout": readout}
  return jax.tree.map(jnp.asarray, params)


def make_episode(num_steps, seed=1, dtype=None):
  """Random inputs [T, I] and targets [T, O]."""
  rng = np.random.default_rng(seed)
  dtype = dtype or jnp.result_type(float)
  sizes = (num_steps, NUM_INPUTS), (num_steps, NUM_OUTPUTS)
  return tuple(jnp.asarray(rng.normal(size=size), dtype) for size in sizes)


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
    def step(state, now):
      x_t, y_t = now
      state = cell.step(params["cell"], state, x_t)
      return state, loss_fn(params, state, y_t)

    return jnp.sum(jax.lax.scan(step, start(cell, params), (xs, ys))[1])

  return jax.jit(jax.value_and_grad(total))(params)


@_exactly()
def truncated_gradients(cell, loss_fn, params, xs, ys, segment):
  """The gradient of each segment with its first state held constant."""

  @jax.jit
  @functools.partial(jax.grad, has_aux=True)
  def gradient(params, state, xs, ys):
    values, last = losses(cell, loss_fn, params, xs, ys, state)
    return sum(values), last

  state, result = start(cell, params), []
  for first in range(0, len(xs), segment):
    piece = slice(first, first + segment)
    grads, state = gradient(params, state, xs[piece], ys[piece])
    result.append(grads)
  return result


@_exactly()
def online_gradients(cell, loss_fn, sequence, xs, ys, window=None):
  """The recursion of RTRL with a gradient at every step, spelt out.

  Step t uses the parameters `sequence[t]`:

    J_t = Phi_t J_{t-1} + I_t,  g_t = (d loss_t / d s_t) J_t + direct part,

  or, with a window k, the sum over the last k steps of Phi_t ... Phi_{u+1} I_u.
  """
  derivatives = _derivatives(cell, loss_fn)
  state, immediate, transitions, result = start(cell, sequence[0]), [], [], []
  for params, x_t, y_t in zip(sequence, xs, ys, strict=True):
    (i_t, phi_t), state, direct, slope = derivatives(params, state, x_t, y_t)
    immediate.append(np.asarray(i_t))
    transitions.append(np.asarray(phi_t))
    oldest = 0 if window is None else max(0, len(immediate) - window)
    influence = np.zeros_like(immediate[0])
    for u in range(oldest, len(immediate)):
      influence = transitions[u] @ influence + immediate[u]
    result.append(_joined(direct, np.asarray(slope) @ influence))
  return result


@_exactly()
def patterns(cell, loss_fn, x_t, y_t):
  """Which entries of I and Phi differ from zero in one of a few points."""
  derivatives, found = _derivatives(cell, loss_fn), [0, 0]
  for seed in range(5):
    params = make_params(cell, seed + 10)
    rng = np.random.default_rng(seed)
    state = jax.tree.map(
      lambda s, r=rng: jnp.asarray(r.normal(size=s.shape), s.dtype),
      start(cell, params),
    )
    jacobians = derivatives(params, state, jnp.ones_like(x_t), y_t)[0]
    found = [
      f | (np.asarray(j) != 0) for f, j in zip(found, jacobians, strict=True)
    ]
  return [f.astype(int) for f in found]


def sparse_gradients(cell, loss_fn, params, xs, ys, *, order):
  """SnAp-n, J_t = M (Phi_t J_{t-1} + I_t), its pattern M found with numbers."""
  immediate, transition = patterns(cell, loss_fn, xs[0], ys[0])
  mask = immediate
  for _ in range(order - 1):
    mask = (transition @ mask + immediate > 0).astype(int)

  def advance(influence, phi_t, i_t):
    return mask * (phi_t @ influence + i_t)

  return _forward(cell, loss_fn, params, xs, ys, advance)


def sketched_gradients(cell, loss_fn, params, xs, ys, *, rank):
  """SnAp-1 and, by singular values, the best of the rest."""
  mask, _ = patterns(cell, loss_fn, xs[0], ys[0])
  kept = rest = 0.0 * mask

  def advance(_, phi_t, i_t):
    nonlocal kept, rest
    further = phi_t @ kept
    u, s, v = np.linalg.svd(phi_t @ rest + (1 - mask) * further, False)
    rest = (u[:, :rank] * s[:rank]) @ v[:rank]
    kept = mask * further + i_t
    return kept + rest

  return _forward(cell, loss_fn, params, xs, ys, advance)


@_exactly()
def _forward(cell, loss_fn, params, xs, ys, advance):
  """The gradient of every step with an influence that is carried forward."""
  derivatives = _derivatives(cell, loss_fn)
  state, influence, result = start(cell, params), 0.0, []
  for x_t, y_t in zip(xs, ys, strict=True):
    jacobians, state, direct, slope = derivatives(params, state, x_t, y_t)
    i_t, phi_t = map(np.asarray, jacobians)
    before = np.zeros_like(i_t) if not result else influence
    influence = advance(before, phi_t, i_t)
    result.append(_joined(direct, np.asarray(slope) @ influence))
  return result


@_exactly()
def leaky_gradients(cell, loss_fn, params, xs, ys, *, leak_fn, error_fn=None):
  """J_t = leak_fn(D_t) J_{t-1} + I_t, D_t with the pre-activations fixed."""
  theta, unravel_theta = flatten_util.ravel_pytree(params["cell"])
  flat, unravel = flatten_util.ravel_pytree(start(cell, params))
  influence, result = np.zeros((flat.size, theta.size)), []
  for x_t, y_t in zip(xs, ys, strict=True):
    state_tm1 = unravel(flat)
    z = cell.features(state_tm1, x_t)

    def of_theta(theta, z=z):
      return nf.base.preactivation(unravel_theta(theta), z)

    def activate(a, flat):
      state_t = cell.activate(a, unravel(flat))
      return flatten_util.ravel_pytree(state_t)[0]

    def step(theta, flat, of_theta=of_theta):
      return activate(of_theta(theta), flat)

    i_t, d_t = jax.jacfwd(step, (0, 1))(theta, flat)
    influence = leak_fn(np.asarray(d_t)) @ influence + np.asarray(i_t)
    flat = step(theta, flat)
    direct, slope = jax.grad(loss_fn, (0, 1))(params, unravel(flat), y_t)
    if error_fn is not None:
      slope = error_fn(unravel(flat), y_t)
    slope = np.asarray(flatten_util.ravel_pytree(slope)[0])
    result.append(_joined(direct, slope @ influence))
  return result


def _joined(direct, through):
  theta, unravel = flatten_util.ravel_pytree(direct["cell"])
  return {**direct, "cell": unravel(theta + through)}


@functools.cache
def _derivatives(cell, loss_fn):
  """All derivatives of one step, compiled once for a cell and a loss."""

  @jax.jit
  def derivatives(params, state_tm1, x_t, y_t):
    theta, unravel_theta = flatten_util.ravel_pytree(params["cell"])
    flat, unravel = flatten_util.ravel_pytree(state_tm1)

    def step(theta, flat):
      state_t = cell.step(unravel_theta(theta), unravel(flat), x_t)
      return flatten_util.ravel_pytree(state_t)[0]

    state_t = cell.step(params["cell"], state_tm1, x_t)
    direct, slope = jax.grad(loss_fn, (0, 1))(params, state_t, y_t)
    slope = flatten_util.ravel_pytree(slope)[0]
    return jax.jacfwd(step, (0, 1))(theta, flat), state_t, direct, slope

  return derivatives


def assert_same_gradient(actual, expected):
  """Equal structure, shapes and dtypes, and values to rounding."""
  assert jax.tree.structure(actual) == jax.tree.structure(expected)
  paths = jax.tree_util.tree_leaves_with_path(expected)
  for (path, e), a in zip(paths, jax.tree.leaves(actual), strict=True):
    assert a.shape == e.shape, (path, a.shape, e.shape)
    assert a.dtype == e.dtype, (path, a.dtype, e.dtype)
    a, e = np.asarray(a), np.asarray(e)
    scale = np.max(np.abs(e))
    assert np.isfinite(scale) and scale > 0, f"{path}: nothing to compare"
    error = np.max(np.abs(a - e)) / scale
    assert error < TOLERANCE[e.dtype], f"{path}: relative error {error}"
