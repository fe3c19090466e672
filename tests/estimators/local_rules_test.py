"""SnAp-n, e-prop and RFLO: limits, formulas, and what they must not be."""

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import flatten_util
from jax import numpy as jnp

import nnfun as nf
from tests import oracles
from tests.estimators import tables

_snap = nf.estimators.snap
_AFFINE = ("vanilla", "gru", "lstm", "mgu", "bare_affine")


def _leaky(time_constant):
  """The unit of RFLO's paper, h' = (1 - 1/tau) h + tanh(W [h, x, 1]) / tau."""
  vanilla = oracles.CELLS["vanilla"]()
  rate = 1 / time_constant

  def activate(a, h_tm1):
    return (1 - rate) * h_tm1 + rate * jnp.tanh(a)

  step = nf.base.affine_step(vanilla.features, activate)
  return vanilla._replace(step=step, activate=activate)


class SnapTest(parameterized.TestCase):
  @parameterized.parameters("vanilla", "lstm", "gru_original", "flax", "sparse")
  def test_at_full_reach_it_is_exact(self, cell_name):
    with oracles.float64():
      cell, loss_fn, params, xs, ys = tables.setting(cell_name)
      num_states = flatten_util.ravel_pytree(oracles.start(cell, params))[
        0
      ].size
      actual = tables.summed(
        _snap(cell, loss_fn, order=num_states), params, xs, ys
      )
      _, expected = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
      oracles.assert_same_gradient(actual, expected)

  @parameterized.parameters(*oracles.DIAGONAL_CELLS)
  def test_of_a_diagonal_cell_order_one_is_exact(self, cell_name):
    with oracles.float64():
      cell, loss_fn, params, xs, ys = tables.setting(cell_name)
      actual = tables.summed(_snap(cell, loss_fn, order=1), params, xs, ys)
      _, expected = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
      oracles.assert_same_gradient(actual, expected)

  @parameterized.product(
    cell_name=(*_AFFINE, "gru_original", "stack", "flax", "bare", "sparse"),
    order=(1, 2),
  )
  def test_is_the_masked_recursion(self, cell_name, order):
    with oracles.float64():
      cell, loss_fn, params, xs, ys = tables.setting(cell_name)
      actual = tables.summed(_snap(cell, loss_fn, order=order), params, xs, ys)
      expected = oracles.sparse_gradients(
        cell, loss_fn, params, xs, ys, order=order
      )
      oracles.assert_same_gradient(actual, tables.total(expected))

  def test_every_order_is_another_until_all_is_reached(self):
    with oracles.float64():
      cell, loss_fn, params, xs, ys = tables.setting("sparse", 12)
      _, exact = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
      grads = [
        tables.summed(_snap(cell, loss_fn, order=order), params, xs, ys)["cell"]
        for order in (1, 2, 3, 4)
      ]
      distances = [float(jnp.linalg.norm(g - exact["cell"])) for g in grads]
      self.assertGreater(float(jnp.linalg.norm(grads[0] - grads[1])), 1e-3)
      self.assertGreater(min(distances[:2]), 1e-3)
      self.assertLess(distances[-1], 1e-10)

  def test_size_of_its_error(self):
    """Of 32 units over 100 steps, beside SnAp-1 of a tanh cell in NumPy."""
    cell = nf.cells.vanilla(num_inputs=16, num_units=32)
    rng = np.random.default_rng(0)
    w = np.asarray(cell.init(jax.random.key(0)), np.float64)
    readout = rng.normal(size=(8, 32)) / 6
    xs, ys = rng.normal(size=(100, 16)), rng.normal(size=(100, 8))
    h, trace, by_hand = np.zeros(32), np.zeros((32, 49)), np.zeros((32, 49))
    for x_t, y_t in zip(xs, ys, strict=True):
      z = np.concatenate([h, x_t, [1.0]])
      h = np.tanh(w @ z)
      slope = (1 - h**2)[:, None]
      trace = slope * (np.diag(w)[:, None] * trace + z)
      by_hand += (readout.T @ (readout @ h - y_t))[:, None] * trace

    loss_fn = lambda p, h, y: 0.5 * jnp.sum((p["readout"] @ h - y) ** 2)
    with oracles.float64():
      args = {"cell": w, "readout": readout}, xs, ys
      params, xs, ys = jax.tree.map(jnp.asarray, args)
      actual = tables.summed(_snap(cell, loss_fn, order=1), params, xs, ys)[
        "cell"
      ]
      _, exact = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
    np.testing.assert_allclose(actual, by_hand, rtol=1e-8, atol=1e-8)
    # It is an approximation: public codes have 0.445 and 0.895 on one draw.
    exact, norm = np.asarray(exact["cell"]), np.linalg.norm
    self.assertGreater(norm(by_hand - exact) / norm(exact), 0.2)
    self.assertGreater(
      np.sum(by_hand * exact) / norm(by_hand) / norm(exact), 0.5
    )

  def test_what_is_kept_is_all_that_is_stored(self):
    """Entries by hand, for one matrix [n, n + i + 1] and gates of it."""
    n, i = 8, 3
    cells = nf.cells
    sizes = dict(num_inputs=i, num_units=n)
    for cell, order, expected in (
      (cells.vanilla(**sizes), 1, n * (n + i + 1)),
      (cells.vanilla(**sizes), 2, n * n * (n + i + 1)),
      # The output gate reaches h alone, the three others c and h.
      (cells.lstm(**sizes), 1, (1 + 3 * 2) * n * (n + i + 1)),
      (cells.indrnn(**sizes), 3, n * (i + 2)),
    ):
      params = {"cell": cell.init(jax.random.key(0)), "readout": {}}
      estimator = _snap(cell, nf.estimators.cotangent_loss, order=order)
      state = jax.eval_shape(estimator.init, params, jax.random.key(0))
      stored = sum(leaf.size for leaf in jax.tree.leaves(state.influence))
      self.assertEqual(stored, expected)

  def test_saturated_units_stay_in(self):
    """And come back: the pattern is not one of values."""
    with oracles.float64():
      cell, loss_fn, params, xs, ys = tables.setting("vanilla")
      xs = xs.at[:2].mul(1e3)
      self.assertEqual(  # In the first two steps every derivative is zero.
        float(jnp.max(1 - cell.step(params["cell"], jnp.zeros(4), xs[0]) ** 2)),
        0.0,
      )
      actual = tables.summed(_snap(cell, loss_fn, order=1), params, xs, ys)
      expected = oracles.sparse_gradients(
        cell, loss_fn, params, xs, ys, order=1
      )
      oracles.assert_same_gradient(actual, tables.total(expected))

  def test_what_overflows_where_no_loss_looks_is_not_read(self):
    """The trace of a bias grows by 1e10 a step; losses end after two."""
    cell = oracles.CELLS["linear"]()
    diagonal = 1e10 * jnp.eye(4)
    params = {
      "cell": jnp.concatenate([diagonal, jnp.zeros((4, 4))], 1),
      "readout": jnp.ones(4),
    }
    loss_fn = lambda params, h_t, y_t: y_t * (params["readout"] @ h_t)
    xs, ys = jnp.zeros((8, 3)), jnp.array([1.0, 1.0, *[0.0] * 6])
    for order in (1, 2):
      estimator = _snap(cell, loss_fn, order=order)
      grads = tables.summed(estimator, params, xs, ys)["cell"]
      # Of the losses 1 and 2 with respect to the bias: 1, and 1 + 1e10.
      np.testing.assert_allclose(grads[:, -1], 1e10, rtol=1e-6)
      np.testing.assert_array_equal(grads[:, :-1], 0)

  def test_a_weight_that_is_taken_out_gets_no_gradient(self):
    with oracles.float64():
      cell, loss_fn, params, xs, ys = tables.setting("sparse")
      plain_fn = lambda p, s, y: loss_fn({**p, "cell": jnp.zeros(1)}, s, y)
      mask = np.asarray(jax.jacrev(cell.step)(*_point(cell, params))).any(0)
      self.assertBetween(mask.mean(), 0.3, 0.9)
      for order in (1, 3):
        grads = tables.summed(
          _snap(cell, plain_fn, order=order), params, xs, ys
        )
        np.testing.assert_array_equal(np.asarray(grads["cell"]) != 0, mask)

  def test_cost_follows_what_is_kept(self):
    """99 % sparse: more than ten times fewer operations than the textbook."""
    n = 64
    mask = np.random.default_rng(0).random((n, n + 4)) < 0.01
    mask[:, -1] = True
    dense = nf.cells.vanilla(num_inputs=3, num_units=n)
    cell = nf.cells.sparse(dense, mask)
    loss_fn = lambda params, h_t, _: jnp.sum(params["readout"] * h_t)
    params = {"cell": cell.init(jax.random.key(0)), "readout": jnp.ones(n)}

    def operations(estimator):
      state = jax.eval_shape(estimator.init, params, jax.random.key(0))
      lowered = jax.jit(estimator.update).lower(
        params, state, jnp.ones((1, 3)), jnp.ones(1)
      )
      return lowered.compile().cost_analysis()["flops"]

    textbook = operations(nf.estimators.rtrl(dense, loss_fn, flush_every=1))
    self.assertLess(10 * operations(_snap(cell, loss_fn, order=2)), textbook)
    self.assertLess(100 * operations(_snap(dense, loss_fn, order=1)), textbook)


