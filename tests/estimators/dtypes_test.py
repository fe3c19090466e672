"""One rule for dtypes, one for zeros: what came in is what is linearised.

Inputs keep their own dtype, parameters, states and influences have that of the
parameters, sums of losses are wide. The reference is the same network in
float64, by `jax.grad` of an unrolled loop.
"""

import functools

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

import nnfun as nf
from tests import oracles
from tests.estimators import tables

_NUM_STEPS = 10


def _clock(params, h_tm1, x_t):
  """Reads a Unix time, which in float32 is right to two minutes."""
  phase = 2 * jnp.pi * x_t["t"]
  waves = jnp.stack([jnp.sin(phase / 60), jnp.cos(phase / 300)])
  return jnp.tanh(params @ jnp.concatenate([h_tm1, waves.astype(h_tm1.dtype)]))


def _tokens(params, h_tm1, x_t):
  """Reads numbers up to 600, of which bfloat16 knows one in four."""
  row = params["table"][x_t.astype(jnp.int32)]
  return jnp.tanh(params["w"] @ h_tm1 + row)


def _affine_clock(spec):
  """W z with a Unix time in z: a is wide, and so is z."""

  def features(h_tm1, x_t):
    t = x_t["t"][None]
    return jnp.concatenate([h_tm1.astype(t.dtype), t, jnp.ones_like(t)])

  def activate(a, h_tm1):
    return jnp.concatenate([jnp.tanh(a[:2]), jnp.sin(a[2:])])

  return nf.AffineCell(
    init=None,
    initial_state=lambda: jnp.zeros(4),
    step=nf.base.affine_step(features, activate),
    features=features,
    activate=activate,
    input_spec=spec,
  )


def _gated_affine_clock(spec):
  """The same with two pre-activations a unit, hence another Phi."""
  cell = _affine_clock(spec)

  def activate(a, h_tm1):
    gate = jax.nn.sigmoid(jnp.sin(a[4:])).astype(h_tm1.dtype)
    return gate * h_tm1 + (1 - gate) * jnp.sin(a[:4])

  return cell._replace(
    activate=activate, step=nf.base.affine_step(cell.features, activate)
  )


def _time_params(num_rows):
  w = 0.5 * jax.random.normal(jax.random.key(0), (num_rows, 6))
  return w.at[:, 4].set(2 * np.pi / jnp.linspace(60, 300, num_rows))


def _problem(name):
  """A cell, its parameters in float64, and inputs in their own dtype."""
  times = {"t": jnp.asarray(1.7e9 + 7.0 * np.arange(_NUM_STEPS))}
  spec = {"t": jax.ShapeDtypeStruct((), jnp.float64)}
  if name == "affine":
    w = _time_params(4).at[:2, 4].set(0)
    return _affine_clock(spec), w, times
  if name == "gated affine":
    return _gated_affine_clock(spec), _time_params(8), times
  if name == "clock":
    w = 0.5 * jax.random.normal(jax.random.key(0), (4, 6))
    return (
      nf.Cell(None, lambda: jnp.zeros(4), _clock, input_spec=spec),
      w,
      times,
    )
  ids = jax.random.randint(jax.random.key(4), (_NUM_STEPS,), 0, 600)
  dtype = jnp.int32 if name == "integer tokens" else jnp.float32
  params = {
    "table": jax.random.normal(jax.random.key(5), (600, 4)),
    "w": 0.5 * jax.random.normal(jax.random.key(6), (4, 4)),
  }
  spec = jax.ShapeDtypeStruct((), dtype)
  cell = nf.Cell(None, lambda: jnp.zeros(4), _tokens, input_spec=spec)
  return cell, params, ids.astype(dtype)


def _loss(params, h_t, y_t):
  return jnp.sum((params["readout"] @ h_t - y_t) ** 2)


ESTIMATORS = {
  "rtrl": lambda *args: nf.estimators.rtrl(*args),
  "lazy": lambda *args: nf.estimators.rtrl(*args, flush_every=4),
  "rolling": lambda *args: nf.estimators.rolling_bptt(*args, window=_NUM_STEPS),
  "exact": lambda *args: nf.estimators.truncated_bptt(*args),
}


