"""Sweeps: what is finished stays, whatever is killed, and says the same."""

import contextlib
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import chex
import numpy as np
from absl import flags
from absl.testing import absltest, parameterized

from experiments import checkpoints, records
from experiments import trial as trial_lib
from experiments.rtrl_vs_tbptt.delayed_addition import trial as addition
from launch import costs, states, worker
from launch import plan as plan_lib

STUDY = "rtrl_vs_tbptt/delayed_addition"
TINY = "num_units=4;num_steps=500"
# Ten pieces of 25,000 steps, so that it can be killed in between.
LONG = "num_units=4;num_steps=250000;learning_rate=0.01,0.03"
_SECONDS = 240  # Within which anything here is done on the busiest machine.


class PlanTest(parameterized.TestCase):
  def test_numbers_share_a_program_and_shapes_do_not(self):
    grid = "learning_rate=1e-3,1e-2;num_units=4,8;num_steps=500"
    plan = plan_lib.make(STUDY, grid, num_seeds=3)
    self.assertEqual(plan.study, STUDY)
    self.assertEqual(plan.fields, ["learning_rate", "num_units"])
    self.assertEqual([len(job.configs) for job in plan.jobs], [6, 6])
    for job, units in zip(plan.jobs, (4, 8), strict=True):
      found = {(c.num_units, c.learning_rate, c.seed) for c in job.configs}
      expected = {(units, r, s) for r in (1e-3, 1e-2) for s in range(3)}
      self.assertEqual(found, expected)
      self.assertEqual({c.num_steps for c in job.configs}, {500})

  def test_runs_can_be_spread_over_jobs(self):
    grid = "learning_rate=1e-3,1e-2;num_units=4,8"
    plan = plan_lib.make(STUDY, grid, num_seeds=3, runs_per_job=4)
    self.assertEqual([len(job.configs) for job in plan.jobs], [4, 2, 4, 2])
    self.assertEqual(plan.num_runs, 12)
    self.assertLen({job.name for job in plan.jobs}, 4)

  def test_the_name_is_that_of_what_is_run(self):
    def name(grid, **kwargs):
      return plan_lib.make(STUDY, grid, **kwargs).name

    self.assertEqual(name(TINY), name("num_steps=500;num_units=4"))
    names = [
      name(TINY),
      name(TINY, num_seeds=2),
      name(TINY.replace("500", "1000")),
      name(TINY, num_seeds=2, runs_per_job=1),
    ]
    self.assertLen(set(names), len(names))

  def test_a_study_without_trials_is_run_as_a_whole(self):
    plan = plan_lib.make("long_lag", "num_trials=2,3", num_seeds=2)
    self.assertEqual([len(job.configs) for job in plan.jobs], [1] * 4)
    self.assertIsNone(plan_lib.subject("long_lag").trial)

  def test_is_read_as_it_was_written(self):
    folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
    for plan in (
      plan_lib.make(STUDY, "learning_rate=1e-3,1e-2", num_seeds=2),
      plan_lib.make("copy_curriculum", "windows=(2,4),(2,8);clip=0.5"),
    ):
      plan_lib.write(folder, plan)
      self.assertEqual(plan_lib.read(folder), plan)

  def test_a_dry_run_prints_the_cost_and_changes_nothing(self):
    folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
    plan = plan_lib.make(STUDY, f"learning_rate=0.01,0.03;{TINY}", num_seeds=2)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
      costs.show(folder, plan)
    self.assertRegex(
      printed.getvalue(), r"4 runs in 1 jobs, 1 to be run: \d+\.\d s one after"
    )
    self.assertEmpty(list(folder.iterdir()))
    measured = costs._of_trials(addition.TRIAL, plan.jobs[0].configs)
    # At least J of a network of 4 units and 3 columns more, and its curves.
    self.assertGreater(measured.num_bytes, 4 * 4 * (4 * 4 * 7 + 50))

  @parameterized.parameters(
    ("num_unit=3", flags.Error, "No setting is called num_unit; did you mean"),
    ("num_units", flags.Error, "must be FIELD=VALUE"),
    ("num_units=", flags.Error, "must be FIELD=VALUE"),
    ("num_units=3;num_units=4", flags.Error, "has num_units twice"),
    ("seed=1,2", flags.Error, "--seeds says how many"),
    ("=3", flags.Error, "must be FIELD=VALUE"),
    ("num_units=4,4", ValueError, "all different"),
    ("learning_rate=0.01,1e-2", ValueError, "all different"),
    ("num_units=x", flags.Error, "num_units must be of type int, got 'x'"),
    ("num_units=-1", ValueError, "num_units to be a finite number >= 1"),
    ("estimator=rtlr", ValueError, "estimator to be one of rtrl, "),
  )
  def test_says_what_is_wrong_with_a_grid(self, grid, kind, text):
    with self.assertRaisesRegex(kind, text):
      plan_lib.make(STUDY, grid)

  def test_says_what_is_wrong_with_the_rest(self):
    with self.assertRaisesRegex(ValueError, "did you mean delayed_addition"):
      plan_lib.make("delayd_addition", "")
    with self.assertRaisesRegex(ValueError, "name of one study, got 'l'"):
      plan_lib.make("l", "")
    with self.assertRaisesRegex(ValueError, "at least one seed"):
      plan_lib.make(STUDY, "", num_seeds=0)
    with self.assertRaisesRegex(ValueError, "folder of a sweep, got /no/where"):
      plan_lib.read(pathlib.Path("/no/where"))


