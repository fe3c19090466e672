"""Collecting: the table, which setting is best, and how sure that is."""

import csv
import io
import pathlib
import tempfile
from unittest import mock

import numpy as np
from absl.testing import absltest
from scipy import stats

from experiments import records
from launch import collect, tables, worker
from launch import plan as plan_lib

_STUDY = "rtrl_vs_tbptt/delayed_addition"
_SEEDS = 5
# Each setting's mean, and what all share that have a seed.
_MEANS = {0.01: 1.0, 0.02: 1.0005, 0.03: 1.5}
_OF_SEED = np.array([0.3, -0.2, 0.1, -0.4, 0.2])
_NOISE = np.array([[1, -1, 1, -1, 0], [-1, 1, -1, 1, 0], [0, 1, 0, -1, 0]])


class CollectTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    self.sweep = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
    grid = f"learning_rate={','.join(map(str, _MEANS))};num_units=4"
    self.plan = plan_lib.make(
      _STUDY, grid, num_seeds=_SEEDS, runs_per_job=_SEEDS
    )
    plan_lib.write(self.sweep, self.plan)
    means = np.array(list(_MEANS.values()))[:, None]
    self.ends = means + _OF_SEED + 0.01 * _NOISE

  def finish(self, number, ends):
    """Lets a job be done: curves that fall to their ends."""
    job = self.plan.jobs[number]
    folder = plan_lib.folder_of(self.sweep, job)
    folder.mkdir(parents=True)
    fall = np.concatenate([np.linspace(5, 0, 18), [0, 0]])
    values = {"loss": ends[:, None] + fall, "gain": -ends[:, None] + fall}
    records.begin(folder, plan_lib.identity(self.plan, job), {})
    records.save_arrays(folder, worker.Curves(values))
    records.vouch_for_run(folder, seconds=1.0)

  def finish_all(self):
    for number, ends in enumerate(self.ends):
      self.finish(number, ends)

  def test_reads_and_ranks(self):
    self.finish_all()
    table = tables.read(self.sweep)
    self.assertEqual(table.num_missing, 0)
    rows = tables.ranked(table, "loss", best="min")
    self.assertEqual([row.setting for row in rows], [(r,) for r in _MEANS])
    for row, ends in zip(rows, self.ends, strict=True):
      np.testing.assert_allclose(row.finals, ends)
      expected = stats.ttest_1samp(ends, 0).confidence_interval(0.95)
      np.testing.assert_allclose(row.limits, expected)
    rows = tables.ranked(table, "gain", best="max")
    self.assertEqual([row.setting for row in rows], [(r,) for r in _MEANS])
    rows = tables.ranked(table, "loss", best="max")
    self.assertEqual(rows[0].setting, (0.03,))

  def test_tells_settings_apart_by_pairs(self):
    # Seeds differ by far more than settings; of one seed they can be told.
    self.finish_all()
    rows = tables.ranked(tables.read(self.sweep), "loss", best="min")
    alike = tables.not_told_apart(rows, best="min")
    self.assertEqual([row.setting for row in alike], [(0.02,)])
    for row in rows[1:]:
      test = stats.ttest_rel(row.finals, rows[0].finals)
      low = test.confidence_interval(1 - 0.05 / 3).low  # Of three pairs.
      self.assertEqual(low <= 0, row in alike)

  def test_a_run_that_diverged_is_never_best(self):
    self.ends[0, 2] = np.nan
    self.finish_all()
    table = tables.read(self.sweep)
    rows = tables.ranked(table, "loss", best="min")
    self.assertEqual(rows[0].setting, (0.02,))
    self.assertEqual(rows[-1].num_diverged, 1)
    self.assertEqual(collect.interval(rows[-1]), "1 of 5 runs diverged")
    collect.collect(self.sweep)
    self.assertIn("1 of 5 runs", (self.sweep / "index.html").read_text())
    said = collect.verdict(table, rows, best="min")
    self.assertIn("(settings that diverged left out)", said)

  def test_writes_a_line_for_each_run_and_all_curves(self):
    self.finish(0, self.ends[0])
    self.finish(2, self.ends[2])
    collect.collect(self.sweep, quantity="loss")
    text = (self.sweep / "table.csv").read_text()
    lines = list(csv.DictReader(io.StringIO(text)))
    self.assertLen(lines, 10)
    for line, end in zip(lines, self.ends[[0, 2]].ravel(), strict=True):
      self.assertEqual(float(line["loss"]), end)
    self.assertEqual([int(line["seed"]) for line in lines], [*range(5)] * 2)
    self.assertEqual({line["num_units"] for line in lines}, {"4"})
    with np.load(self.sweep / "curves.npz") as arrays:
      self.assertEqual(arrays["curve/loss"].shape, (10, 20))
      rates = arrays["setting/learning_rate"]
    np.testing.assert_array_equal(rates, np.repeat([0.01, 0.03], 5))
    page = (self.sweep / "index.html").read_text()
    self.assertIn("Best: learning_rate=0.01", page)
    self.assertIn("Runs that are not done: 5", page)
    self.assertIn("<svg", page)

  def test_one_seed_has_no_interval(self):
    plan = plan_lib.make(_STUDY, "num_units=4,5")
    plan_lib.write(self.sweep, plan)
    self.plan = plan
    for number in range(2):
      self.finish(number, self.ends[number, :1])
    rows = tables.ranked(tables.read(self.sweep), "loss", best="min")
    self.assertIsNone(rows[0].limits)
    self.assertLen(tables.not_told_apart(rows, best="min"), 1)
    sentence = collect.verdict(tables.read(self.sweep), rows, best="min")
    self.assertIn(
      "(one seed); none of the others can be told from it", sentence
    )

  def test_what_earlier_code_made_is_shown_as_such(self):
    self.finish_all()
    with mock.patch.object(plan_lib, "_source_of", lambda _: "other"):
      table = tables.read(self.sweep)
      self.assertEqual(table.num_earlier, 15)
      rows = tables.ranked(table, "loss", best="min")
      said = collect.verdict(table, rows, best="min")
      self.assertIn("Runs by earlier code: 15", said)

  def test_equal_settings_are_seldom_told_apart(self):
    # By chance alone, in at most 5 of 100 sweeps of any number of settings.
    rng, num_sweeps, num_told = np.random.default_rng(0), 400, 0
    for _ in range(num_sweeps):
      draws = rng.normal(size=(10, 8))
      rows = [
        tables.Row((i,), ends, ends[:, None], list(range(8)))
        for i, ends in enumerate(draws)
      ]
      rows.sort(key=lambda row: row.value)
      num_told += len(tables.not_told_apart(rows, best="min")) < 9
    # 5 % of 400 are 20; that many more are as good as impossible.
    limit = stats.binom.isf(1e-6, num_sweeps, 0.05)
    self.assertLessEqual(num_told, limit)

  def test_nothing_is_best_of_several_quantities_unless_asked(self):
    self.finish_all()
    collect.collect(self.sweep)
    page = (self.sweep / "index.html").read_text()
    self.assertIn("Shown is loss; --quantity and --best", page)
    collect.collect(self.sweep, quantity="gain", best="max")
    page = (self.sweep / "index.html").read_text()
    self.assertIn("Best: learning_rate=0.01", page)

  def test_nothing_that_all_have_measured_is_said_so(self):
    self.finish_all()
    for job in self.plan.jobs:
      folder = plan_lib.folder_of(self.sweep, job)
      records.save_arrays(folder, worker.Curves({}))
      records.vouch_for_run(folder, seconds=1.0)
    with self.assertRaisesRegex(ValueError, "something that all runs"):
      collect.collect(self.sweep)

  def test_says_which_quantities_there_are(self):
    self.finish_all()
    with self.assertRaisesRegex(ValueError, "got 'los'; did you mean 'loss'"):
      collect.collect(self.sweep, quantity="los")


if __name__ == "__main__":
  absltest.main()
