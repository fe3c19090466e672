"""Bad input gets one clear error with what was expected and what came."""

import jax
from absl.testing import absltest, parameterized
from jax import numpy as jnp

import nnfun as nf
from tests import oracles
from tests.estimators import tables


def _run(make_estimator, cell_name="vanilla", xs=None, ys=None, params=None):
  cell = oracles.CELLS[cell_name]()
  loss_fn = oracles.make_loss(cell)
  estimator = make_estimator(cell, loss_fn)
  params = oracles.make_params(cell) if params is None else params
  state = estimator.init(params, jax.random.key(0))
  episode = oracles.make_episode(4)
  xs = episode[0] if xs is None else xs
  ys = episode[1] if ys is None else ys
  return estimator.update(params, state, xs, ys)


def _every_estimator(cell_name="vanilla"):
  """Which take such a cell."""
  is_affine = isinstance(oracles.CELLS[cell_name](), nf.AffineCell)
  return [
    make
    for name, (make, _) in tables.INTERFACE.items()
    if "diagonal" not in name and (is_affine or name not in tables.AFFINE)
  ]


class ErrorsTest(parameterized.TestCase):
  def test_empty_segment(self):
    empty = jnp.zeros((0, 3)), jnp.zeros((0, 2))
    for make_estimator in _every_estimator():
      with self.assertRaisesRegex(ValueError, "at least one step, got 0"):
        _run(make_estimator, xs=empty[0], ys=empty[1])

  def test_different_lengths(self):
    for make_estimator in _every_estimator():
      with self.assertRaisesRegex(ValueError, r"one length.*\[4, 5\]"):
        _run(make_estimator, xs=jnp.zeros((5, 3)))

  def test_no_time_axis(self):
    for make_estimator in _every_estimator():
      with self.assertRaisesRegex(ValueError, "time axis first, got a scalar"):
        _run(make_estimator, xs=jnp.zeros(()))

  def test_batch_axis_without_vmap(self):
    for make_estimator in _every_estimator():
      with self.assertRaisesRegex(ValueError, r"shape \[3\].* got .*\[7, 3\]"):
        _run(make_estimator, xs=jnp.zeros((4, 7, 3)))

  def test_wrong_number_of_inputs(self):
    for cell_name in set(oracles.CELLS) - {"bare", "bare_affine"}:
      with self.assertRaisesRegex(ValueError, r"shape \[3\].* got .*\[5\]"):
        _run(nf.estimators.rtrl, cell_name, xs=jnp.zeros((4, 5)))

  def test_params_without_readout(self):
    cell = oracles.CELLS["vanilla"]()
    for params in ({"cell": cell.init(jax.random.key(0))}, jnp.zeros(3)):
      for make_estimator in _every_estimator():
        with self.assertRaisesRegex(ValueError, '"cell": ..., "readout"'):
          _run(make_estimator, params=params)

  @parameterized.parameters(
    (jnp.zeros((4, 8), jnp.int32), "floating dtype, got .*int32"),
    (1.0, "floating dtype, got .*float"),
    ([jnp.zeros(2), jnp.zeros(2, jnp.bfloat16)], "one .*bfloat16.*float32"),
  )
  def test_params_of_a_wrong_dtype(self, theta, message):
    for make_estimator in _every_estimator():
      with self.assertRaisesRegex(ValueError, message):
        _run(make_estimator, params={"cell": theta, "readout": {}})

  def test_something_else_than_a_cell(self):
    """The arguments swapped, or a cell that is still to be made."""
    cell = oracles.CELLS["vanilla"]()
    loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
    for make_estimator in _every_estimator():
      for arguments in ((loss_fn, cell), (nf.cells.vanilla, loss_fn)):
        with self.assertRaisesRegex(
          ValueError, "with a cell, as nf.cells|defined for an AffineCell"
        ):
          make_estimator(*arguments).init(params, jax.random.key(0))
    with self.assertRaisesRegex(ValueError, "got GradientEstimator in its"):
      nf.training.exact_gradient(
        make_estimator(cell, loss_fn), loss_fn, params, *oracles.make_episode(4)
      )

  def test_something_else_than_a_key(self):
    """Where one is needed; the others ignore it."""
    raw = jax.random.key_data(jax.random.key(0))
    num_random = 0
    for make_estimator in _every_estimator():
      cell = oracles.CELLS["vanilla"]()
      estimator = make_estimator(cell, oracles.make_loss(cell))
      params = oracles.make_params(cell)
      state = estimator.init(params, raw)
      jax.eval_shape(estimator.update, params, state, *oracles.make_episode(4))
      for key in (0, None, jnp.zeros(2)):
        try:
          estimator.init(params, key)
        except ValueError as error:
          self.assertRegex(str(error), "expected a key, such as .*, got")
          num_random += 1
    self.assertGreaterEqual(num_random, 3 * 7)

  def test_params_are_checked_at_every_update(self):
    for make_estimator in _every_estimator():
      cell = oracles.CELLS["vanilla"]()
      estimator = make_estimator(cell, oracles.make_loss(cell))
      params = oracles.make_params(cell)
      state = estimator.init(params, jax.random.key(0))
      with self.assertRaisesRegex(ValueError, "a dict, got .*'cell'"):
        estimator.update(
          {"cell": params["cell"]}, state, *oracles.make_episode(2)
        )

  def test_state_of_an_estimator_with_another_tape(self):
    cell = oracles.CELLS["vanilla"]()
    loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
    for make, sizes in (
      (lambda f: nf.estimators.rtrl(cell, loss_fn, flush_every=f), (2, 6)),
      (lambda f: nf.estimators.rtrl(cell, loss_fn, flush_every=f), (1, 4)),
      (lambda f: nf.estimators.rtrl(cell, loss_fn, flush_every=f), (4, 1)),
      (lambda w: nf.estimators.rolling_bptt(cell, loss_fn, window=w), (4, 9)),
    ):
      state = make(sizes[0]).init(params, jax.random.key(0))
      # Another room, or none: 1 stands for no tape.
      says = "same settings.*got"
      if 1 not in sizes:
        says = rf"same settings.*\[{sizes[1]}, .* got .*\[{sizes[0]}, "
      with self.assertRaisesRegex(ValueError, says):
        make(sizes[1]).update(params, state, *oracles.make_episode(1))

  def test_state_of_another_estimator(self):
    cell = oracles.CELLS["vanilla"]()
    loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
    made = [make(cell, loss_fn) for make in _every_estimator()]
    for i, estimator in enumerate(made):
      state = made[i - 1].init(params, jax.random.key(0))
      with self.assertRaisesRegex(ValueError, "a state of this estimator"):
        estimator.update(params, state, *oracles.make_episode(1))

  def test_integers_among_the_parameters(self):
    cell = oracles.CELLS["vanilla"]()
    params = {**oracles.make_params(cell), "step": jnp.int32(0)}
    for make_estimator in _every_estimator():
      with self.assertRaisesRegex(ValueError, r"int32 at \['step'\]"):
        _run(make_estimator, params=params)

  @parameterized.parameters(("tanh",), (jnp.tanh,), (1,))
  def test_what_is_no_array_among_the_parameters(self, leaf):
    """As in a module that keeps its activation beside its weights."""
    params = oracles.make_params(oracles.CELLS["vanilla"]())
    params = {**params, "readout": {**params["readout"], "fn": leaf}}
    for make_estimator in _every_estimator():
      with self.assertRaisesRegex(ValueError, r"got a .*\['fn'\]"):
        _run(make_estimator, params=params)

  def test_input_spec_of_keys(self):
    """A tape holds numbers."""
    cell = oracles.CELLS["bare"]()
    key = jax.eval_shape(lambda: jax.random.key(0))
    cell = cell._replace(input_spec=(key, key))
    params = oracles.make_params(cell)
    for make_estimator in (
      tables.INTERFACE["lazy_rtrl"][0],
      tables.INTERFACE["rolling_bptt"][0],
      tables.INTERFACE["adaptive_bptt"][0],
    ):
      estimator = make_estimator(cell, oracles.make_loss(cell))
      with self.assertRaisesRegex(ValueError, "of keys .*key_data.*got key<"):
        estimator.init(params, jax.random.key(0))

  @parameterized.parameters(
    (jnp.ones(4),), (jnp.ones(3, bool),), (jnp.array(True),), ([True] * 4,)
  )
  def test_resets_are_a_boolean_a_step(self, resets):
    cell = oracles.CELLS["vanilla"]()
    params = oracles.make_params(cell)
    for make_estimator in _every_estimator():
      estimator = make_estimator(cell, oracles.make_loss(cell))
      state = estimator.init(params, jax.random.key(0))
      with self.assertRaisesRegex(ValueError, r"resets to be booleans \[4\]"):
        estimator.update(params, state, *oracles.make_episode(4), resets)

  @parameterized.product(
    name=["lstm", "stack", "flax"],
    loss_fn=[
      lambda params, s, y: jnp.sum(params["readout"]["w"] @ s),
      lambda params, s, y: s.mean(),
    ],
  )
  def test_loss_that_takes_a_state_of_several_parts_for_a_vector(
    self, name, loss_fn
  ):
    for make_estimator in _every_estimator(name):
      with self.assertRaisesRegex(ValueError, r"shapes \[.*last_leaf\(state"):
        _run(lambda cell, _, m=make_estimator: m(cell, loss_fn), name)

  def test_loss_is_not_a_scalar(self):
    cell = oracles.CELLS["vanilla"]()
    estimator = nf.estimators.rtrl(cell, lambda params, s, y: s)
    params = oracles.make_params(cell)
    state = estimator.init(params, jax.random.key(0))
    with self.assertRaisesRegex(ValueError, r"real scalar, got shape \(4,\)"):
      estimator.update(params, state, *oracles.make_episode(2))

  @parameterized.parameters((None,), ((jnp.zeros(()), {}),))
  def test_loss_is_not_an_array(self, value):
    cell = oracles.CELLS["vanilla"]()
    estimator = nf.estimators.rtrl(cell, lambda params, s, y: value)
    params = oracles.make_params(cell)
    state = estimator.init(params, jax.random.key(0))
    with self.assertRaisesRegex(ValueError, "real scalar, got a "):
      estimator.update(params, state, *oracles.make_episode(2))

  def test_state_of_integers(self):
    cell = oracles.CELLS["vanilla"]()
    cell = cell._replace(initial_state=lambda: jnp.zeros(4, jnp.int32))
    estimator = nf.estimators.truncated_bptt(cell, oracles.make_loss(cell))
    with self.assertRaisesRegex(ValueError, "real floating .*int32"):
      estimator.init(oracles.make_params(cell), jax.random.key(0))

  def test_step_which_changes_the_state_shape(self):
    cell = oracles.CELLS["bare"]()
    cell = cell._replace(step=lambda params, s, x: jnp.concatenate([s, s]))
    estimator = nf.estimators.rtrl(cell, oracles.make_loss(cell))
    params = oracles.make_params(oracles.CELLS["bare"]())
    state = estimator.init(params, jax.random.key(0))
    with self.assertRaisesRegex(ValueError, r"keep the state .*\(4,\).*\(8,\)"):
      estimator.update(params, state, *oracles.make_episode(2))

  @parameterized.parameters("vanilla", "gru_original", "stack", "flax")
  def test_diagonal_estimator_with_dense_recurrence(self, cell_name):
    cell = oracles.CELLS[cell_name]()
    with self.assertRaisesRegex(ValueError, "DiagonalCell.*got an? "):
      nf.estimators.diagonal_rtrl(cell, oracles.make_loss(cell))

  @parameterized.parameters(0, -1, 2.5, True)
  def test_window_and_flush(self, value):
    cell = oracles.CELLS["vanilla"]()
    loss_fn = oracles.make_loss(cell)
    with self.assertRaisesRegex(ValueError, f"positive integer, got {value}"):
      nf.estimators.rolling_bptt(cell, loss_fn, window=value)
    with self.assertRaisesRegex(ValueError, f"positive integer, got {value}"):
      nf.estimators.rtrl(cell, loss_fn, flush_every=value)

  @parameterized.parameters(
    (5, "divides the 8 .*got 5"),
    (12, "divides the 8 .*got 12"),
    (0, "positive integer, got 0"),
    (-4, "positive integer, got -4"),
  )
  def test_segment_does_not_divide(self, segment, message):
    cell = oracles.CELLS["vanilla"]()
    estimator = nf.estimators.rtrl(cell, oracles.make_loss(cell))
    with self.assertRaisesRegex(ValueError, message):
      nf.training.episode_gradient(
        estimator,
        oracles.make_params(cell),
        jax.random.key(0),
        *oracles.make_episode(8),
        segment=segment,
      )

  def test_affine_cell_with_parameters_that_are_no_matrices(self):
    cell = nf.AffineCell(
      lambda key: jnp.ones(3),
      lambda: jnp.zeros(3),
      lambda params, h_tm1, x_t: jnp.tanh(params * h_tm1 + x_t),
      lambda h_tm1, x_t: h_tm1,
      lambda a, h_tm1: jnp.tanh(a),
    )
    params = {"cell": jnp.ones(3), "readout": {}}
    for name in ("kf_rtrl", "ok_rtrl", "ktp_rtrl", "pes", "nres"):
      make, _ = tables.INTERFACE[name]
      estimator = make(cell, lambda params, h_t, y_t: jnp.sum(h_t * y_t))
      with self.assertRaisesRegex(ValueError, r"matrices.*got shapes \[\(3,\)"):
        state = estimator.init(params, jax.random.key(0))
        estimator.update(params, state, jnp.ones((2, 3)), jnp.ones((2, 3)))

  def test_affine_cell_whose_features_do_not_fit(self):
    cell = oracles.CELLS["bare_affine"]()
    cell = cell._replace(features=lambda s, x: (x, x))
    cell = cell._replace(step=nf.base.affine_step(cell.features, cell.activate))
    estimator = nf.estimators.rtrl(cell, oracles.make_loss(cell))
    params = oracles.make_params(oracles.CELLS["lstm"]())
    state = estimator.init(params, jax.random.key(0))
    with self.assertRaisesRegex(ValueError, "one matrix .* features"):
      estimator.update(params, state, *oracles.make_episode(2))


if __name__ == "__main__":
  absltest.main()
