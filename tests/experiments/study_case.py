"""What holds for every study: a test case to inherit from."""

import ast
import dataclasses
import functools
import importlib
import inspect
import json
import os
import pathlib
import tempfile
import typing
from unittest import mock

import chex
import jax
import numpy as np
from absl.testing import parameterized

from experiments import claims, fields, progress, records
from experiments.report import text

_PARTS = ("run", "claims", "figure")
# What judges and draws must not need: neither the work nor one another.
_FORBIDDEN = {
  "claims": {"jax", "nnfun", "run", "figure", "matplotlib"},
  "figure": {"jax", "nnfun", "run", "claims"},
  "readings": {"jax", "nnfun", "run", "claims", "figure", "matplotlib"},
}


class StudyCase(parameterized.TestCase):
  """Inherit, and set the study and a Config that runs in a second or two.

  class CaseTest(study_case.StudyCase):
    study = murray.STUDY
    small = murray.run.Config(num_trials=30)
  """

  study = None
  small = None

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.package = importlib.import_module(
      "experiments." + cls.study.name.replace("/", ".")
    )
    cls.folder = pathlib.Path(cls.package.__file__).parent

  def results(self):
    """The results of the small run."""
    return self.once()[0]

  def once(self):
    """They, and how far the run said it is; made once for all tests."""
    return run_of(self.study, self.small)

  def judged(self):
    """The claims of the small run by their keys."""
    return {claim.key: claim for claim in self.study.claims(self.results())}

  def test_results_are_finite_and_survive_the_disk(self):
    folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
    results = self.results()
    self.assertIsInstance(results, self.study.Results)
    records.save_arrays(folder, results)
    again = records.load_arrays(folder, self.study.Results)
    chex.assert_trees_all_equal(results, again)

  def test_says_how_far_it_is(self):
    self.assertEqual(self.once()[1], 1.0)

  def test_claims_are_fit_for_the_page(self):
    found = self.study.claims(self.results())
    keys = [claim.key for claim in found]
    self.assertLen(set(keys), len(keys), keys)
    for claim in found:
      self.assertIsInstance(claim, claims.Claim)
      json.dumps(claim.as_json(self.study.name), allow_nan=False)
      if claim.measurement is not None:
        self.assertFalse(np.isnan(claim.measurement.value), claim)

  def test_draws(self):
    axes = self.study.plot(self.results()).axes
    self.assertNotEmpty(axes)
    for ax in axes:
      self.assertTrue(ax.get_title(loc="left") or ax.get_label(), axes)

  def test_a_reader_is_told_everything(self):
    self.assertEqual(self.package.STUDY, self.study)
    question, answer = self.study.question, self.study.answer
    self.assertEqual(inspect.getdoc(self.package).split("\n\n")[0], question)
    self.assertTrue(question.endswith("?") and answer.endswith("."))
    self.assertTrue(self.study.caption.endswith("."))
    # A command that is not understood stays as it is written.
    self.assertNotIn("\\", text.formula(self.study.equation))
    comments = fields.comments(self.study.Config)
    for field in dataclasses.fields(self.study.Config):
      self.assertTrue(comments[field.name], field.name)
    self.assertEqual(self.study.Config().seed, 0)

  def test_parts_have_the_same_names_everywhere(self):
    parts = {name: getattr(self.package, name) for name in _PARTS}
    self.assertIs(self.study.run, parts["run"].run)
    self.assertIs(self.study.Config, parts["run"].Config)
    self.assertIs(self.study.Results, parts["run"].Results)
    self.assertIs(self.study.claims, parts["claims"].claims)
    self.assertIs(self.study.plot, parts["figure"].plot)
    self.assertTrue((self.folder / "__main__.py").exists())

  def test_judging_needs_no_running(self):
    for name, forbidden in _FORBIDDEN.items():
      path = self.folder / f"{name}.py"
      found = imports(path) if path.exists() else set()
      self.assertEmpty(found & forbidden, path)

  def test_results_have_shapes_in_comments(self):
    kinds = [self.study.Results]
    while kinds:
      kind = kinds.pop()
      source = inspect.getsource(kind).splitlines()
      for name, hint in typing.get_type_hints(kind).items():
        (line,) = [s for s in source if s.strip().startswith(f"{name}:")]
        inner = [hint, *typing.get_args(hint)]
        nested = [k for k in inner if hasattr(k, "_fields")]
        kinds += nested
        above = source[source.index(line) - 1].strip()
        commented = "#" in line or above.startswith("#")
        self.assertTrue(nested or commented, (kind, name))


@functools.cache
def run_of(study, config):
  """Runs a study once for all tests: its results, and how far it said it is."""
  with tempfile.TemporaryDirectory() as folder:
    status = f"{folder}/status.json"
    with (
      mock.patch.dict(os.environ, {progress.STATUS_FILE: status}),
      mock.patch.object(progress, "_SECONDS_BETWEEN_WRITES", 0.0),
    ):
      results = study.run(config)
      jax.effects_barrier()
    return results, progress.read_status(status)[0]


def imports(path: pathlib.Path) -> set[str]:
  """The last and the first part of the name of everything a file imports."""
  names = set()
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.Import):
      names |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      if node.module.count(".") > 1:  # Of this study, or another.
        names |= {alias.name for alias in node.names}
      names |= {node.module}
  return {part for name in names for part in (name.split(".")[0], name)}
