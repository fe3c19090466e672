"""Segments of affine cells against those of cells of which nothing is known."""

import functools
from unittest import mock

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from nnfun import loops
from nnfun.estimators import affine_segment
from tests import oracles

_NUM_STEPS = 7


def _cell(features, activate=lambda a, s: jnp.tanh(a) + 0.1 * s):
  """An affine cell with these features of states [4] and inputs [3]."""
  num_units, num_inputs = oracles.NUM_UNITS, oracles.NUM_INPUTS
  z = jax.eval_shape(features, jnp.zeros(num_units), jnp.zeros(num_inputs))
  return nf.AffineCell(
    init=lambda key: jax.random.normal(key, (num_units, z.size)) / 2,
    initial_state=lambda: jnp.full(num_units, 0.2),
    step=nf.base.affine_step(features, activate),
    features=features,
    activate=activate,
  )


_FEATURES = {
  "in_another_order": lambda s, x: jnp.concatenate([x[:1], s[::-1], x[1:]]),
  "twice": lambda s, x: jnp.concatenate([s, x, s[1:3], x[:2]]),
  "mixed": lambda s, x: jnp.concatenate([jnp.sin(s) * x[0], x, s[:1] + x[:1]]),
  "of_inputs": lambda s, x: x**2,
  "of_states": lambda s, x: s + x[0],
  "compared": lambda s, x: jnp.where(s > 0, 1.0, x[0]),
  "folded": lambda s, x: jnp.concatenate([s, x, x[:1]]).reshape(2, 4).T.ravel(),
}
_CELLS = {
  **{name: _cell(features) for name, features in _FEATURES.items()},
  **{name: oracles.CELLS[name]() for name in ("vanilla", "lstm", "gru")},
}


