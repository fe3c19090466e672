"""Does one job of a sweep: `python -m launch.worker SWEEP JOB`.

It goes on where an earlier one stopped, and does nothing if all is done.
"""

import contextlib
import os
import pathlib
import shutil
import sys
import time
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from experiments import checkpoints as checkpoints_lib
from experiments import environment, errors, fingerprints, progress, records
from experiments import runs as runs_lib
from experiments import trial as trial_lib
from launch import plan as plan_lib

ERROR = "error.txt"  # In a job's folder, what went wrong.


class Curves(NamedTuple):
  """What N runs measured, by quantity; of a claim one point."""

  values: dict[str, np.ndarray]  # [N, B]


def main() -> None:
  """Does the job that the command line names."""
  sweep, name = pathlib.Path(sys.argv[1]), sys.argv[2]
  folder = sweep / "jobs" / name
  os.environ.setdefault(progress.STATUS_FILE, str(folder / "status.json"))
  logging.set_verbosity(logging.WARNING)
  with errors.one_sentence():
    do(sweep, name)


def do(sweep: pathlib.Path, name: str) -> None:
  """Does a job, unless its result is there.

  Args:
    sweep: The sweep's folder.
    name: The job's.

  Raises:
    ValueError: if the plan has no such job, or it cannot be run.
  """
  plan = plan_lib.read(sweep)
  jobs = {job.name: job for job in plan.jobs}
  if name not in jobs:
    raise ValueError(f"expected a job of {sweep}, got {name!r}")
  job, folder = jobs[name], sweep / "jobs" / name
  identity = plan_lib.identity(plan, job)
  with records.lock(folder), _leaving_word(folder / ERROR):
    if records.has_run(folder, identity):
      shutil.rmtree(folder / "checkpoints", ignore_errors=True)
      return
    start = time.monotonic()
    if not records.is_begun(folder, identity):
      shutil.rmtree(folder / "checkpoints", ignore_errors=True)
      env = environment.describe(job.configs[0])
      env["settings"] = fingerprints.settings()
      records.begin(folder, identity, env)
    subject = plan_lib.subject(plan.study)
    if subject.trial is None:
      values = _run_study(subject.study, *job.configs, folder)
    else:
      values = _run_trials(subject.trial, job.configs, folder)
    records.save_arrays(folder, Curves(values))
    records.vouch_for_run(folder, seconds=time.monotonic() - start)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)


def _run_trials(trial, configs, folder):
  def run():
    checkpoints = checkpoints_lib.Checkpoints(folder / "checkpoints")
    return trial_lib.run_together(trial, configs, checkpoints)

  with contextlib.closing(progress):
    try:
      curves = run()
    except checkpoints_lib.AllDamagedError as error:
      print(f"Starts again: {error}", file=sys.stderr)
      shutil.rmtree(folder / "checkpoints")
      curves = run()
  return {trial.quantity: curves}


def _run_study(study: Any, config: Any, folder: pathlib.Path) -> dict:
  outcome = runs_lib.bring_up_to_date(study, config, folder / "study")
  results = records.load_arrays(outcome.folder, study.Results)
  return {
    f"{claim.id} {claim.key}": np.array([[claim.measurement.value]], float)
    for claim in study.claims(results)
    if claim.measurement is not None
  }


@contextlib.contextmanager
def _leaving_word(path):
  """Keeps what went wrong, for whoever asks how the sweep is."""
  path.unlink(missing_ok=True)
  try:
    yield
  except Exception as error:
    text = " ".join(str(error).split())
    with contextlib.suppress(OSError):  # The disk may be what is wrong.
      records.write(path, f"{type(error).__name__}: {text}\n")
    raise


if __name__ == "__main__":
  main()
