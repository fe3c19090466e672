"""The page in a real browser, where there is one."""

import html
import json
import pathlib
import re
import shutil
import subprocess
import tempfile

from absl.testing import absltest

from tests.experiments.report import render_test

_CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

# Does what a reader does, and writes down what is then seen.
_PROBE = """
<script>
const seen = {};
const shown = () =>
  document.getElementById("count").textContent;
const type = (id, text) => {
  const control = document.getElementById(id);
  control.value = text;
  control.dispatchEvent(new Event("input"));
};
seen.width = document.documentElement.scrollWidth - innerWidth;
seen.start = shown();
type("search", "GROW dummy/a");
seen.searched = shown();
seen.query = location.search;
type("search", "neuralnetworksanddeeplearning");
seen.by_source = shown();
type("search", "");
type("verdict", "fails");
seen.failed = shown();
type("verdict", "");
type("kind", "not run here");
seen.not_run = shown();
type("kind", "");
const first = () => document.querySelector("#claims tbody td:nth-child(5)")
  .textContent.trim();
const sort = document.querySelectorAll("#claims th button")[4];
sort.click();
seen.ascending = first();
sort.click();
seen.descending = first();
seen.dangling = [...document.querySelectorAll('a[href^="#"]')]
  .map((a) => a.hash.slice(1))
  .filter((id) => !document.getElementById(id));
seen.unnamed = [...document.querySelectorAll("input, select, svg[role]")]
  .filter((e) => !e.ariaLabel).length;
const out = document.createElement("pre");
out.id = "probe";
out.textContent = JSON.stringify(seen);
document.body.append(out);
</script>
"""


@absltest.skipUnless(_CHROMIUM, "no Chromium is installed")
class ChromiumTest(absltest.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.out = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
    render_test.write(cls.out)
    page = (cls.out / "report" / "index.html").read_text()
    cls.page = cls.out / "probed.html"
    cls.page.write_text(page.replace("</body>", _PROBE + "</body>"))
    cls.seen, cls.log = cls.look(cls.page.as_uri())

  @classmethod
  def look(cls, url):
    command = [
      _CHROMIUM,
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--window-size=390,800",
      f"--user-data-dir={cls.out / 'profile'}",
      "--enable-logging=stderr",
      "--dump-dom",
      url,
    ]
    done = subprocess.run(
      command, capture_output=True, text=True, timeout=240, check=True
    )
    text = re.search('<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    return json.loads(html.unescape(text[1])), done.stderr

  def test_no_errors(self):
    self.assertNotIn("CONSOLE", self.log)

  def test_nothing_sticks_out_of_a_telephone(self):
    self.assertLessEqual(self.seen["width"], 0)

  def test_search_and_filters(self):
    expected = {
      "start": "8 of 8 shown",
      "searched": "1 of 8 shown",
      "query": "?search=GROW+dummy%2Fa",
      "by_source": "4 of 8 shown",
      "failed": "2 of 8 shown",
      "not_run": "2 of 8 shown",
    }
    self.assertEqual({name: self.seen[name] for name in expected}, expected)

  def test_an_address_remembers_the_search(self):
    seen, _ = self.look(self.page.as_uri() + "?search=exact&study=dummy/b")
    self.assertEqual(seen["start"], "1 of 8 shown")

  def test_sorting(self):
    self.assertStartsWith(self.seen["ascending"], "6")
    self.assertStartsWith(self.seen["descending"], "–")

  def test_links_lead_somewhere_and_controls_have_names(self):
    self.assertEqual(self.seen["dangling"], [])
    self.assertEqual(self.seen["unnamed"], 0)


if __name__ == "__main__":
  absltest.main()