class AffineSegmentTest(parameterized.TestCase):
  @parameterized.product(name=tuple(_CELLS), with_resets=(False, True))
  def test_equals_the_segment_of_a_bare_cell(self, name, with_resets):
    with oracles.float64():
      cell = _CELLS[name]
      loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
      xs, ys = oracles.make_episode(_NUM_STEPS)
      resets = jnp.arange(_NUM_STEPS) == 3 if with_resets else None
      bare = nf.Cell(cell.init, cell.initial_state, cell.step)
      (state, actual), (expected_state, expected) = (
        jax.jit(estimator.update)(
          params, estimator.init(params, jax.random.key(0)), xs, ys, resets
        )
        for estimator in (
          nf.estimators.truncated_bptt(c, loss_fn) for c in (cell, bare)
        )
      )
      oracles.assert_same_gradient(actual, expected)
      oracles.assert_same_gradient(state, expected_state)

  @parameterized.parameters("twice", "lstm", "gru")
  def test_estimates_have_derivatives(self, name):
    """Of the loss, and of the gradient in a direction, forward and reverse."""
    with oracles.float64(), mock.patch.object(affine_segment, "_LONG", 1):
      cell = _CELLS[name]
      loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
      direction = jax.tree.map(jnp.cos, params)
      xs, ys = oracles.make_episode(_NUM_STEPS)
      estimator = nf.estimators.truncated_bptt(cell, loss_fn)

      def estimate(params):
        state = estimator.init(params, jax.random.key(0))
        return estimator.update(params, state, xs, ys)[1]

      def whole_gradient(params):
        return oracles.whole_gradient(cell, loss_fn, params, xs, ys)[1]

      def along(params):
        parts = jax.tree.map(jnp.vdot, estimate(params).grads, direction)
        return sum(jax.tree.leaves(parts))

      @jax.jit
      def derivatives():
        move = (params,), (direction,)
        hessian_of = jax.jvp(whole_gradient, *move)
        loss_grads = jax.grad(lambda p: estimate(p).loss)(params)
        forward = jax.jvp(lambda p: estimate(p).grads, *move)[1]
        return (loss_grads, forward, jax.grad(along)(params)), hessian_of

      (loss_grads, forward, reverse), expected = derivatives()
      oracles.assert_same_gradient(loss_grads, expected[0])
      oracles.assert_same_gradient(forward, expected[1])
      oracles.assert_same_gradient(reverse, expected[1])

  @parameterized.product(
    copies=(False, True), axes=((None, None), (None, 0), (0, None), (0, 0))
  )
  def test_products_of_one_and_of_batches(self, copies, axes):
    """Their values and derivatives, of weights that are shared or are not."""
    rng = np.random.default_rng(0)
    of_w, of_v = [(5,) * (axis is not None) for axis in axes]
    w, dw = rng.normal(size=(2, *of_w, 3, 4))
    v, dv = rng.normal(size=(2, *of_v, 4))

    def product(w, v):
      return affine_segment._product(w, w.T if copies else None, v)

    with oracles.float64():
      if axes != (None, None):
        product = jax.vmap(product, axes)
      actual = jax.jvp(product, (w, v), (dw, dv))

    def expected(w, v):
      return np.einsum("...rz,...z->...r", w, v)

    np.testing.assert_allclose(actual[0], expected(w, v), rtol=1e-12)
    tangent = expected(w, dv) + expected(dw, v)
    np.testing.assert_allclose(actual[1], tangent, rtol=1e-12)

  @parameterized.parameters(
    (40, True, True), (4, True, False), (40, False, False)
  )
  def test_only_batches_of_long_segments_copy_the_weights(
    self, num_steps, batched, copies
  ):
    """Which it is, is known when the program is compiled."""
    cell = nf.cells.lstm(num_inputs=3, num_units=5)
    params = oracles.make_params(cell)
    estimator = nf.estimators.truncated_bptt(cell, oracles.make_loss(cell))
    state = estimator.init(params, jax.random.key(0))
    xs, ys = oracles.make_episode(2 * num_steps)
    xs, ys = (a.reshape(2, num_steps, *a.shape[1:]) for a in (xs, ys))

    def estimate(params, xs, ys):
      update = functools.partial(estimator.update, params, state)
      if batched:
        return jax.vmap(update)(xs, ys)
      return update(xs[0], ys[0])

    text = jax.jit(estimate).lower(params, xs, ys).compile().as_text()
    self.assertNotIn("conditional(", text)
    # Of w, a part of the parameters [20, 9], into w_t.
    self.assertEqual("f32[5,20]" in text, copies)

  @parameterized.parameters("Auto", "Explicit")
  def test_long_segments_of_a_batch_on_many_devices(self, kind):
    cell = _CELLS["lstm"]
    loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
    estimator = nf.estimators.truncated_bptt(cell, loss_fn)
    xs, ys = (
      a.reshape(8, 20, *a.shape[1:]) for a in oracles.make_episode(8 * 20)
    )

    def mean(params, xs, ys):
      state = estimator.init(params, jax.random.key(0))
      update = jax.vmap(estimator.update, (None, None, 0, 0))
      return nf.numerics.batch_mean(update(params, state, xs, ys)[1].grads)

    expected = jax.jit(mean)(params, xs, ys)
    axis_type = getattr(jax.sharding.AxisType, kind)
    mesh = jax.make_mesh((4,), ("data",), axis_types=(axis_type,))
    spread = jax.P("data")
    if kind == "Auto":
      of_device = jax.shard_map(
        lambda *args: jax.lax.pmean(mean(*args), "data"),
        mesh=mesh,
        in_specs=(jax.P(), spread, spread),
        out_specs=jax.P(),
      )
      actual = jax.jit(of_device)(params, xs, ys)
    else:
      with jax.set_mesh(mesh):
        params = jax.device_put(
          params, jax.sharding.NamedSharding(mesh, jax.P())
        )
        xs, ys = jax.device_put(
          (xs, ys), jax.sharding.NamedSharding(mesh, spread)
        )
        actual = jax.jit(mean)(params, xs, ys)
    oracles.assert_same_gradient(actual, expected)

  @parameterized.product(
    name=("vanilla", "gru"), large=(1, 10**6), on_accelerator=(False, True)
  )
  def test_products_of_any_size_are_averaged(self, name, large, on_accelerator):
    """Over a batch, as gradients mostly are."""
    with (
      oracles.float64(),
      mock.patch.object(affine_segment, "_LARGE", large),
      mock.patch.object(affine_segment, "_LONG", 1),
      mock.patch.object(loops, "on_accelerator", lambda: on_accelerator),
    ):
      cell = _CELLS[name]
      loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
      xs, ys = jax.tree.map(
        lambda a: a.reshape(2, _NUM_STEPS, *a.shape[1:]),
        oracles.make_episode(2 * _NUM_STEPS),
      )
      estimator = nf.estimators.truncated_bptt(cell, loss_fn)
      state = estimator.init(params, jax.random.key(0))

      def program():
        # A function of its own, which no trace is kept of.
        update = functools.partial(estimator.update, params, state)
        return str(jax.make_jaxpr(update)(xs[0], ys[0]))

      found = program()
      with mock.patch.object(affine_segment, "_LARGE", 10**9):
        small = program()
      self.assertEqual(found != small, large == 1 and not on_accelerator)

      @jax.jit
      def means():
        _, found = jax.vmap(estimator.update, (None, None, 0, 0))(
          params, state, xs, ys
        )
        pairs = [
          oracles.whole_gradient(cell, loss_fn, params, x, y)[1]
          for x, y in zip(xs, ys, strict=True)
        ]
        mean = jax.tree.map(lambda a, b: (a + b) / 2, *pairs)
        return jax.tree.map(lambda g: g.mean(0), found.grads), mean

      oracles.assert_same_gradient(*means())

  @parameterized.parameters(*_FEATURES)
  def test_knows_what_a_state_reaches(self, name):
    """All that it does in some point, and of a move nothing else."""
    features = _FEATURES[name]
    x = jnp.arange(2.0, 2.0 + oracles.NUM_INPUTS)
    states = jax.random.normal(jax.random.key(0), (20, oracles.NUM_UNITS))
    values = np.stack([features(s, x) for s in states])
    changes = np.ptp(values, axis=0) > 0
    (reached,) = affine_segment._reached(features, states[0], x)
    self.assertTrue(np.all(reached >= changes))
    if name != "mixed":
      np.testing.assert_array_equal(reached, changes)

  def test_the_loop_back_finds_deltas_alone(self):
    """No product as large as the gradient is in a loop, nor a loss."""
    cell = oracles.CELLS["lstm"]()
    params = oracles.make_params(cell)
    xs, ys = oracles.make_episode(_NUM_STEPS)
    num_losses = []

    def loss_fn(params, state_t, y_t):
      num_losses.append(None)
      return jnp.sum((params["readout"] @ state_t.h - y_t) ** 2)

    estimator = nf.estimators.truncated_bptt(cell, loss_fn)
    params["readout"] = jnp.ones((oracles.NUM_OUTPUTS, oracles.NUM_UNITS))
    state = estimator.init(params, jax.random.key(0))
    jaxpr = jax.make_jaxpr(estimator.update)(params, state, xs, ys).jaxpr
    scans = [eqn for eqn in jaxpr.eqns if eqn.primitive is lax.scan_p]
    self.assertLen(scans, 2)
    rows, columns = params["cell"].shape
    for eqn in scans:
      inside = eqn.params["jaxpr"].jaxpr
      shapes = [v.aval.shape for e in inside.eqns for v in e.outvars]
      self.assertNotIn((rows, columns), shapes)
      self.assertNotIn((oracles.NUM_OUTPUTS,), shapes)

  def test_a_step_that_is_another_is_noticed(self):
    """What all estimators are compared with is the gradient of the step."""
    with oracles.float64():
      cell = oracles.CELLS["vanilla"]()
      features = cell.features
      wrong = cell._replace(
        step=lambda p, s, x: jnp.tanh(p @ features(s, 2 * x))
      )
      loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
      xs, ys = oracles.make_episode(_NUM_STEPS)
      _, expected = oracles.whole_gradient(wrong, loss_fn, params, xs, ys)
      actual = nf.training.exact_gradient(wrong, loss_fn, params, xs, ys).grads
      oracles.assert_same_gradient(actual, expected)

  @parameterized.parameters(1, 2, 6, 7, 9)
  def test_remat_changes_nothing(self, num_steps):
    with oracles.float64():
      cell = oracles.CELLS["lstm"]()
      loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
      xs, ys = oracles.make_episode(num_steps)
      _, expected = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
      estimator = nf.estimators.truncated_bptt(cell, loss_fn, remat=True)
      state = estimator.init(params, jax.random.key(0))
      _, actual = jax.jit(estimator.update)(params, state, xs, ys)
      oracles.assert_same_gradient(actual.grads, expected)

  def test_remat_takes_memory_as_the_root_of_the_length(self):
    """Sixteen times as many steps, four times the memory."""
    cell = oracles.CELLS["lstm"]()
    loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
    xs, ys = oracles.make_episode(1)

    def memory(num_steps, *, remat):
      estimator = nf.estimators.truncated_bptt(cell, loss_fn, remat=remat)
      state = estimator.init(params, jax.random.key(0))
      piece = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((num_steps, *x.shape[1:]), x.dtype),
        (xs, ys),
      )
      lowered = jax.jit(estimator.update).lower(params, state, *piece)
      return lowered.compile().memory_analysis().temp_size_in_bytes

    whole = [memory(k, remat=False) for k in (1024, 16384)]
    root = [memory(k, remat=True) for k in (1024, 16384)]
    self.assertBetween(whole[1] / whole[0], 12, 16.1)
    self.assertBetween(root[1] / root[0], 2, 6)


if __name__ == "__main__":
  absltest.main()