class SweepCase(absltest.TestCase):
  """Sweeps as commands, in a folder of their own."""

  def setUp(self):
    super().setUp()
    self.runs_dir = pathlib.Path(
      self.enterContext(tempfile.TemporaryDirectory())
    )
    # A process in the background may ignore it, and so would those it starts.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    self.addCleanup(signal.signal, signal.SIGINT, handler)

  def start(self, module, *arguments, runs_dir=None):
    command = [sys.executable, "-m", f"launch.{module}", *arguments]
    process = subprocess.Popen(
      [*command, f"--runs_dir={runs_dir or self.runs_dir}"],
      cwd=records.ROOT,
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
    )
    self.addCleanup(process.stdout.close)
    self.addCleanup(process.wait)
    self.addCleanup(process.kill)
    return process

  def sweep(self, grid, *arguments, study=STUDY, runs_dir=None):
    """The process of a sweep, its folder and its plan."""
    plan = plan_lib.make(
      study, grid, runs_per_job=1 if "--runs_per_job=1" in arguments else 0
    )
    process = self.start(
      "sweep",
      f"--study={study}",
      f"--grid={grid}",
      *arguments,
      runs_dir=runs_dir,
    )
    folder = (runs_dir or self.runs_dir) / "sweeps" / plan.study / plan.name
    return process, folder, plan

  def end(self, process, status=0):
    output, _ = process.communicate(timeout=_SECONDS)
    self.assertEqual(process.returncode, status, output)
    self.assertNotIn("Traceback", output)
    return output

  def wait(self, condition):
    deadline = time.monotonic() + _SECONDS
    while not (found := condition()):
      self.assertLess(time.monotonic(), deadline)
      time.sleep(0.05)
    return found

  def curves(self, folder, plan):
    return [
      records.load_arrays(plan_lib.folder_of(folder, job), worker.Curves)
      for job in plan.jobs
    ]

  def words(self, folder, plan):
    return [states.state_of(folder, plan, job).word for job in plan.jobs]

  def worker_of(self, folder, plan, *, pieces=2):
    """The process of the first job, when at least so many pieces are done."""
    at = plan_lib.folder_of(folder, plan.jobs[0]) / "checkpoints"

    def is_far():
      # A checkpoint that is being written has a longer name.
      names = [path.name for path in at.glob("[0-9]*")]
      numbers = [int(name) for name in names if name.isdigit()]
      return max(numbers, default=0) >= pieces

    self.wait(is_far)
    return self.wait(lambda: process_with(plan.jobs[0].name, "launch.worker"))