@functools.cache
def _wide_gradient(problem, dtype):
  """A problem in a narrow dtype, and its gradient in float64."""
  cell, theta, xs = _problem(problem)
  rng = np.random.default_rng(1)
  params = {"cell": theta, "readout": jnp.asarray(rng.normal(size=(2, 4)))}
  narrow = jax.tree.map(lambda leaf: leaf.astype(dtype), params)
  wide = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), narrow)
  ys = jnp.asarray(rng.normal(size=(_NUM_STEPS, 2)))
  steps = [jax.tree.map(lambda x, t=t: x[t], xs) for t in range(_NUM_STEPS)]

  def total(params):
    return sum(oracles.losses(cell, _loss, params, steps, ys, jnp.zeros(4))[0])

  return cell, narrow, xs, ys, jax.jit(jax.grad(total))(wide)


class InputsTest(parameterized.TestCase):
  @parameterized.product(
    problem=("clock", "affine", "gated affine", "tokens", "integer tokens"),
    dtype=("float32", "bfloat16"),
    estimator=tuple(ESTIMATORS),
  )
  def test_inputs_keep_their_dtype(self, problem, dtype, estimator):
    with oracles.float64():
      cell, narrow, xs, ys, expected = _wide_gradient(problem, dtype)
      estimate = jax.jit(
        lambda params: nf.training.episode_gradient(
          ESTIMATORS[estimator](cell, _loss),
          params,
          jax.random.key(0),
          xs,
          ys,
          segment=_NUM_STEPS if estimator == "exact" else 1,
        )
      )(narrow)
      error = jax.tree.map(lambda a, e: a - e, estimate.grads, expected)
      norm = nf.numerics.global_norm
      # A few roundings of the dtype; reading a narrower input costs 0.1 to 1.
      bound = {"float32": 2e-6, "bfloat16": 5e-2}[dtype]
      self.assertLess(float(norm(error) / norm(expected)), bound)

  @parameterized.product(
    problem=("clock", "affine", "gated affine"),
    estimator=("lazy", "rolling"),
  )
  def test_a_spec_narrower_than_the_inputs_is_refused(self, problem, estimator):
    with oracles.float64():
      cell, theta, xs = _problem(problem)
      theta = theta.astype(jnp.float32)
      params = {"cell": theta, "readout": jnp.ones((2, 4), jnp.float32)}
      ys = jnp.zeros((_NUM_STEPS, 2))
      for spec in ({"t": jax.ShapeDtypeStruct((), jnp.float32)}, None):
        if problem == "clock" and spec is None:
          continue  # Then Jacobians are kept, which are in the right dtype.
        estimate = ESTIMATORS[estimator](cell._replace(input_spec=spec), _loss)
        with self.assertRaisesRegex(ValueError, "input_spec.*got float64"):
          nf.training.episode_gradient(
            estimate, params, jax.random.key(0), xs, ys, segment=1
          )

  def test_a_step_run_again_sees_its_input_in_the_dtype_it_had(self):
    """The room is wider, and what a step computes depends on the dtype."""
    step = lambda w, h_tm1, x_t: jnp.tanh(w @ h_tm1 + jnp.sin(100 * x_t))
    spec = jax.ShapeDtypeStruct((4,), jnp.float32)
    cell = nf.Cell(None, lambda: jnp.zeros(4), step, input_spec=spec)
    params = {"cell": jnp.eye(4) / 2, "readout": jnp.ones((2, 4))}
    xs = jax.random.normal(jax.random.key(0), (_NUM_STEPS, 4), jnp.bfloat16)
    ys = jnp.zeros((_NUM_STEPS, 2))

    def exact(xs):
      return nf.training.exact_gradient(cell, _loss, params, xs, ys).grads

    for name in ("lazy", "rolling"):
      estimate = jax.jit(
        lambda params, make=ESTIMATORS[name]: nf.training.episode_gradient(
          make(cell, _loss), params, jax.random.key(0), xs, ys, segment=1
        )
      )(params)
      oracles.assert_same_gradient(estimate.grads, exact(xs))
    with self.assertRaisesRegex(AssertionError, "relative error"):
      oracles.assert_same_gradient(exact(xs.astype(jnp.float32)), exact(xs))

  @parameterized.parameters(
    ("int32", "float64", "bfloat16", True),
    ("int16", "float32", "bfloat16", True),
    ("uint8", "bfloat16", "bfloat16", True),
    ("int32", "float32", "float32", False),
    ("int32", "bfloat16", "bfloat16", False),
    ("int16", "bfloat16", "bfloat16", False),
    ("uint8", "int8", "bfloat16", False),
  )
  def test_integers_in_room_for_other_numbers(self, dtype, room, own, fits):
    """Taken where every one of them has its place, and else refused."""
    with oracles.float64():
      cell, theta, _ = _problem("tokens")
      params = {"cell": theta, "readout": jnp.ones((2, 4))}
      params = jax.tree.map(lambda p: p.astype(own), params)
      cell = cell._replace(input_spec=jax.ShapeDtypeStruct((), room))
      xs = jnp.arange(1, 256, 16).astype(dtype)
      ys = jnp.zeros((len(xs), 2), own)
      expected = nf.training.exact_gradient(cell, _loss, params, xs, ys).grads
      for estimator in (
        nf.estimators.rtrl(cell, _loss, flush_every=4),
        nf.estimators.rolling_bptt(cell, _loss, window=len(xs)),
      ):
        run = lambda e=estimator: nf.training.episode_gradient(
          e, params, jax.random.key(0), xs, ys, segment=1
        )
        if not fits:
          with self.assertRaisesRegex(ValueError, f"input_spec.*got {dtype}"):
            run()
          continue
        # The rows of the table which were read, and no others.
        for grads in (run().grads, expected):
          is_read = jnp.any(grads["cell"]["table"] != 0, axis=1)
          self.assertEqual(set(np.flatnonzero(is_read)), set(range(1, 256, 16)))

  @parameterized.parameters(*tables.INTERFACE)
  def test_nothing_is_promoted_unasked(self, name):
    """Where a user has JAX refuse to."""
    _, _, params, estimator = tables.make(
      name, tables.INTERFACE[name][1][0], dtype=jnp.float32
    )
    xs, ys = oracles.make_episode(2, dtype=jnp.float32)
    resets = jnp.array([False, True])
    with jax.numpy_dtype_promotion("strict"):
      state = estimator.init(params, jax.random.key(0))
      jax.eval_shape(estimator.update, params, state, xs, ys, resets)

  def test_losses_are_summed_wide(self):
    """1,001 losses of 1 in bfloat16, which sticks at 256 and has no 1,001."""
    cell = oracles.CELLS["vanilla"]()
    params = oracles.make_params(cell, dtype=jnp.bfloat16)
    one = jnp.bfloat16(1)
    loss_fn = lambda params, h_t, y_t: one + 0 * jnp.sum(h_t)
    xs = jnp.zeros((1001, 3), jnp.bfloat16)
    for estimator, segment in (
      (nf.estimators.truncated_bptt(cell, loss_fn), 1001),
      (nf.estimators.rtrl(cell, loss_fn), 1),
      (nf.estimators.rolling_bptt(cell, loss_fn, window=2), 1001),
    ):
      estimate = jax.jit(
        lambda params, e=estimator, k=segment: nf.training.episode_gradient(
          e, params, jax.random.key(0), xs, xs, segment=k
        )
      )(params)
      self.assertEqual(float(estimate.loss), 1001)

  @parameterized.parameters(
    (nf.estimators.truncated_bptt, 1),
    (nf.estimators.truncated_bptt, 1000),
    (nf.estimators.rtrl, 500),
    (functools.partial(nf.estimators.rolling_bptt, window=2), 1000),
  )
  def test_gradients_are_summed_wide(self, make_estimator, segment):
    """1,000 gradients of 1, between segments and within."""
    cell = oracles.CELLS["vanilla"]()
    params = oracles.make_params(cell, dtype=jnp.bfloat16)
    params["readout"] = jnp.ones(2, jnp.bfloat16)
    loss_fn = lambda params, h_t, y_t: jnp.sum(params["readout"])
    xs = jnp.zeros((1000, 3), jnp.bfloat16)
    estimate = jax.jit(
      lambda params: nf.training.episode_gradient(
        make_estimator(cell, loss_fn),
        params,
        jax.random.key(0),
        xs,
        xs,
        segment=segment,
      )
    )(params)
    np.testing.assert_array_equal(estimate.grads["readout"], [1000, 1000])

  @parameterized.parameters(True, False)
  def test_a_tape_sums_wide(self, replays):
    """600 steps of influence 1 / 512 on a tape, beside a first one of 2."""
    step = lambda params, h_tm1, x_t: h_tm1 + params * x_t
    spec = jax.ShapeDtypeStruct((), jnp.bfloat16) if replays else None
    cell = nf.Cell(None, lambda: jnp.zeros(()), step, input_spec=spec)
    loss_fn = lambda params, h_t, y_t: h_t * y_t
    params = {"cell": jnp.bfloat16(0), "readout": jnp.bfloat16(0)}
    xs = jnp.full(601, 1 / 512, jnp.bfloat16).at[-1].set(2)
    ys = jnp.zeros(601, jnp.bfloat16).at[-1].set(1)
    estimator = nf.estimators.rolling_bptt(cell, loss_fn, window=601)
    estimate = jax.jit(
      lambda params: nf.training.episode_gradient(
        estimator, params, jax.random.key(0), xs, ys, segment=1
      )
    )(params)
    # 2 + 600 / 512 to the rounding of bfloat16; one by one it would stay at 2.
    self.assertAlmostEqual(
      float(estimate.grads["cell"]), 2 + 600 / 512, delta=0.02
    )


