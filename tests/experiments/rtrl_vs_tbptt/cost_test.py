"""The study of cost: counted operations, and claims on ideal costs."""

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import lax
from jax import numpy as jnp

from experiments.rtrl_vs_tbptt import cost
from experiments.rtrl_vs_tbptt.cost import claims, operations, readings, run
from tests.experiments import study_case


def _failing(results):
  """Of what holds on a busy machine."""
  found = {claim.key for claim in claims.claims(results) if not claim.holds}
  return found - {"time-tenfold"}


class CaseTest(study_case.StudyCase):
  study = cost.STUDY
  small = run.Config(num_units=64)

  def test_small_run_counts_as_expected(self):
    self.assertEmpty(_failing(self.results()))
    n = self.results().units
    self.assertAlmostEqual(readings.exponent(2 * n**3 + n**2), 3, places=2)
    with self.assertRaisesRegex(ValueError, "multiple of 8"):
      run.Config(num_units=20)

  def exchanged(self, name, other):
    methods = self.results().methods | {name: other}
    return _failing(self.results()._replace(methods=methods))

  @parameterized.parameters(
    (
      readings.TEXTBOOK,
      readings.BLOCK,
      {"operations", "factor", "snap-2"},
    ),
    (readings.BLOCK, readings.TEXTBOOK, {"operations"}),
    (
      readings.LAZY,
      readings.TEXTBOOK,
      {"operations", "factor", "numbers-kept"},
    ),
    (readings.DIAGONAL, readings.LAZY, {"operations", "numbers-kept"}),
    (readings.BPTT, readings.TRUNCATED, {"memory-bptt"}),
    (readings.TRUNCATED, readings.BPTT, {"memory-rtrl"}),
    (readings.SNAP, readings.LAZY, {"snap-1"}),
  )
  def test_another_method_passed_off_is_noticed(self, name, other, keys):
    found = self.exchanged(name, self.results().methods[other])
    self.assertEqual(found, keys)

  def test_a_little_more_memory_is_noticed(self):
    lazy = self.results().methods[readings.LAZY]
    more = lazy._replace(stream_bytes=lazy.stream_bytes + np.array([0, 4]))
    self.assertEqual(self.exchanged(readings.LAZY, more), {"memory-rtrl"})
    # As by a flush twice as often, which halves the tape.
    less = lazy._replace(numbers=lazy.numbers - 1)
    self.assertEqual(self.exchanged(readings.LAZY, less), {"numbers-kept"})

  def test_a_snap_2_that_is_dense_is_noticed(self):
    dense = self.results().methods[readings.TEXTBOOK].operations[1] / 10
    results = self.results()._replace(snap_2=np.array([dense, dense]))
    self.assertEqual(_failing(results), {"snap-2"})


class OperationsTest(parameterized.TestCase):
  def count(self, function, *args):
    result, count = jax.jit(operations.counted(function))(*args)
    np.testing.assert_array_equal(result, function(*args))
    return float(count)

  def test_a_product_and_sums(self):
    a, b = jnp.ones((3, 5)), jnp.ones((5, 7))
    self.assertEqual(self.count(lambda a, b: a @ b, a, b), 3 * 7 * (2 * 5 - 1))
    self.assertEqual(self.count(lambda a: jnp.sum(a * a), a), 15 + 15)

  def test_what_is_added_to_places_counts(self):
    function = lambda a, b: a.at[jnp.array([0, 2, 2])].add(b)
    self.assertEqual(self.count(function, jnp.ones(5), jnp.ones(3)), 3)

  def test_agrees_with_xla_without_loops(self):
    function = lambda a, b: jnp.maximum((a @ b) * a - b, a)
    a = jnp.ones((32, 32))
    compiled = jax.jit(function).lower(a, a).compile()
    # XLA counts as many sums as products.
    expected = compiled.cost_analysis()["flops"] - a.size
    self.assertEqual(self.count(function, a, a), expected)

  def test_loops_count_as_often_as_they_turn(self):
    def scanned(x):
      return lax.scan(lambda c, _: (2 * c, None), x, length=5)[0]

    def looped(x, n):
      body = lambda i, c: lax.fori_loop(0, i, lambda _, c: 2 * c, c)
      return lax.fori_loop(0, n, body, x)

    self.assertEqual(self.count(scanned, jnp.ones(3)), 3 * 5)
    for n in (0, 1, 5):
      expected = 3 * n * (n - 1) / 2
      self.assertEqual(self.count(looped, jnp.ones(3), n), expected)

  def test_what_may_be_computed_anew_counts(self):
    function = jax.checkpoint(lambda x: x * x * x)
    self.assertEqual(self.count(function, jnp.ones(3)), 2 * 3)

  def test_of_two_branches_the_one_taken_counts(self):
    function = lambda x, n: lax.cond(n > 0, lambda x: 2 * x * x, jnp.sin, x)
    for n, expected in ((1, 2 * 3), (0, 3)):
      self.assertEqual(self.count(function, jnp.ones(3), n), expected)


if __name__ == "__main__":
  absltest.main()
