"""Sweeps on a Slurm: an array, a job that is killed, one that is preempted."""

import os
import signal
import subprocess

import chex
from absl.testing import absltest

from launch import plan as plan_lib
from launch import states
from tests.launch import slurm, sweep_test


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
    self.wait(lambda: not os.path.exists(f"/proc/{second}"))
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
    self.assertIn("1 done, 0 running, 1 failed", output)
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
