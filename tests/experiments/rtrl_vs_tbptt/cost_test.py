"""The study of cost at small size, and its counts against measured programs."""

import dataclasses

import numpy as np
from absl.testing import absltest, parameterized

from experiments.rtrl_vs_tbptt import cost, cost_claims

_CONFIG = cost.Config(
  units=(4, 8),
  scale_bptt=2,
  scale_diagonal=4,
  num_steps=16,
  truncation=2,
  lengths=(16, 256),
  num_rounds=1,
)


def _ideal():
  """Results in which every method costs what the operation counts say."""
  num_methods = len(cost_claims.NAMES)
  units = np.tile([32.0, 64.0, 128.0], (num_methods, 1))
  lengths = np.array([16.0, 256.0])
  powers = np.array(cost_claims.TIME_EXPONENTS)[:, None]
  carried = np.array(cost_claims.MEMORY_EXPONENTS)[:, None]
  return {
    "units": units,
    "lengths": lengths,
    "length_units": np.array(32),
    # Of textbook RTRL a hundred times as long, so that it is slower than lazy.
    "microseconds": units**powers * np.where(powers == 4, 100.0, 1.0),
    "state_bytes": units**carried,
    "run_microseconds": np.tile(lengths, (num_methods, 1)),
    "run_bytes": np.concatenate([lengths[None], np.ones((num_methods - 1, 2))]),
  }


class CostTest(parameterized.TestCase):
  def test_small(self):
    results = cost.run(_CONFIG)
    made = cost_claims.claims(results)
    self.assertLen(made, 6 + 2 + 6 + 12)
    for claim in made:
      self.assertEqual(claim.id, "S4-5.2")
      # Times mean nothing at this size; bytes do.
      if "needs no more" in claim.statement:
        self.assertTrue(claim.holds, claim)
    self.assertTrue(np.all(results["microseconds"] > 0))
    self.assertTrue(np.all(results["run_microseconds"] > 0))
    cost.STUDY.plot(results)

  def test_state_bytes_are_counted(self):
    """Textbook: h, and J of n (n + 3) parameters for n states."""
    textbook, diagonal = (
      cost.METHODS[cost_claims.NAMES[i]]
      for i in (cost_claims.TEXTBOOK, cost_claims.DIAGONAL)
    )
    for n in (4, 8):
      self.assertEqual(
        cost.state_bytes(textbook, n, _CONFIG),
        4 * (n + n * n * (n + 3)),
      )
      # IndRNN: two input weights, u and b for each unit, one state each.
      self.assertEqual(cost.state_bytes(diagonal, n, _CONFIG), 4 * (n + 4 * n))

  def test_exponent(self):
    sizes = np.array([3.0, 5.0, 9.0])
    self.assertAlmostEqual(cost_claims.exponent(sizes, 7 * sizes**2.5), 2.5)

  def test_counted_costs_meet_all_claims(self):
    for claim in cost_claims.claims(_ideal()):
      self.assertTrue(claim.holds, claim)

  @parameterized.parameters(
    ("microseconds", 1.4, {"The time per step of lazy", "Textbook over lazy"}),
    ("microseconds", -1.4, {"The time per step of lazy", "Textbook over lazy"}),
    ("state_bytes", 1.0, {"What lazy"}),
    ("state_bytes", -1.0, {"What lazy"}),
  )
  def test_another_power_of_n_fails_the_claims(self, key, power, failing):
    results = _ideal()
    row = results["units"][cost_claims.LAZY] / 128.0
    results[key][cost_claims.LAZY] *= row**power
    failed = {c.statement for c in cost_claims.claims(results) if not c.holds}
    self.assertLen(failed, len(failing), failed)
    for start in failing:
      self.assertTrue(any(s.startswith(start) for s in failed), failed)

  @parameterized.parameters(("run_microseconds",), ("run_bytes",))
  def test_another_power_of_t_fails_the_claims(self, key):
    results = _ideal()
    results[key] = results[key] * np.array([1.0, 2.0])
    verdicts = [claim.holds for claim in cost_claims.claims(results)[-12:]]
    expected = [key != "run_microseconds", key != "run_bytes"] * 6
    self.assertEqual(verdicts, expected)

  def test_configuration(self):
    for change, message in (
      (dict(units=(8,)), "two ascending units"),
      (dict(lengths=(32, 16)), "two ascending lengths"),
      (dict(units=(3, 4)), "num_steps = 16 is a multiple, .* got 3"),
      (dict(units=(8, 16)), "twice or more, got 16"),
      (dict(lengths=(16, 30)), r"multiples, .*\(4, 2\), got 30"),
      (dict(scale_bptt=0), "scale_bptt, .* got 0, 4 and 1"),
    ):
      with self.assertRaisesRegex(ValueError, message):
        cost.run(dataclasses.replace(_CONFIG, **change))


if __name__ == "__main__":
  absltest.main()
