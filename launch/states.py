"""How far the jobs of a sweep are, read off their folders."""

import enum
import pathlib
from typing import NamedTuple

from experiments import progress, records
from launch import plan as plan_lib
from launch import worker


class Word(enum.StrEnum):
  """What a job is doing."""

  DONE = "done"
  EARLIER = "done by earlier code"  # Run again when the sweep runs again.
  RUNNING = "running"
  FAILED = "failed"  # Ended by an error; repeated when the sweep runs again.
  STOPPED = "stopped"  # Killed; goes on when the sweep runs again.
  WAITING = "waiting"


class State(NamedTuple):
  """How far one job is."""

  word: Word
  fraction: float  # Of its work.
  note: str  # What it does, or the last line of its error.


def state_of(
  sweep: pathlib.Path, plan: plan_lib.Plan, job: plan_lib.Job
) -> State:
  """Returns how far a job is.

  Args:
    sweep: The sweep's folder.
    plan: What it holds.
    job: One of the plan's.
  """
  folder = plan_lib.folder_of(sweep, job)
  identity = plan_lib.identity(plan, job)
  if records.has_run(folder, identity):
    return State(Word.DONE, 1.0, "")
  if records.is_locked(folder):
    return State(Word.RUNNING, *progress.read_status(folder / "status.json"))
  if records.has_run(folder):
    return State(Word.EARLIER, 1.0, "")
  if (folder / worker.ERROR).exists():
    text = (folder / worker.ERROR).read_text(errors="replace").strip()
    return State(Word.FAILED, 0.0, text)
  if records.is_begun(folder, identity):
    fraction, _ = progress.read_status(folder / "status.json")
    return State(Word.STOPPED, fraction, "")
  return State(Word.WAITING, 0.0, "")
