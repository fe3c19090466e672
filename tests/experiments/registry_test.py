"""The list of studies: each is there, and named after its module."""

import importlib

from absl.testing import absltest, parameterized

from experiments import records, registry, study


class RegistryTest(parameterized.TestCase):
  @parameterized.parameters(*registry.MODULES)
  def test_study(self, name):
    module = importlib.import_module(name)
    self.assertIsInstance(module.STUDY, study.Study)
    path = name.removeprefix("experiments.").replace(".", "/")
    self.assertEqual(module.STUDY.name, path)
    self.assertIsInstance(module.STUDY.full, module.STUDY.Config)
    self.assertEqual(module.STUDY.Config().seed, 0)
    self.assertNotEmpty(module.__doc__)

  def test_lists_every_study(self):
    files = (records.ROOT / "experiments").rglob("*.py")
    found = {
      ".".join(
        file.relative_to(records.ROOT).with_suffix("").parts
      ).removesuffix(".__init__")
      for file in files
      if "\nSTUDY = " in file.read_text()
    }
    self.assertEqual(found, set(registry.MODULES))

  def test_the_dearest_are_studies(self):
    self.assertContainsSubset(registry.DEAREST, registry.MODULES)


if __name__ == "__main__":
  absltest.main()