def _point(cell, params):
  state = jnp.ones_like(oracles.start(cell, params))
  return params["cell"], state, jnp.ones(oracles.NUM_INPUTS)


class LeakTest(parameterized.TestCase):
  @parameterized.parameters(*_AFFINE)
  def test_eprop_is_its_formula(self, cell_name):
    with oracles.float64():
      cell, loss_fn, params, xs, ys = tables.setting(cell_name)
      actual = tables.summed(nf.estimators.eprop(cell, loss_fn), params, xs, ys)
      expected = oracles.leaky_gradients(
        cell, loss_fn, params, xs, ys, leak_fn=lambda d: d
      )
      oracles.assert_same_gradient(actual, tables.total(expected))

  @parameterized.product(cell_name=("gru", "lstm"), decay=(None, 0.0, 0.7))
  def test_rflo_is_its_formula(self, cell_name, decay):
    leak_fn = lambda d: np.diag(np.diag(d))
    if decay is not None:
      leak_fn = lambda d: decay * np.eye(len(d))
    with oracles.float64():
      cell, loss_fn, params, xs, ys = tables.setting(cell_name)
      estimator = nf.estimators.rflo(
        cell, loss_fn, decay=decay, feedback="symmetric"
      )
      expected = oracles.leaky_gradients(
        cell, loss_fn, params, xs, ys, leak_fn=leak_fn
      )
      actual = tables.summed(estimator, params, xs, ys)
      oracles.assert_same_gradient(actual, tables.total(expected))

  def test_rflo_without_leak_is_the_immediate_gradient(self):
    with oracles.float64():
      for cell_name, decay in (("vanilla", None), ("gru", 0.0)):
        cell, loss_fn, params, xs, ys = tables.setting(cell_name)
        estimator = nf.estimators.rflo(
          cell, loss_fn, decay=decay, feedback="symmetric"
        )
        oracles.assert_same_gradient(
          tables.summed(estimator, params, xs, ys),
          tables.summed(
            nf.estimators.truncated_bptt(cell, loss_fn), params, xs, ys
          ),
        )

  def test_of_leaky_units_both_have_the_leak_of_the_paper(self):
    """P_t = (1 - 1 / tau) P_{t-1} + phi'(a_t) z_t / tau, spelt out."""
    with oracles.float64():
      time_constant = 3.0
      _, loss_fn, params, xs, ys = tables.setting("vanilla")
      cell, w = _leaky(time_constant), params["cell"]
      h, trace, total = np.zeros(4), np.zeros((4, 8)), 0.0
      for x_t, y_t in zip(xs, ys, strict=True):
        z = np.concatenate([h, x_t, [1.0]])
        slope = 1 - np.tanh(w @ z) ** 2
        trace *= 1 - 1 / time_constant
        trace += slope[:, None] * z / time_constant
        h = np.asarray(cell.step(w, h, x_t))
        direct, error = jax.grad(loss_fn, (0, 1))(params, jnp.asarray(h), y_t)
        total += error[:, None] * trace + direct["cell"]
      for estimator in (
        nf.estimators.eprop(cell, loss_fn),
        nf.estimators.rflo(cell, loss_fn, feedback="symmetric"),
        nf.estimators.rflo(
          cell, loss_fn, decay=1 - 1 / time_constant, feedback="symmetric"
        ),
      ):
        actual = tables.summed(estimator, params, xs, ys)["cell"]
        np.testing.assert_allclose(actual, total, rtol=1e-10)

  def test_where_they_differ(self):
    """Through the two numbers of a unit of an LSTM, from c to h."""
    with oracles.float64():
      cell, loss_fn, params, xs, ys = tables.setting("lstm")
      eprop = tables.summed(nf.estimators.eprop(cell, loss_fn), params, xs, ys)
      rflo = nf.estimators.rflo(cell, loss_fn, feedback="symmetric")
      rflo = tables.summed(rflo, params, xs, ys)
      with self.assertRaisesRegex(AssertionError, "relative error"):
        oracles.assert_same_gradient(eprop, rflo)


