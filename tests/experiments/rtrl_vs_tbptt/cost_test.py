"""The study of cost: counted operations, and claims on ideal costs."""

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import lax
from jax import numpy as jnp

from experiments.rtrl_vs_tbptt import cost
from experiments.rtrl_vs_tbptt.cost import claims, operations, readings, run
from tests.experiments import study_case

_SMALL = run.Config(
  num_units=64, lengths=(512, 4096), truncation=4, num_rounds=1
)


def _small():
  return study_case.results_of(cost.STUDY, _SMALL)


def _failing(results):
  return {claim.key for claim in claims.claims(results) if not claim.holds}


class CaseTest(study_case.StudyCase):
  study = cost.STUDY
  small = _SMALL


class OperationsTest(parameterized.TestCase):
  def count(self, function, *args):
    result, count = jax.jit(operations.counted(function))(*args)
    np.testing.assert_array_equal(result, function(*args))
    return float(count)

  def test_a_product_and_sums(self):
    a, b = jnp.ones((3, 5)), jnp.ones((5, 7))
    self.assertEqual(self.count(lambda a, b: a @ b, a, b), 3 * 7 * (2 * 5 - 1))
    self.assertEqual(self.count(lambda a: jnp.sum(a * a), a), 15 + 15)

  def test_agrees_with_xla_without_loops(self):
    function = lambda a, b: jnp.maximum((a @ b) * a - b, a)
    a = jnp.ones((32, 32))
    compiled = jax.jit(function).lower(a, a).compile()
    # XLA counts as many sums as products.
    expected = compiled.cost_analysis()["flops"] - a.size
    self.assertEqual(self.count(function, a, a), expected)

  @parameterized.parameters(0, 1, 5)
  def test_loops_count_as_often_as_they_turn(self, num_turns):
    def scanned(x):
      return lax.scan(lambda c, _: (2 * c, None), x, length=num_turns)[0]

    def looped(x, n):
      body = lambda i, c: lax.fori_loop(0, i, lambda _, c: 2 * c, c)
      return lax.fori_loop(0, n, body, x)

    self.assertEqual(self.count(scanned, jnp.ones(3)), 3 * num_turns)
    expected = 3 * num_turns * (num_turns - 1) / 2
    self.assertEqual(self.count(looped, jnp.ones(3), num_turns), expected)


class ClaimsTest(parameterized.TestCase):
  def test_small_run_counts_as_expected(self):
    # Factors are those of large n, times those of large products.
    self.assertEmpty(_failing(_small()) - {*_FACTORS, "time-tenfold"})

  @parameterized.parameters(
    (readings.TEXTBOOK, readings.BLOCK, {"operations-textbook"}),
    (readings.BLOCK, readings.TEXTBOOK, {"operations-lazy"}),
    (readings.LAZY, readings.TEXTBOOK, {"operations-lazy", "numbers-kept"}),
    (readings.DIAGONAL, readings.LAZY, {"operations-bptt", "numbers-kept"}),
    (readings.BPTT, readings.TRUNCATED, {"memory-bptt", "memory-break-even"}),
    (readings.TRUNCATED, readings.BPTT, {"memory-rtrl"}),
  )
  def test_another_method_passed_off_is_noticed(self, name, other, keys):
    results = _small()
    methods = results.methods | {name: results.methods[other]}
    found = _failing(results._replace(methods=methods))
    self.assertEqual(found - {*_FACTORS, "time-tenfold"}, keys)

  def test_memory_that_grows_a_little_is_noticed(self):
    results = _small()
    lazy = results.methods[readings.LAZY]
    lazy = lazy._replace(stream_bytes=lazy.stream_bytes + np.array([0, 4]))
    methods = results.methods | {readings.LAZY: lazy}
    found = _failing(results._replace(methods=methods))
    self.assertIn("memory-rtrl", found)

  def test_a_lazy_rtrl_that_flushes_twice_as_often_is_noticed(self):
    def broken(cell, loss_fn):
      size = cell.initial_state().size
      return run.nf.estimators.rtrl(cell, loss_fn, flush_every=size // 4)

    results = _small()
    method = run.METHODS[readings.LAZY]._replace(estimator=broken)
    periods = [run._period(method, n, _SMALL) for n in _SMALL.units]
    lazy = results.methods[readings.LAZY]._replace(
      numbers=np.array([p.numbers for p in periods])
    )
    methods = results.methods | {readings.LAZY: lazy}
    found = _failing(results._replace(methods=methods))
    self.assertIn("numbers-kept", found)

  def test_exponent(self):
    n = np.array([32.0, 64.0, 128.0])
    self.assertAlmostEqual(readings.exponent(7 * n**2.5), 2.5)
    self.assertAlmostEqual(readings.exponent(2 * n**3 + 8 * n**2), 3, places=2)


_FACTORS = ("factor-textbook", "factor-lazy")


class ConfigTest(parameterized.TestCase):
  @parameterized.parameters(
    (dict(num_units=20), "num_units % 8"),
    (dict(lengths=(64,)), "two ascending lengths"),
    (dict(lengths=(256, 64)), "two ascending lengths"),
    (dict(lengths=(32, 1024)), "multiples of"),
    (dict(lengths=(1024, 16400)), "multiples of"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**settings)


if __name__ == "__main__":
  absltest.main()