def _resetting_vanilla(num_units):
  """A user's own reset: the step itself starts from zero at a flag."""
  cell = nf.cells.vanilla(num_inputs=1, num_units=num_units)

  def features(h_tm1, x_t):
    return cell.features(jnp.where(x_t["first"], 0.0, h_tm1), x_t["x"])

  return nf.AffineCell(
    cell.init,
    cell.initial_state,
    nf.base.affine_step(features, cell.activate),
    features,
    cell.activate,
  )


class OverflowTest(parameterized.TestCase):
  """Where no loss looks, J may overflow: 0 times infinity must not be read."""

  @parameterized.parameters(1, 8)
  def test_padding_and_a_reset_after_it(self, flush_every):
    num_steps, pause = 420, 400
    cell = _resetting_vanilla(24)
    keys = jax.random.split(jax.random.key(0), 4)
    w = 4 * jax.random.normal(keys[0], (24, 24)) / 24**0.5
    w = jnp.concatenate([w, 0.1 * jax.random.normal(keys[1], (24, 2))], 1)
    params = {"cell": w, "readout": jax.random.normal(keys[2], (1, 24))}
    loss_fn = lambda p, h, weight: weight * jnp.sum((p["readout"] @ h) ** 2)
    t = jnp.arange(num_steps)
    drive = jax.random.normal(keys[3], (num_steps,))
    xs = {
      "x": jnp.where((t < 10) | (t >= pause), drive, 0.0)[:, None],
      "first": t == pause,
    }
    weights = ((t < 5) | (t >= pause + 2)).astype(jnp.float32)
    exact = nf.training.exact_gradient(cell, loss_fn, params, xs, weights)
    estimator = nf.estimators.rtrl(cell, loss_fn, flush_every=flush_every)

    def body(state, step):
      step = jax.tree.map(lambda leaf: leaf[None], step)
      state, estimate = estimator.update(params, state, *step)
      finite = [jnp.all(jnp.isfinite(j)) for j in state.influence.jacobian]
      return state, (estimate.grads, finite[0])

    state = estimator.init(params, jax.random.key(0))
    _, (grads, finite) = jax.jit(
      lambda state: jax.lax.scan(body, state, (xs, weights))
    )(state)
    self.assertFalse(bool(finite.all()))  # It did overflow.
    total = jax.tree.map(lambda g: g.sum(0), grads)
    oracles.assert_same_gradient(total, exact.grads)

  def test_a_layer_that_explodes_above_the_one_that_is_read(self):
    """Zeros among the entries of lambda and of Phi, not whole rows."""

    def step(params, state_tm1, x_t):
      low, high = state_tm1
      low = jnp.tanh(params["low"] @ low + x_t)
      return low, 30.0 * params["high"] * high + jnp.sum(low)

    cell = nf.Cell(None, lambda: (jnp.zeros(3), jnp.zeros(3)), step)
    params = {
      "cell": {
        "low": jax.random.normal(jax.random.key(0), (3, 3)),
        "high": jnp.ones(3),
      },
      "readout": jnp.ones(3),
    }
    loss_fn = lambda params, s, y: (params["readout"] @ s[0] - y) ** 2
    xs = jax.random.normal(jax.random.key(1), (40, 3))
    ys = jnp.zeros(40)
    exact = nf.training.exact_gradient(cell, loss_fn, params, xs, ys).grads[
      "cell"
    ]["low"]
    spec = jax.ShapeDtypeStruct((3,), jnp.float32)
    for estimator in (
      nf.estimators.rtrl(cell, loss_fn),
      nf.estimators.rtrl(
        cell._replace(input_spec=spec), loss_fn, flush_every=5
      ),
    ):
      state = estimator.init(params, jax.random.key(0))
      total, update = 0.0, jax.jit(estimator.update)
      for t in range(40):
        state, estimate = update(params, state, xs[t : t + 1], ys[t : t + 1])
        total += estimate.grads["cell"]["low"]
      jacobian = state.influence.jacobian
      self.assertFalse(all(bool(jnp.isfinite(j).all()) for j in jacobian))
      oracles.assert_same_gradient(total, exact)

  def test_what_is_read_of_an_overflow_is_not_hidden(self):
    """A loss that does look gets NaN or infinity, never a number.

    The state stays 0 while its derivatives by what it is not driven by grow.
    """
    cell = nf.cells.linear(num_inputs=1, num_units=2)
    loss_fn = lambda params, h_t, y_t: params["readout"] @ h_t
    params = {
      "cell": jnp.array([[1e3, 0.0, 0.0, 0.0], [0.0, 0.5, 1.0, 0.0]]),
      "readout": jnp.array([1e-30, 1.0]),
    }
    for flush_every in (1, 4):
      estimator = nf.estimators.rtrl(cell, loss_fn, flush_every=flush_every)
      state = estimator.init(params, jax.random.key(0))
      update = jax.jit(estimator.update)
      for _ in range(20):
        state, estimate = update(params, state, jnp.ones((1, 1)), jnp.ones(1))
      is_finite = jnp.isfinite(estimate.grads["cell"])
      np.testing.assert_array_equal(is_finite[0, 2:], [False, False])
      np.testing.assert_array_equal(is_finite[1], [True] * 4)

  def test_diagonal(self):
    """One unit of a linear diagonal recurrence explodes, and none reads it."""
    cell = nf.cells.indrnn(num_inputs=1, num_units=2, activation=lambda a: a)
    params = {
      "cell": {
        "w": jnp.ones((2, 1)),
        "u": jnp.array([1.5, 0.5]),
        "b": jnp.zeros(2),
      },
      "readout": jnp.ones(()),
    }
    loss_fn = lambda params, h_t, y_t: (params["readout"] * h_t[1] - y_t) ** 2
    xs, ys = jnp.ones((216, 1)), jnp.zeros(216)
    estimator = nf.estimators.diagonal_rtrl(cell, loss_fn)
    estimate = nf.training.episode_gradient(
      estimator, params, jax.random.key(0), xs, ys, segment=1
    )
    # The first state stays below the largest float32, its derivative does not.
    self.assertLess(1.5**216 / 0.5, 3.4e38)
    self.assertGreater(216 * 1.5**215, 3.4e38)
    # h_t = (1 - u^t) / (1 - u) at u = 1/2, and its derivative.
    t, u = np.arange(1, 217), 0.5
    h = (1 - u**t) / (1 - u)
    slope = (h - t * u ** (t - 1)) / (1 - u)
    expected = [0.0, np.sum(2 * h * slope)]
    np.testing.assert_allclose(estimate.grads["cell"]["u"], expected, rtol=1e-5)


if __name__ == "__main__":
  absltest.main()
