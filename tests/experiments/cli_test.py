"""The command line: flags from the Config, and errors of one line."""

import contextlib
import errno
import io
import pathlib
import re
import subprocess
import sys
import tempfile

import jax
from absl import flags
from absl.testing import absltest, parameterized

from experiments import cli, errors, fields, records, runs
from experiments import study as study_lib
from experiments.report import render
from tests.experiments import dummy_study

STUDY = dummy_study.STUDY
Config = dummy_study.Config


def parse(*args):
  return cli.parse_flags(STUDY, ["program", *args], flags.FlagValues())


class ParseTest(parameterized.TestCase):
  @parameterized.parameters(
    ([], Config()),
    (["--config.num_terms=7"], Config(num_terms=7)),
    (["--config.num_terms", "7"], Config(num_terms=7)),
    (["--config.scale=2"], Config(scale=2.0)),
    (["--config.scale=1e-3"], Config(scale=1e-3)),
    (["--config.windows=3,4"], Config(windows=(3, 4))),
    (["--config.windows=(3, 4)"], Config(windows=(3, 4))),
    (["--config.windows=3"], Config(windows=(3,))),
    (["--config.names=a,b"], Config(names=("a", "b"))),
    (["--config.shapes=((4, 5), (6,))"], Config(shapes=((4, 5), (6,)))),
    (["--config.names=a-b"], Config(names=("a-b",))),
    (["--noconfig.is_plain"], Config(is_plain=False)),
    (["--config.is_plain=false"], Config(is_plain=False)),
    (["--config.log=x=y"], Config(log="x=y")),
    (["--full"], Config(num_terms=10)),
    (["--full=true"], Config(num_terms=10)),
    (["--nofull"], Config()),
    (["--config.seed=3", "--full"], Config(num_terms=10, seed=3)),
    (["--full", "--config.num_terms=5"], Config(num_terms=5)),
    (["--config.num_terms", "5", "--full"], Config(num_terms=5)),
    # Of repeated flags the last one counts.
    (["--config.num_terms=5", "--config.num_terms=6"], Config(num_terms=6)),
    (["--config.windows=3", "--config.windows=4"], Config(windows=(4,))),
    (["--config.windows=3,4", "--config.windows=5,6"], Config(windows=(5, 6))),
    (["--config.windows=3,4", "--config.windows", "5"], Config(windows=(5,))),
    (["--config.names=a,b", "--config.names=c,d"], Config(names=("c", "d"))),
    (
      ["--config.shapes=((4,),)", "--config.shapes=((5,), (6,))"],
      Config(shapes=((5,), (6,))),
    ),
    (["--config.is_plain", "--noconfig.is_plain"], Config(is_plain=False)),
    (["--full", "--nofull"], Config()),
    (["--nofull", "--full"], Config(num_terms=10)),
  )
  def test_config(self, args, want):
    got = parse(*args).config
    self.assertEqual(got, want)
    self.assertIsInstance(got, Config)
    self.assertEqual(str(got), str(want))  # 2.0 and 2 are equal, but differ.

  def test_other_flags(self):
    self.assertEqual(parse(), cli.Options(Config(), False, "runs"))
    options = parse("--rerun", "--runs_dir=/x")
    self.assertEqual(options, cli.Options(Config(), True, "/x"))

  @parameterized.parameters(
    ("--config.num_term=3", "no flag --config.num_term; .* --config.num_terms"),
    ("--config.sede=3", "no flag --config.sede; did you mean --config.seed"),
    ("--noconfig.is_plane", "did you mean --config.is_plain"),
    ("--confg.seed=3", "no flag --confg.seed; did you mean --config.seed"),
    ("--reruns", "no flag --reruns; did you mean --rerun"),
    ("--xyzzy", "no flag --xyzzy; see --help"),
    ("--config.num_terms=abc", "num_terms must be of type int, got 'abc'"),
    ("--config.num_terms=1.5", "num_terms must be of type int, got '1.5'"),
    ("--config.scale=x", "--config.scale must be of type float, got 'x'"),
    ("--config.is_plain=2", "is_plain must be of type bool, got '2'"),
    ("--config.windows=a", r"windows must be of type tuple\[int, \.\.\.\]"),
    ("--config.shapes=((4,), 5)", r"shapes must be of type tuple\[tuple\["),
    ("--config.shapes=((4,), (5.5,))", r"shapes must be of type tuple\["),
    ("--config.windows=1.5", r"windows must be of type tuple\[int, \.\.\.\]"),
    ("--config.windows=(1,", r"windows must be of type tuple\[int, \.\.\.\]"),
    ("--config=3", "one field at a time"),
    ("stray", "Unexpected argument 'stray'"),
  )
  def test_errors_are_one_clear_line(self, arg, message):
    with self.assertRaisesRegex(flags.Error, message) as caught:
      parse(arg)
    self.assertNotIn("\n", str(caught.exception))

  def test_no_flag_at_import(self):
    self.assertNotIn("rerun", flags.FLAGS)

  def test_help_shows_defaults_and_comments(self):
    text = cli.help_text(STUDY)
    for part in (
      "How far does a short sum get?",
      "--config.num_terms=4\n      Terms of the sum. (--full: 10)",
      "--config.scale=1.0\n      Factor of every term, dimensionless.",
      "--config.windows=(1, 2)",
      "--rerun",
    ):
      self.assertIn(part, text)

  def test_comment_behind_a_field_is_not_the_next_ones(self):
    comments = fields.comments(Config)
    self.assertEqual(comments["names"], "")
    self.assertEqual(comments["seed"], "Of nothing.")


class MainTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    folder = self.enterContext(tempfile.TemporaryDirectory())
    self.runs_dir = pathlib.Path(folder)

  def test_as_a_process(self):
    cases = {  # Arguments, exit status, and what stdout and stderr hold.
      "": (0, "fails", ""),
      "--help": (0, "Terms of the sum.", ""),
      "--config.num_term=3": (2, "", "did you mean --config.num_terms?"),
      "--config.num_terms=13": (1, "", "ValueError: invalid literal"),
    }
    for args, (status, in_output, in_errors) in cases.items():
      done = subprocess.run(
        [sys.executable, "-m", "tests.experiments.dummy_study"]
        + [f"--runs_dir={self.runs_dir}", *args.split()],
        cwd=records.ROOT,
        capture_output=True,
        text=True,
        timeout=600,
      )
      with self.subTest(args):
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(in_output, done.stdout)
        self.assertIn(in_errors, done.stderr)
        # Only a bug may show a traceback.
        self.assertEqual("Traceback" in done.stderr, args.endswith("=13"))
        if status and not args.endswith("=13"):
          self.assertLen(done.stderr.splitlines(), 1)
    folder = self.runs_dir / "dummy" / "sum" / "quick"
    self.assertTrue(records.is_finished(folder))
    self.assertTrue((folder / "index.html").exists())

  def said(self, *args):
    """What is said, and the exit status."""
    output, said = io.StringIO(), io.StringIO()
    status = 0
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(said):
      try:
        with errors.one_sentence():
          options = parse(f"--runs_dir={self.runs_dir}", *args)
        cli.run(STUDY, options)
      except SystemExit as end:
        status = end.code
    return status, output.getvalue(), said.getvalue()

  @parameterized.parameters(
    ("--config.num_terms=0", ">= 1, got num_terms=0"),
    ("--config.seed=-1", "expected seed to be"),
    ("--config.seed=99999999999", "expected seed to be"),
    ("--config.scale=nan", "expected scale to be a finite number, got"),
    ("--config.scale=inf", "expected scale to be a finite number, got"),
    ("--config.num_terms=14", "expected less than 14, found out while"),
    ("--config.num_terms=16", "beyond this machine"),
    ("--runs_dir=/proc/nowhere", "/proc/nowhere"),
  )
  def test_one_sentence_and_no_folder(self, arg, message):
    status, output, said = self.said(arg)
    self.assertEqual((status, output), (1, ""))
    self.assertIn(message, said)
    self.assertLen(said.splitlines(), 1)
    self.assertEmpty(list(self.runs_dir.iterdir()))

  def test_an_interrupt(self):
    status, _, said = self.said("--config.num_terms=15")
    self.assertEqual(status, 1)
    self.assertEqual(
      said, "Error: interrupted; what was finished before is kept\n"
    )

  def test_says_if_it_was_finished_before(self):
    again = "Finished before; --rerun runs it again."
    self.assertNotIn(again, self.said()[1])
    self.assertIn(again, self.said()[1])
    self.assertNotIn(again, self.said("--rerun")[1])


class PageTest(absltest.TestCase):
  def test_what_was_changed_stands_beside_the_default(self):
    runs_dir = self.enterContext(tempfile.TemporaryDirectory())
    for config in (Config(), Config(num_terms=3)):
      runs.bring_up_to_date(STUDY, config, runs_dir)
    path = render.write_run(STUDY, Config(num_terms=3), runs_dir)
    page = path.read_text()
    self.assertEqual(page.count("<figure>"), 2)
    self.assertIn("dummy/sum (changed)", page)
    self.assertIn('<tr class="changed">', page)
    self.assertIn("python -m experiments.dummy.sum --config.num_terms=3", page)
    ids = re.findall(r'\sid="([^"]+)"', page)
    self.assertLen(set(ids), len(ids))
    folder = study_lib.folder_of(STUDY, Config(num_terms=3), runs_dir)
    self.assertTrue(records.is_finished(folder))


class ErrorsTest(parameterized.TestCase):
  @parameterized.parameters(
    (OSError(errno.ENOSPC, "No space left on device", "/x"), "No space .* /x"),
    (OSError(errno.EROFS, "Read-only file system", "/x"), "Read-only .* /x"),
    (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: 9 TB"), "memory .*9 TB"),
    (MemoryError("9 TB"), "beyond this machine"),
    (KeyboardInterrupt(), "interrupted"),
    (FloatingPointError("update 3"), "update 3$"),
  )
  def test_are_one_sentence(self, error, message):
    said = io.StringIO()
    with contextlib.redirect_stderr(said), self.assertRaises(SystemExit) as got:
      with errors.one_sentence():
        raise error
    self.assertEqual(got.exception.code, 1)
    self.assertRegex(said.getvalue(), "^Error: .*" + message)
    self.assertLen(said.getvalue().splitlines(), 1)

  @parameterized.parameters(
    OSError(errno.EIO, "broken"),
    jax.errors.JaxRuntimeError("INTERNAL"),
    KeyError,
  )
  def test_bugs_keep_their_traceback(self, error):
    with self.assertRaises((OSError, RuntimeError, KeyError)):
      with errors.one_sentence():
        raise error


if __name__ == "__main__":
  absltest.main()
