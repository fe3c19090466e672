"""Sweeps on a Slurm: an array, a job that is killed, one that is preempted."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
from unittest import mock

import chex
import submitit
from absl.testing import absltest

from launch import plan as plan_lib
from launch import slurm as launch_slurm
from launch import states
from tests.launch import slurm, sweep_test


class CommandTest(absltest.TestCase):
  def test_what_is_submitted_can_be_queued_again(self):
    # submitit asks the function that it has pickled.
    submitted = []

    class Executor:
      def __init__(self, **kwargs):
        del kwargs

      def update_parameters(self, **kwargs):
        submitted.append(kwargs)

      def batch(self):
        return contextlib.nullcontext()

      def submit(self, function):
        submitted.append(function)
        return mock.Mock(job_id="1")

    with mock.patch.object(submitit, "SlurmExecutor", Executor):
      launch_slurm.submit(
        [("job", pathlib.Path("at"), ("a.module", "an argument"))],
        pathlib.Path("logs"),
        launch_slurm.Options(parallelism=3, minutes=7),
      )
    parameters, command = submitted
    self.assertEqual(parameters["array_parallelism"], 3)
    self.assertEqual(parameters["time"], 7)
    again = command.checkpoint().function
    self.assertEqual(again.arguments[1:], ("-m", "a.module", "an argument"))

  def test_a_command_runs_again_if_it_is_killed_not_if_it_fails(
    self,
  ):
    folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
    # Kills itself the first time.
    script = f"""
import os, pathlib, signal
starts = pathlib.Path({str(folder)!r}, "starts")
starts.open("a").write("x")
if len(starts.read_text()) == 1:
  os.kill(os.getpid(), signal.SIGKILL)
"""
    launch_slurm.Command(sys.executable, "-c", script)()
    self.assertEqual((folder / "starts").read_text(), "xx")
    failing = script + "raise SystemExit(3)"
    with self.assertRaises(subprocess.CalledProcessError):
      launch_slurm.Command(sys.executable, "-c", failing)()
    self.assertEqual((folder / "starts").read_text(), "xxx")


class SlurmSweepTest(sweep_test.SweepCase):
  def setUp(self):
    slurm.require_slurm()
    super().setUp()

  def test_an_array_goes_on_after_a_kill_and_a_preemption(self):
    undisturbed, at, plan = self.sweep(
      sweep_test.LONG, runs_dir=self.runs_dir / "undisturbed"
    )
    self.end(undisturbed)

    process, folder, plan = self.sweep(sweep_test.LONG, "--engine=slurm")
    first = self.worker_of(folder, plan)
    os.kill(first, signal.SIGKILL)
    job = plan.jobs[0].name
    self.wait(lambda: sweep_test.process_with(job) not in (None, first))
    second = self.worker_of(folder, plan, pieces=4)
    # All of the node for a moment, in a partition before whose jobs ours yield.
    urgent = ["sbatch", "--partition=urgent", "--exclusive", "--wrap=true"]
    log = self.runs_dir / "urgent.log"
    subprocess.run([*urgent, f"--output={log}"], check=True, timeout=60)
    self.wait(lambda: sweep_test.is_gone(second))
    self.wait(_no_delay)
    output = self.end(process)
    self.assertIn("2 runs in 1 jobs, 1 of them to be run", output)
    self.assertEqual(self.words(folder, plan), [states.Word.DONE])
    chex.assert_trees_all_equal(
      self.curves(folder, plan), self.curves(at, plan)
    )

  def test_a_job_that_fails_stops_no_other(self):
    grid = f"estimator=truncated_bptt,rolling_bptt;{sweep_test.TINY}"
    plan = plan_lib.make(sweep_test.STUDY, grid)
    folder = self.runs_dir / "sweeps" / plan.study / plan.name
    in_the_way = plan_lib.folder_of(folder, plan.jobs[0]) / "checkpoints"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.touch()
    output = self.end(self.sweep(grid, "--engine=slurm")[0], status=1)
    self.assertIn("1 done, 1 failed", output)
    failed, done = states.Word.FAILED, states.Word.DONE
    self.assertEqual(self.words(folder, plan), [failed, done])


def _no_delay():
  """Lets a job that was put back start now, not in two minutes."""
  command = ["squeue", "--me", "--noheader", "--states=PENDING"]
  command += ["--name=nnfun", "--format=%i"]  # Not the urgent one.
  found = subprocess.run(command, capture_output=True, text=True, check=True)
  for job in found.stdout.split():
    update = ["scontrol", "update", f"JobId={job}", "StartTime=now"]
    subprocess.run(update, check=True)
  return found.stdout


if __name__ == "__main__":
  absltest.main()
