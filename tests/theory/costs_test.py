"""The model of what a step of RTRL costs."""

import jax
from absl.testing import absltest, parameterized

import nnfun as nf
from nnfun.theory import costs
from tests import oracles
from tests.estimators import tables


def _sizes(num_units):
  """Of a vanilla cell with 16 inputs."""
  num_params = num_units * (num_units + 17)
  return costs.Sizes(num_units, num_params, is_affine=True, itemsize=4)


class CostsTest(parameterized.TestCase):
  def test_operations_of_the_textbook(self):
    """XLA counts the product 2 S^2 P, and what grows as S P beside it."""
    cell = nf.cells.vanilla(num_inputs=16, num_units=64)
    loss_fn = oracles.make_loss(cell)
    params = oracles.make_params(cell)
    estimator = nf.estimators.rtrl(cell, loss_fn, flush_every=1)
    state = estimator.init(params, jax.random.key(0))
    xs = jax.random.normal(jax.random.key(1), (1, 16))
    ys = jax.random.normal(jax.random.key(2), (1, oracles.NUM_OUTPUTS))
    compiled = jax.jit(estimator.update).lower(params, state, xs, ys).compile()
    sizes = _sizes(64)
    # A machine on which nothing but operations takes time.
    machine = costs.Machine(1.0, float("inf"), 0.0, 0.0, skips=True)
    expected = costs.step_seconds(sizes, machine, 1)
    counted = compiled.cost_analysis()["flops"]
    self.assertBetween(counted / expected, 1.0, 1.25)

  def test_a_step_by_hand(self):
    """S = 2, P = 3, one flop or byte a second, numbers of one byte."""
    machine = costs.Machine(1.0, 1.0, 0.5, 7.0, skips=True)
    sizes = costs.Sizes(2, 3, is_affine=True, itemsize=1)
    # 2 S^2 P = 24, S P = 6; 2 S^3 + 2 S P = 28, an entry S^2 + 1 / 2 = 4.5.
    for flush_every, expected in (
      (1, 24 + 3 * 6),
      (4, (24 + 5 * 6) / 4 + 6 + 7 + 28 + 2 * 4.5),
    ):
      seconds = costs.step_seconds(sizes, machine, flush_every)
      self.assertEqual(seconds, expected)
    all_visited = machine._replace(skips=False)
    again = sizes._replace(is_affine=False)  # 6 S P = 36, 4 P = 12 an entry.
    self.assertEqual(
      costs.step_seconds(again, all_visited, 4),
      (24 + 5 * 6) / 4 + 6 + 7 + 28 + 36 + 4 * (4.5 + 12),
    )

  @parameterized.parameters(costs.CPU, costs.ACCELERATOR)
  def test_puts_off_where_the_product_is_large(self, *machine):
    machine = costs.Machine(*machine)
    chosen = [costs.best_flush_every(_sizes(2**k), machine) for k in range(12)]
    self.assertEqual(chosen[0], 1)
    self.assertEqual(chosen, sorted(chosen))
    self.assertGreater(chosen[-1], 1)
    for k, flush_every in enumerate(chosen):
      seconds, textbook = (
        costs.step_seconds(_sizes(2**k), machine, f) for f in (flush_every, 1)
      )
      self.assertLessEqual(seconds, textbook)

  def test_cubic_where_the_period_grows_with_n(self):
    """At F = n a step is O(n^3), the textbook's O(n^4)."""
    lazy = [costs.step_seconds(_sizes(n), costs.CPU, n) for n in (2**14, 2**15)]
    textbook = [
      costs.step_seconds(_sizes(n), costs.CPU, 1) for n in (2**14, 2**15)
    ]
    self.assertAlmostEqual(lazy[1] / lazy[0], 8.0, delta=0.1)
    self.assertAlmostEqual(textbook[1] / textbook[0], 16.0, delta=0.1)

  def test_a_period_of_zero(self):
    with self.assertRaisesRegex(ValueError, "flush_every.*positive integer"):
      costs.step_seconds(_sizes(8), costs.CPU, 0)

  @parameterized.parameters((8, False), (64, True))
  def test_what_rtrl_takes_by_default(self, num_units, is_lazy):
    cell = nf.cells.vanilla(num_inputs=16, num_units=num_units)
    estimator = nf.estimators.rtrl(cell, oracles.make_loss(cell))
    params = oracles.make_params(cell)
    state = jax.eval_shape(estimator.init, params, jax.random.key(0))
    if jax.default_backend() != "cpu":
      self.skipTest("of a CPU")
    self.assertEqual(state.influence.tape is not None, is_lazy)

  def test_a_cell_of_which_nothing_is_known_has_no_tape(self):
    cell, _, params, _ = tables.make("rolling_bptt", "bare")
    for flush_every in (None, 8):
      estimator = nf.estimators.rtrl(
        cell, oracles.make_loss(cell), flush_every=flush_every
      )
      state = jax.eval_shape(estimator.init, params, jax.random.key(0))
      self.assertIsNone(state.influence.tape)


if __name__ == "__main__":
  absltest.main()
