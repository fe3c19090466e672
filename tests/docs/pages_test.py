"""What the pages are made of: one source for each fact, and complete."""

import contextlib
import inspect
import io
import pathlib
import re
import tempfile

from absl.testing import absltest, parameterized

import nnfun as nf
from docs import (
  docstrings,
  estimators,
  figures,
  findings,
  publish,
  readme,
)
from experiments import registry
from experiments.rtrl_vs_tbptt.alignment import methods

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_ID = re.compile(r'"(S[0-4]-[A-Za-z0-9.-]+|P\d+)"')
# Exact for the example's cell and segments.
_EXACT = {
  "diagonal_rtrl",
  "forward_errors",
  "rtrl",
}


class MapTest(absltest.TestCase):
  def test_the_map_leads_from_statements_to_studies(self):
    text = (_ROOT / "docs" / "pages" / "textbook.md").read_text()
    rows = re.findall(r"^\| `(\w+/\w+)`: .* \| (.*) \|$", text, re.M)
    modules = [f"experiments.{name.replace('/', '.')}" for name, _ in rows]
    self.assertEqual(modules, list(registry.MODULES))
    for name, ids in rows:
      self.assertEqual(set(ids.split(", ")), _ids_of(name), name)


class ResultsTest(absltest.TestCase):
  def test_they_are_those_of_the_studies(self):
    """A study that came or changed its claims wants `make results` again."""
    by_study = {}
    for claim in findings.claims():
      by_study.setdefault(claim["study"], set()).add(claim["id"])
    names = [m.partition(".")[2].replace(".", "/") for m in registry.MODULES]
    self.assertEqual(list(by_study), names)
    self.assertEqual(list(findings.made_on()), names)
    for name in names:
      self.assertEqual(by_study[name], _ids_of(name), name)
      self.assertLess(len(findings.figure(name)), 200_000, name)
    figures = {
      str(path.relative_to(findings.FOLDER).with_suffix(""))
      for path in findings.FOLDER.rglob("*.svg")
    }
    self.assertEqual(figures, set(names))

  def test_every_estimator_of_the_study_is_compared(self):
    found = findings.alignment()
    names = {row["estimator"] for row in found["rows"]}
    self.assertEqual(names, set(methods.TABLE))
    for row in found["rows"]:
      self.assertLen(row["cosine_of_one"], len(found["updates"]))

  def test_only_finished_runs_are_kept(self):
    with (
      tempfile.TemporaryDirectory() as runs,
      tempfile.TemporaryDirectory() as out,
    ):
      kept = pathlib.Path(out) / "old.svg"
      kept.write_text("")
      with self.assertRaisesRegex(ValueError, "perceptrons.*make report"):
        publish.publish(runs, pathlib.Path(out))
      self.assertTrue(kept.exists())  # Nothing is touched before.

  def test_a_figure_has_colours_with_and_without_a_page(self):
    figure = (
      '<?xml version="1.0"?><svg viewBox="0 0 9 9" width="9pt">'
      '<g id="figure_1"><path style="fill: #ffffff"/></g></svg>'
    )
    small = figures.small(figure, "a < b")
    self.assertIn("--paper-here: var(--paper, #ffffff)", small)
    self.assertIn('style="fill: var(--paper-here)"', small)
    self.assertIn('aria-label="a &lt; b"', small)


class EstimatorsTest(parameterized.TestCase):
  def test_the_table_has_every_estimator(self):
    made = set()
    for name, make in vars(nf.estimators).items():
      if inspect.isfunction(make):
        positional = [
          p.name
          for p in inspect.signature(make).parameters.values()
          if p.kind is p.POSITIONAL_OR_KEYWORD
        ]
        if positional == ["cell", "loss_fn"]:
          made.add(name)
    self.assertEqual(set(estimators.NAMES), made)

  def test_what_a_page_says_stands_in_the_readme(self):
    text = " ".join((_ROOT / "README.md").read_text().split())
    for name, facts in readme.facts().items():
      self.assertIn(f" | {' | '.join(facts[1:])} |", text, name)
      self.assertNotIn("", facts)

  @parameterized.parameters(*estimators.NAMES)
  def test_example(self, name):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
      exec(estimators.example(name), {})
    cosine = float(printed.getvalue().rpartition(" ")[2])
    self.assertBetween(cosine, 1 - 2e-3 if name in _EXACT else -1, 1)


class DocstringsTest(absltest.TestCase):
  def test_equations_are_set_as_they_stand(self):
    text = (
      "Does it.\n\n  J_t = |x|^2 *\n    y\n\nwith `a|b`s and h_ * 2, n: N.\n"
    )
    self.assertEqual(
      docstrings.restructured(text),
      "Does it.\n\n.. code-block:: text\n  :class: equation\n\n"
      "  J_t = |x|^2 *\n    y\n\n"
      "with `a|b`\\ s and h\\_ \\* 2, n: N\\.\n",
    )

  def test_sections_stay_sections(self):
    text = "Does it.\n\nArgs:\n  x: a * b.\n\nReturns:\n  Rows [N]: of x.\n"
    self.assertEqual(
      docstrings.restructured(text),
      "Does it.\n\nArgs:\n  x: a \\* b\\.\n\nReturns:\n  : Rows [N]: of x\\.\n",
    )


def _ids_of(name):
  """The ids which the code of a study's claims names."""
  folder = _ROOT / "experiments" / name
  text = "".join(path.read_text() for path in folder.glob("*claims*.py"))
  return set(_ID.findall(text))


if __name__ == "__main__":
  absltest.main()