def is_gone(pid):
  """Whether a process has ended, also where nobody asks how."""
  try:
    status = pathlib.Path(f"/proc/{pid}/stat").read_text()
  except OSError:
    return True
  fields = status.rpartition(")")[2].split()
  # A first thread that has ended waits for the others, which hold its locks.
  return fields[0] == "Z" and int(fields[17]) == 1


def process_with(*words):
  """The id of a process of ours, not of its parent, by its command line."""
  for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    try:
      command = path.read_bytes().decode(errors="replace").split("\0")
    except OSError:
      continue
    if set(words) <= set(command):
      return int(path.parent.name)
  return None


class StudyTest(absltest.TestCase):
  def test_of_a_study_without_trials_the_claims_are_kept(self):
    folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
    plan = plan_lib.make("textbook/xor", "num_seeds=2;num_epochs=20")
    plan_lib.write(folder, plan)
    (job,) = plan.jobs
    worker.do(folder, job.name)
    at = plan_lib.folder_of(folder, job)
    found = records.load_arrays(at, worker.Curves).values
    (claims,) = at.glob("study/textbook/xor/*/claims.json")
    expected = {
      f"{claim['id']} {claim['key']}": claim["measured"]
      for claim in json.loads(claims.read_text())
      if claim["kind"] != "not run here"
    }
    self.assertGreater(len(expected), 3)
    self.assertEqual(
      {name: curves.item() for name, curves in found.items()}, expected
    )
    self.assertIs(states.state_of(folder, plan, job).word, states.Word.DONE)


@absltest.skipUnless(os.path.isdir("/proc/self"), "finds processes in /proc")
class KilledTest(SweepCase):
  def test_kills_change_nothing(self):
    """Worker, then parent, by kill -9; then run again to the end."""
    undisturbed = self.runs_dir / "undisturbed"
    other, at, plan = self.sweep(LONG, runs_dir=undisturbed)
    self.end(other)

    process, folder, plan = self.sweep(LONG)
    first = self.worker_of(folder, plan)
    os.kill(first, signal.SIGKILL)
    self.wait(lambda: process_with(plan.jobs[0].name) not in (None, first))
    second = self.worker_of(folder, plan, pieces=3)
    process.kill()
    process.wait()
    # The child ends with its parent.
    self.wait(lambda: is_gone(second))
    (state,) = [states.state_of(folder, plan, job) for job in plan.jobs]
    self.assertIs(state.word, states.Word.STOPPED)
    self.assertBetween(state.fraction, 0.1, 0.9)
    output = self.end(self.start("status", f"--sweep={folder}"))
    self.assertIn("1 stopped", output)

    process, folder, plan = self.sweep(LONG)
    output = self.end(process)
    self.assertIn("2 runs in 1 jobs, 1 of them to be run", output)
    self.assertEqual(self.words(folder, plan), [states.Word.DONE])
    chex.assert_trees_all_equal(
      self.curves(folder, plan), self.curves(at, plan)
    )
    self.assertEqual(
      (folder / "table.csv").read_bytes(), (at / "table.csv").read_bytes()
    )
    # Nothing is left of checkpoints, and nothing is run again.
    self.assertEmpty(list(folder.rglob("checkpoints")))
    output = self.end(self.sweep(LONG)[0])
    self.assertIn("2 runs in 1 jobs, 0 of them to be run", output)

  def test_an_interrupt_ends_the_children(self):
    process, folder, plan = self.sweep(LONG)
    child = self.worker_of(folder, plan)
    process.send_signal(signal.SIGINT)
    output = self.end(process, status=1)
    self.assertIn("Error: interrupted; what was finished before", output)
    self.wait(lambda: is_gone(child))


