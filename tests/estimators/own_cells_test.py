"""Cells as users write them, of which an estimator may assume nothing more."""

import functools

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from flax import struct
from jax import numpy as jnp

import nnfun as nf
from tests import oracles
from tests.estimators import tables

_N, _I = oracles.NUM_UNITS, oracles.NUM_INPUTS


@jax.custom_vjp
def _spike(v):
  """A step with the surrogate derivative 1 / (1 + abs(v))^2."""
  return (v > 0).astype(v.dtype)


_spike.defvjp(
  lambda v: (_spike(v), v), lambda v, g: (g / (1 + jnp.abs(v)) ** 2,)
)


def _spiking(num_gates):
  """With a gate a unit has two pre-activations, else one."""

  def features(h_tm1, x_t):
    return jnp.concatenate([h_tm1, x_t])

  def activate(a, h_tm1):
    gate = jax.nn.sigmoid(a[_N:]) if num_gates else 0.5
    return gate * h_tm1 + _spike(a[:_N])

  def init(key):
    return jax.random.normal(key, ((1 + num_gates) * _N, _N + _I))

  return nf.AffineCell(
    init,
    lambda: jnp.zeros(_N),
    nf.base.affine_step(features, activate),
    features,
    activate,
  )


@struct.dataclass
class _Weights:
  w: jax.Array

  def __post_init__(self):
    if getattr(self.w, "ndim", 2) != 2:
      raise ValueError("w must be a matrix")


def _plain(cell):
  return nf.Cell(*cell[:3])


def _with_spec(cell):
  return cell._replace(input_spec=jax.ShapeDtypeStruct((_I,), jnp.float64))


def _checked():
  """Parameters in a dataclass that looks at their shapes."""
  cell = oracles.CELLS["bare"]()
  return nf.Cell(
    lambda key: _Weights(cell.init(key)),
    cell.initial_state,
    lambda params, h_tm1, x_t: cell.step(params.w, h_tm1, x_t),
  )


@jax.custom_vjp
def _hidden(h):
  """Nothing, with the derivative of h itself."""
  return jnp.zeros_like(h)


_hidden.defvjp(lambda h: (_hidden(h), None), lambda _, g: (g,))


def _hiding():
  """An affine cell whose features reach the state by a derivative alone."""
  cell = oracles.CELLS["bare_affine"]()

  def features(state_tm1, x_t):
    hidden = state_tm1._replace(h=_hidden(state_tm1.h))
    return cell.features(hidden, x_t)

  step = nf.base.affine_step(features, cell.activate)
  return cell._replace(features=features, step=step)


class _Scaled:
  """An activation with numbers of its own, which has no hash."""

  __hash__ = None

  def __init__(self, activate):
    self.activate, self.scale = activate, 1.0

  def __call__(self, a, state_tm1):
    return self.activate(jax.tree.map(lambda v: self.scale * v, a), state_tm1)

  def __eq__(self, other):
    return isinstance(other, _Scaled)


def _unhashed():
  cell = oracles.CELLS["lstm"]()
  activate = _Scaled(cell.activate)
  step = nf.base.affine_step(cell.features, activate)
  return cell._replace(activate=activate, step=step)


def _with_nothing():
  """Parameters, features and a state of which a part has no elements."""

  def features(state_tm1, x_t):
    wide = jnp.concatenate([state_tm1["h"], x_t])
    return {"columns": jnp.zeros(0), "rows": x_t, "w": wide}

  def activate(a, state_tm1):
    h_t = jnp.tanh(a["w"] + a["columns"])
    return {"h": h_t, "nothing": state_tm1["nothing"]}

  def init(key):
    w = jax.random.normal(key, (_N, _N + _I))
    columns, rows = jnp.zeros((_N, 0)), jnp.zeros((0, _I))
    return {"columns": columns, "rows": rows, "w": w}

  return nf.AffineCell(
    init,
    lambda: {"h": jnp.zeros(_N), "nothing": jnp.zeros((3, 0))},
    nf.base.affine_step(features, activate),
    features,
    activate,
  )


WITH_NOTHING = {
  "affine": lambda: _with_spec(_with_nothing()),
  "plain": lambda: _plain(_with_nothing()),
  "plain with a spec": lambda: _with_spec(_plain(_with_nothing())),
}
_REMAT = functools.partial(nf.estimators.truncated_bptt, remat=True)

CELLS = {
  "spiking": lambda: _spiking(0),
  "gated spiking": lambda: _spiking(1),
  "plain spiking": lambda: _plain(_spiking(1)),
  "plain spiking with a spec": lambda: _with_spec(_plain(_spiking(1))),
  "hiding": _hiding,
  "without a hash": _unhashed,
  "a dataclass": _checked,
  "a dataclass with a spec": lambda: _with_spec(_checked()),
}


