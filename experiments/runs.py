"""Brings one run up to date: runs, judges and draws what is not finished."""

import contextlib
import os
import pathlib
import shutil
import time
from typing import Any, NamedTuple

from experiments import environment, fingerprints, records, style
from experiments import study as study_lib


class Outcome(NamedTuple):
  """Where a run is, and what had to be done for it."""

  folder: pathlib.Path
  was_run: bool
  was_judged: bool


def is_up_to_date(
  study: study_lib.Study, config: Any, runs_dir: str | os.PathLike[str]
) -> bool:
  """Says whether nothing has to be done for a run."""
  folder = study_lib.folder_of(study, config, runs_dir)
  return records.has_run(
    folder, fingerprints.identity(study, config)
  ) and records.is_judged(folder, fingerprints.judging(study))


def bring_up_to_date(
  study: study_lib.Study,
  config: Any,
  runs_dir: str | os.PathLike[str] = "runs",
  *,
  rerun: bool = False,
) -> Outcome:
  """Runs, judges and draws, each only if its result is missing or stale.

  Args:
    study: The study.
    config: An instance of its Config.
    runs_dir: Where run folders are.
    rerun: Whether to do all of it in any case.

  Returns:
    The folder, and what was done.

  Raises:
    ValueError: If the configuration cannot be run.
  """
  folder = study_lib.folder_of(study, config, runs_dir)
  identity = fingerprints.identity(study, config)
  judging = fingerprints.judging(study)
  with _leaving_nothing_refused(folder), records.lock(folder):
    must_run = rerun or not records.has_run(folder, identity)
    if must_run:
      _run(study, config, folder, identity)
    must_judge = must_run or not records.is_judged(folder, judging)
    if must_judge:
      # From the disk, as anyone would who judges the results later.
      results = records.load_arrays(folder, study.Results)
      claims = [claim.as_json(study.name) for claim in study.claims(results)]
      figure = style.save_svg(study.plot(results))
      records.save_judged(folder, claims, figure, judging)
  return Outcome(folder, must_run, must_judge)


@contextlib.contextmanager
def _leaving_nothing_refused(folder):
  """Removes a new folder if the configuration turns out unfit to be run."""
  was_there = folder.exists()
  try:
    yield
  except ValueError:
    if not was_there:
      shutil.rmtree(folder, ignore_errors=True)
      for parent in folder.parents[:2]:
        with contextlib.suppress(OSError):  # Not empty.
          parent.rmdir()
    raise


def _run(study, config, folder, identity):
  start = time.monotonic()
  env = environment.describe(config) | {"settings": fingerprints.settings()}
  records.begin(folder, identity, env)
  records.save_arrays(folder, study.run(config))
  records.vouch_for_run(folder, seconds=time.monotonic() - start)
