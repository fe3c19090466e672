"""The page: self-contained, complete, and honest about failures."""

import collections
import json
import pathlib
import re
import tempfile

from absl.testing import absltest, parameterized

from experiments import runs, style
from experiments.report import render, svg
from experiments.report import text as text_lib
from tests.experiments import dummy_study


def write(out):
  """A report over two studies of the same name but one, and a crash."""
  sections = []
  for name in ("dummy/a", "dummy/b"):
    study = dummy_study.STUDY._replace(name=name)
    folder = runs.bring_up_to_date(study, study.Config(), out).folder
    sections.append(
      render.Section(
        name=name,
        study=study,
        config=study.Config(),
        docstring=dummy_study.__doc__,
        command=f"python -m {name} --rerun",
        folder=folder,
      )
    )
  crashed = render.Section(
    name="dummy/crashed",
    study=None,
    config=None,
    docstring="",
    command="python -m crashed",
    folder=out / "nowhere",
    error="RuntimeError: <boom>",
  )
  return render.write_report(
    out / "report", [*sections, crashed], sizes="quick", seconds=83.0
  )


class ReportTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.out = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
    self.totals = write(self.out)
    self.page = (self.out / "report" / "index.html").read_text()

  def test_totals(self):
    self.assertEqual(self.totals.by_kind["published"]["holds"], 2)
    self.assertEqual(self.totals.by_kind["conjecture"]["holds"], 2)
    self.assertEqual(self.totals.by_kind["conjecture"]["fails"], 2)
    self.assertEqual(self.totals.by_kind["not run here"]["not run here"], 2)
    self.assertEqual(self.totals.num_crashed, 1)
    self.assertStartsWith(
      str(self.totals),
      "4 claims hold, 2 fail, 0 undecided, 2 not run here: 2 published (2 "
      "hold); 4 conjecture (2 hold, 2 fail). If everything were true, the "
      "chance of a failure would be 0.01 %.",
    )

  def test_claims_are_listed_for_programs(self):
    claims = json.loads((self.out / "report" / "claims.json").read_text())
    self.assertLen(claims, 8)
    self.assertContainsSubset(
      "study id key statement source kind expected measured error tolerance "
      "holds".split(),
      claims[0],
    )
    self.assertEqual([c["study"] for c in claims[::4]], ["dummy/a", "dummy/b"])
    self.assertEqual(
      [c["holds"] for c in claims[:4]], [True, True, False, None]
    )
    self.assertNotIn("e-308", (self.out / "report/claims.json").read_text())

  def test_every_claim_is_shown_with_its_error(self):
    rows = re.findall(r'<tr class="(holds|fails|not-run-here)"', self.page)
    counts = collections.Counter(rows)
    # In its study and in the list, and the failed above as well.
    self.assertEqual(counts, {"holds": 8, "fails": 6, "not-run-here": 4})
    self.assertIn("The sum is six &amp; <code>exact</code>.", self.page)
    self.assertIn("Sums are &lt; 1.", self.page)
    self.assertIn("They grow.", self.page)
    self.assertIn("≥ 5", self.page)
    self.assertIn("6 ± 0.1", self.page)

  def test_tells_how_it_was_made(self):
    for text in (
      "1 min 23 s",
      "python -m dummy/a --rerun",
      "<code>--config.num_terms=4</code>",
      "<td>Terms of the sum.</td>",
      "<code>--config.shapes=&#39;((1,), (2, 3))&#39;</code>",
      "numpy ",
      "RuntimeError: &lt;boom&gt;",
      "crashed",
      "The terms by their number.",
      "http://neuralnetworksanddeeplearning.com",
    ):
      self.assertIn(text, self.page)
    # The docstring's first line is the question, which stands above it.
    self.assertEqual(self.page.count("<p>How far does a short"), 0)
    self.assertIn(
      "<code>python -m tests.experiments.dummy_study</code>", self.page
    )

  def test_an_anchor_for_every_study_and_claim(self):
    for anchor in ("dummy-a", "dummy-a--six", "dummy-b--small"):
      self.assertIn(f'id="{anchor}"', self.page)
      self.assertIn(f'href="#{anchor}"', self.page)

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
    self.assertEqual(text_lib.format_duration(seconds), want)

  def test_blocks(self):
    text = (
      "One\ntwo.\n\n    h = W\n\n      x\n\nThree:\n- a - b\n  c\n- d\n\n- e\n"
    )
    self.assertEqual(
      text_lib.blocks(text),
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
    fig, axes = style.figure()
    axes.set_title("A")
    text = svg.inline(style.save_svg(fig), "p-", 'a "label"')
    root = text[: text.index(">")]
    self.assertNotRegex(root, r"\s(width|height)=")
    self.assertIn("viewBox", root)
    self.assertIn('aria-label="a &#34;label&#34;"', root)
    # Paper and ink are the page's; glyphs keep their size.
    self.assertIn("fill: var(--paper)", text)
    self.assertNotIn("#ffffff", text)
    self.assertRegex(text, r"scale\(0\.\d{4,}")

  def test_figures_share_letters_and_marks(self):
    inline = []
    for prefix, title in (("p-", "aba"), ("q-", "bc")):
      fig, axes = style.figure()
      axes.set_title(title)
      axes.plot([1, 2], [2, 1], "o")
      inline.append(svg.inline(style.save_svg(fig), prefix, title))
    figures, shapes = svg.share_shapes(inline)
    kept = dict(re.findall(r'<path id="([^"]*)" ([^>]*)/>', shapes))
    self.assertLen(set(kept.values()), len(kept))

    def drawn(figure, shapes):
      """What is drawn where: references resolved."""
      own = dict(re.findall(r'<path id="([^"]*)" ([^>]*)/>', figure))
      uses = re.findall(r'<use href="#([^"]*)"([^>]*)/>', figure)
      return [((shapes | own)[name], where) for name, where in uses]

    for before, after in zip(inline, figures, strict=True):
      self.assertEqual(drawn(after, kept), drawn(before, {}))
      self.assertNotEmpty(drawn(after, kept))
      self.assertNotRegex(after, "<path id|<defs>\\s*</defs>")
    of_both = [{shape for shape, _ in drawn(f, kept)} for f in figures]
    self.assertNotEmpty(set.intersection(*of_both))


if __name__ == "__main__":
  absltest.main()