class OwnCellsTest(parameterized.TestCase):
  @parameterized.product(
    cell_name=tuple(CELLS),
    estimator=[name for name in tables.EXACT if name != "diagonal_rtrl"],
  )
  def test_is_the_gradient(self, cell_name, estimator):
    with oracles.float64():
      cell = CELLS[cell_name]()
      loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
      xs, ys = oracles.make_episode(tables.NUM_STEPS)
      _, expected = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
      made = tables.EXACT[estimator](cell, loss_fn)
      run = jax.jit(
        lambda params: [
          nf.training.episode_gradient(
            made, params, jax.random.key(0), xs, ys, segment=segment
          ).grads
          for segment in (1, 3)
        ]
      )
      for grads in run(params):
        oracles.assert_same_gradient(grads, expected)

  @parameterized.parameters(
    *(("affine", n) for n in tables.INTERFACE if "diagonal" not in n),
    ("affine", "remat"),
    *(("plain", n) for n in ("rtrl", "snap_1", "snap_2", "uoro", "remat")),
    ("plain with a spec", "lazy_rtrl"),
    ("plain with a spec", "sketched_rtrl"),
  )
  def test_leaves_without_elements(self, cell_name, name):
    """They get a gradient without elements and change no other."""
    with oracles.float64():
      cell = WITH_NOTHING[cell_name]()
      loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
      make, _ = tables.INTERFACE.get(name, (_REMAT, ()))
      xs, ys = oracles.make_episode(2)
      estimator = make(cell, loss_fn)
      state = estimator.init(params, jax.random.key(0))
      _, estimate = jax.jit(estimator.update)(params, state, xs, ys)
      chex.assert_trees_all_equal_shapes_and_dtypes(estimate.grads, params)
      chex.assert_tree_all_finite(estimate.grads)
      if name in (*tables.EXACT, "truncated_bptt", "remat"):
        _, expected = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
        for grads in (estimate.grads, expected):
          grads["cell"] = grads["cell"]["w"]
        oracles.assert_same_gradient(estimate.grads, expected)

  @parameterized.parameters(
    *(
      n
      for n in tables.INTERFACE
      if n not in tables.AFFINE and "diagonal" not in n
    )
  )
  def test_a_cell_without_state(self, name):
    """Which learns nothing; what the loss reads by itself gets its gradient."""
    cell = _with_spec(_plain(oracles.CELLS["vanilla"]()))
    cell = cell._replace(
      initial_state=lambda: jnp.zeros(0, jnp.float32),
      step=lambda params, nothing, x_t: nothing,
      input_spec=jax.ShapeDtypeStruct((_I,), jnp.float32),
    )
    params = oracles.make_params(cell)
    loss_fn = lambda params, nothing, y_t: jnp.sum(params["readout"]["b"] * y_t)
    xs, ys = oracles.make_episode(2)
    estimator = tables.INTERFACE[name][0](cell, loss_fn)
    state = estimator.init(params, jax.random.key(0))
    _, estimate = jax.jit(estimator.update)(params, state, xs, ys)
    chex.assert_trees_all_equal_shapes_and_dtypes(estimate.grads, params)
    of_cell, of_readout = estimate.grads["cell"], estimate.grads["readout"]["b"]
    chex.assert_tree_all_finite(estimate.grads)
    if name not in ("pes", "nres", "truncated_es"):
      self.assertFalse(jnp.any(of_cell))
      chex.assert_trees_all_close(of_readout, ys.sum(0), rtol=1e-6)

  @parameterized.parameters("truncated_bptt", "rtrl", "lazy_rtrl")
  def test_each_call_runs_the_cell_as_it_is(self, name):
    """Not compiled, each call runs the cell as it is then."""
    with oracles.float64():
      cell = _unhashed()
      loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
      xs, ys = oracles.make_episode(3)
      estimator = tables.INTERFACE[name][0](cell, loss_fn)
      for scale in (1.0, 0.5):
        cell.activate.scale = scale
        state = estimator.init(params, jax.random.key(0))
        found = estimator.update(params, state, xs, ys)[1]
        loss, grads = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
        np.testing.assert_allclose(found.loss, loss, rtol=1e-12)
        oracles.assert_same_gradient(found.grads, grads)

  def test_the_surrogate_matters(self):
    """With the true derivative of a step, 0, less of a gradient is left."""
    with oracles.float64():
      cell = CELLS["gated spiking"]()
      loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
      xs, ys = oracles.make_episode(4)
      _, grads = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
      self.assertGreater(float(jnp.abs(grads["cell"][:_N]).min()), 0)


if __name__ == "__main__":
  absltest.main()