class ArgumentsTest(parameterized.TestCase):
  @parameterized.parameters("rflo", "eprop")
  def test_says_for_which_cells_it_is_defined(self, name):
    make = getattr(nf.estimators, name)
    for cell_name in ("lru", "stack", "gru_original", "sparse"):
      with self.assertRaisesRegex(ValueError, f"{name} is .* AffineCell.*gru"):
        make(oracles.CELLS[cell_name](), oracles.make_loss(None))
    with self.assertRaisesRegex(ValueError, '"symmetric" or "random", got 3'):
      make(oracles.CELLS["gru"](), oracles.make_loss(None), feedback=3)

  @parameterized.parameters(0, -1, 1.5, True, None)
  def test_order(self, order):
    with self.assertRaisesRegex(ValueError, "order to be a positive integer"):
      _snap(oracles.CELLS["gru"](), oracles.make_loss(None), order=order)

  @parameterized.parameters(-0.1, 1.1, float("nan"))
  def test_decay(self, decay):
    with self.assertRaisesRegex(ValueError, r"decay in \[0, 1\]"):
      nf.estimators.rflo(
        oracles.CELLS["gru"](), oracles.make_loss(None), decay=decay
      )

  def test_mask_of_a_sparse_cell(self):
    cell = oracles.CELLS["vanilla"]()
    for mask in (np.ones((4, 7), bool), np.ones((4, 8)), {"w": True}):
      with self.assertRaisesRegex(ValueError, "a mask of booleans"):
        nf.cells.sparse(cell, mask)


if __name__ == "__main__":
  absltest.main()
