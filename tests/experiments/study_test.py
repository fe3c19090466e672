"""How a package becomes a study."""

from absl.testing import absltest

from experiments.textbook import xor
from experiments.textbook.xor import claims, figure, run


class DefineTest(absltest.TestCase):
  def test_takes_every_part_from_its_module(self):
    study = xor.STUDY
    self.assertEqual(study.name, "textbook/xor")
    self.assertEqual(study.question, xor.__doc__.splitlines()[0])
    self.assertIs(study.run, run.run)
    self.assertIs(study.Config, run.Config)
    self.assertIs(study.Results, run.Results)
    self.assertIs(study.claims, claims.claims)
    self.assertIs(study.plot, figure.plot)


if __name__ == "__main__":
  absltest.main()
