"""The page: self-contained, complete, and honest about failures."""

import collections
import json
import pathlib
import re
import tempfile

from absl.testing import absltest, parameterized

from experiments import runs, style
from experiments.report import render
from tests.experiments import dummy_study


class ReportTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.out = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
    sections = []
    for name in ("dummy/a", "dummy/b"):
      study = dummy_study.STUDY._replace(name=name)
      folder = runs.bring_up_to_date(study, study.Config(), self.out).folder
      sections.append(
        render.Section(
          study=name,
          question=study.question,
          docstring=dummy_study.__doc__,
          command=f"python -m {name} --rerun",
          folder=folder,
        )
      )
    crashed = render.Section(
      study="dummy/crashed",
      question="Does it crash?",
      docstring="",
      command="python -m crashed",
      folder=self.out / "nowhere",
      error="RuntimeError: <boom>",
    )
    self.totals = render.write_report(
      self.out / "report", [*sections, crashed], sizes="quick", seconds=83.0
    )
    self.page = (self.out / "report" / "index.html").read_text()

  def test_totals(self):
    self.assertEqual(self.totals, (4, 2, 1))

  def test_claims_are_listed_for_programs(self):
    claims = json.loads((self.out / "report" / "claims.json").read_text())
    self.assertLen(claims, 6)
    self.assertContainsSubset(
      "study id statement source expected measured tolerance holds".split(),
      claims[0],
    )
    self.assertEqual([c["study"] for c in claims[::3]], ["dummy/a", "dummy/b"])
    self.assertEqual([c["holds"] for c in claims], [True, True, False] * 2)

  def test_every_claim_is_on_the_page_twice(self):
    rows = re.findall(r'<tr class="(held|failed)"', self.page)
    counts = collections.Counter(rows)
    # In the summary, with the crash, and in its study.
    self.assertEqual(counts, {"held": 2 * 4, "failed": 2 * 2 + 1})
    self.assertIn("The sum is six &amp; <code>exact</code>.", self.page)
    self.assertIn("It is &lt; 1.", self.page)
    self.assertIn("It grows.", self.page)
    self.assertIn("≥ 5", self.page)
    self.assertIn("± 0.1", self.page)

  def test_tells_how_it_was_made(self):
    for text in (
      "1 min 23 s",
      "python -m dummy/a --rerun",
      "num_terms",
      "numpy ",
      "RuntimeError: &lt;boom&gt;",
      "crashed",
    ):
      self.assertIn(text, self.page)
    # The docstring's first line is the question, which stands above it.
    self.assertEqual(self.page.count("<p>How far does a short"), 0)
    self.assertIn(
      "<code>python -m tests.experiments.dummy_study</code>", self.page
    )

  def test_ids_are_unique_and_references_resolve(self):
    ids = re.findall(r'\sid="([^"]+)"', self.page)
    self.assertLen(set(ids), len(ids))
    references = re.findall(r'(?:href="|url\()#([^")]+)', self.page)
    self.assertNotEmpty(references)
    self.assertContainsSubset(set(references), set(ids))

  def test_loads_nothing(self):
    loads = re.findall(
      r"<link[^>]*href=\"(?!data:)|\ssrc=|@import|url\((?!#)", self.page
    )
    self.assertEmpty(loads)
    self.assertLen(re.findall("<style", self.page), 1)

  @parameterized.parameters(
    (0.04, "0.0 s"),
    (9.94, "9.9 s"),
    (9.96, "10 s"),
    (59.6, "1 min 00 s"),
    (3725.0, "1 h 02 min"),
  )
  def test_duration(self, seconds, want):
    self.assertEqual(render.format_duration(seconds), want)

  def test_blocks(self):
    text = (
      "One\ntwo.\n\n    h = W\n\n      x\n\nThree:\n- a - b\n  c\n- d\n\n- e\n"
    )
    self.assertEqual(
      render.blocks(text),
      [
        ("text", "One\ntwo."),
        ("code", "h = W"),
        ("code", "x"),
        ("text", "Three:"),
        ("list", ["a - b\n  c", "d"]),
        ("list", ["e"]),
      ],
    )

  def test_svg_fills_its_surroundings(self):
    fig, _ = style.figure()
    svg = render.inline_svg(style.save_svg(fig), "p-", 'a "label"')
    root = svg[: svg.index(">")]
    self.assertNotRegex(root, r"\s(width|height)=")
    self.assertIn("viewBox", root)
    self.assertIn('aria-label="a &#34;label&#34;"', root)


if __name__ == "__main__":
  absltest.main()
