"""What is not there is a row with a reason."""

import sys
from unittest import mock

from absl.testing import absltest

from benchmarks import measure, others, problems


def _without(*modules):
  """As if these were not installed."""
  return mock.patch.dict(sys.modules, dict.fromkeys(modules))


class OthersTest(absltest.TestCase):
  def test_what_is_not_installed_is_a_row_with_a_reason(self):
    vanilla = problems.problem("vanilla", 3, 1, 8)
    with _without("torch", "braintrace"):
      streams = list(others.others(vanilla, "moving"))
      sequences = list(others.others(vanilla, "sequence"))
    self.assertEqual(
      streams,
      [
        (others.TORCH_RTRL, "torch is not installed"),
        (others.BRAINTRACE, "braintrace is not installed"),
      ],
    )
    self.assertEqual(sequences, [("torch.nn.RNN", "torch is not installed")])
    rows = measure.measure_programs(vanilla, "moving", streams, 2)
    self.assertEqual(rows[0].skipped, "torch is not installed")
    self.assertEmpty(rows[0].microseconds)

  def test_a_broken_installation_is_one_too(self):
    vanilla = problems.problem("vanilla", 3, 1, 8)
    error = ModuleNotFoundError("no", name="saiunit")
    with mock.patch.object(others.importlib, "import_module") as import_module:
      import_module.side_effect = [error, RuntimeError("old jaxlib")]
      torch, braintrace = others.others(vanilla, "fixed")
    self.assertIn("saiunit, which torch needs, is not", torch.reason)
    self.assertIn("old jaxlib", braintrace.reason)

  def test_cells_that_torch_does_not_have(self):
    lru = problems.problem("lru", 3, 1, 8)
    self.assertEmpty(list(others.others(lru, "sequence")))
    self.assertEmpty(list(others.others(lru, "moving")))


if __name__ == "__main__":
  absltest.main()