class FaultsTest(SweepCase):
  def test_two_sweeps_at_once_do_the_work_once(self):
    plan = plan_lib.make(STUDY, TINY)
    (job,) = plan.jobs
    folder = self.runs_dir / "sweeps" / plan.study / plan.name
    at = plan_lib.folder_of(folder, job)
    with records.lock(at):  # As the worker of another sweep.
      process, _, _ = self.sweep(TINY)
      log = at / "log.txt"
      self.wait(lambda: log.exists() and "Waiting for" in log.read_text())
      records.begin(at, plan_lib.identity(plan, job), {})
      curves = np.full((1, 50), 0.5)
      records.save_arrays(at, worker.Curves({"loss": curves}))
      records.vouch_for_run(at, seconds=1.0)
    self.assertIn("Best: default, 0.5 (one seed)", self.end(process))
    (found,) = self.curves(folder, plan)
    np.testing.assert_array_equal(found.values["loss"], curves)

  def test_damaged_checkpoints_are_made_again(self):
    process, folder, plan = self.sweep(TINY)
    self.end(process)
    expected = self.curves(folder, plan)
    (job,) = plan.jobs
    at = plan_lib.folder_of(folder, job)
    program = trial_lib.prepare(addition.TRIAL, job.configs)
    kept = checkpoints.Checkpoints(at / "checkpoints")
    checkpoints.run(program.work, program.start(), 3, kept)
    for path in (at / "checkpoints").rglob("*"):
      if path.is_file():
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (at / "RUN").unlink()
    self.end(self.sweep(TINY)[0])
    chex.assert_trees_all_equal(self.curves(folder, plan), expected)
    self.assertIn("Starts again", (at / "log.txt").read_text())

  def test_a_damaged_result_is_made_again(self):
    process, folder, plan = self.sweep(TINY)
    self.end(process)
    expected = self.curves(folder, plan)
    path = plan_lib.folder_of(folder, plan.jobs[0]) / "arrays.npz"
    path.write_bytes(path.read_bytes()[:-10])
    self.assertNotEqual(self.words(folder, plan), [states.Word.DONE])
    self.end(self.sweep(TINY)[0])
    chex.assert_trees_all_equal(self.curves(folder, plan), expected)

  def test_a_run_that_fails_stops_no_other_and_is_repeated(self):
    grid = f"estimator=truncated_bptt,rolling_bptt;{TINY}"
    plan = plan_lib.make(STUDY, grid)
    folder = self.runs_dir / "sweeps" / plan.study / plan.name
    in_the_way = plan_lib.folder_of(folder, plan.jobs[0]) / "checkpoints"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.touch()
    output = self.end(self.sweep(grid)[0], status=1)
    self.assertIn("1 jobs are not done; the same command repeats", output)
    failed, done = states.Word.FAILED, states.Word.DONE
    self.assertEqual(self.words(folder, plan), [failed, done])
    self.assertIn("Best: estimator=rolling_bptt", output)
    self.assertIn("Runs that are not done: 1", output)
    output = self.end(self.start("status"), status=1)
    self.assertIn("1 done, 1 failed", output)
    self.assertIn("Error", output)  # The last line of it.

    in_the_way.unlink()
    output = self.end(self.sweep(grid)[0])
    self.assertIn("2 jobs, 1 of them to be run", output)
    self.assertEqual(self.words(folder, plan), [done, done])

  def test_a_full_disk_loses_nothing(self):
    expected, undisturbed, plan = self.sweep(TINY)
    self.end(expected)
    disk = self.runs_dir / "disk"
    disk.mkdir()
    _mount(self, disk, "size=160k")
    output = self.end(self.sweep(TINY, runs_dir=disk)[0], status=1)
    self.assertIn("1 jobs are not done", output)
    folder = disk / "sweeps" / plan.study / plan.name
    self.assertNotEqual(self.words(folder, plan), [states.Word.DONE])
    _mount(self, disk, "size=64m", "remount")
    self.end(self.sweep(TINY, runs_dir=disk)[0])
    chex.assert_trees_all_equal(
      self.curves(folder, plan), self.curves(undisturbed, plan)
    )


def _mount(test, folder, *options):
  """Makes a small disk, or another size of it, where that is allowed."""
  command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs"]
  try:
    done = subprocess.run([*command, folder], capture_output=True, check=False)
  except FileNotFoundError:
    test.skipTest("there is no command mount")
  if done.returncode:
    test.skipTest(f"needs the right to mount: {done.stderr.decode().strip()}")
  if "remount" not in options:
    test.addCleanup(subprocess.run, ["umount", folder], check=True)


if __name__ == "__main__":
  absltest.main()
