"""Jobs of a sweep as one Slurm job array, through submitit.

What submitit pickles is a command line. A job that is preempted, runs out of
time or loses its node is queued again and goes on from its checkpoint.
"""

import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import submitit
from rich import progress as rich_progress
from submitit import helpers

from experiments import progress, records

_POLL_SECONDS = 1.0
_RETRIES = 3  # After a kill, as in the pool of processes here.
# A job goes on from its checkpoint: there is no harm in another time.
_MAX_TIMEOUTS = 10_000
# submitit's signal that the time is nearly over is for submitit, which queues
# the job again: the command must not die of it before.
_DEAF = ("sh", "-c", 'trap "" USR2; exec "$@"', "sh")


class Options(NamedTuple):
  """What Slurm is asked for, for each job."""

  parallelism: int = 16  # Jobs at a time.
  minutes: int = 60  # After which a job is queued again.
  cpus: int = 1
  gpus: int = 0
  partition: str = ""


class Submission(NamedTuple):
  """A job in the array."""

  name: str
  folder: pathlib.Path  # Where it works.
  job_id: str  # Slurm's, "12_3".


class Command:
  """A command line that can be queued again."""

  def __init__(self, *arguments: str) -> None:
    """Takes the command and its arguments."""
    self.arguments = arguments

  def __call__(self) -> None:
    """Runs it in the repository, again if it is killed."""
    command = [*_DEAF, *self.arguments]
    for _ in range(1 + _RETRIES):
      done = subprocess.run(command, cwd=records.ROOT, check=False)
      if done.returncode >= 0:
        break
    done.check_returncode()

  def checkpoint(self) -> helpers.DelayedSubmission:
    """Returns what is queued instead: the same, which goes on by itself."""
    return helpers.DelayedSubmission(self)


def submit(
  jobs: Sequence[tuple[str, pathlib.Path, Sequence[str]]],
  logs: pathlib.Path,
  options: Options,
) -> list[Submission]:
  """Submits jobs as one array.

  Args:
    jobs: Of each its name, its folder, and module and arguments to be run.
    logs: Where submitit keeps its files; on a disk that all nodes share.
    options: What Slurm is asked for.

  Raises:
    ValueError: if Slurm cannot be reached, or refuses.
  """
  try:
    executor = submitit.SlurmExecutor(
      folder=logs.absolute(), max_num_timeout=_MAX_TIMEOUTS
    )
    executor.update_parameters(
      array_parallelism=options.parallelism,
      time=options.minutes,
      cpus_per_task=options.cpus,
      job_name="nnfun",
      additional_parameters={"requeue": True},
      **({"gpus_per_node": options.gpus} if options.gpus else {}),
      **({"partition": options.partition} if options.partition else {}),
    )
    with executor.batch():  # One array. A Command itself: see `checkpoint`.
      array = [
        executor.submit(Command(sys.executable, "-m", *command))
        for _, _, command in jobs
      ]
  except (RuntimeError, submitit.core.utils.FailedJobError) as error:
    raise ValueError(
      f"expected a Slurm that takes the jobs, got {error}"
    ) from error
  return [
    Submission(name, folder, job.job_id)
    for (name, folder, _), job in zip(jobs, array, strict=True)
  ]


def cancel(submissions: Sequence[Submission]) -> None:
  """Takes jobs that have not ended out of Slurm."""
  command = ["scancel", *(submission.job_id for submission in submissions)]
  subprocess.run(command, capture_output=True, check=False)


def watch(
  submissions: Sequence[Submission],
  settle: Callable[[Submission], str],
  *,
  bars: rich_progress.Progress,
  total: rich_progress.TaskID,
) -> None:
  """Draws how far jobs are until Slurm holds none of them any more.

  Args:
    submissions: The jobs.
    settle: Called with each that has ended; returns a word to be shown.
    bars: Where bars are drawn.
    total: The bar over all jobs.
  """
  active = {
    submission: bars.add_task(submission.name, total=1.0, note="queued")
    for submission in submissions
  }
  fractions = dict.fromkeys(active, 0.0)
  while active:
    time.sleep(_POLL_SECONDS)
    known = _queue()
    if known is None:  # Slurm does not answer now.
      continue
    for submission, bar in list(active.items()):
      state = known.get(submission.job_id)
      fraction, note = progress.read_status(submission.folder / "status.json")
      if state is None:
        del active[submission]
        fraction, note = 1.0, settle(submission)
      elif state != "RUNNING":
        note = state.lower()
      fractions[submission] = fraction
      bars.update(bar, completed=fraction, note=note)
    bars.update(total, completed=sum(fractions.values()))


def _queue():
  """Slurm's state of each job that it has not ended, by its id."""
  command = ["squeue", "--me", "--noheader", "--array", "--format=%i %T"]
  found = subprocess.run(command, capture_output=True, text=True, check=False)
  if found.returncode:
    return None
  return dict(line.split() for line in found.stdout.splitlines())
