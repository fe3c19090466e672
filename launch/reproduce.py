"""Brings every study up to date and writes one report over all of them.

`python -m launch.reproduce` runs the quick sizes, `--full` the published ones.
Studies run side by side as processes of their own; those that measure time
run alone afterwards. Finished runs of the present code are not run again. A
crash stops nothing else; it is shown in the report and makes the exit status 1.
A claim that fails is a result, not an error. `--data_dir` names a folder with
the MNIST files, for the studies that compare with figures published for MNIST.
"""

import dataclasses
import functools
import importlib
import pathlib
import shlex
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Any

from absl import app, flags

from experiments import errors, progress, records, registry, runs
from experiments import study as study_lib
from experiments.report import render, text
from launch import commands, pool

_LOG_LINES = 30  # Of a crashed study, shown in the report.


@dataclasses.dataclass
class Job:
  """One study of the report, and what became of it."""

  module: str
  arguments: list[str]  # Of the study's command line.
  study: study_lib.Study | None = None  # None if it cannot be imported.
  config: Any = None
  docstring: str = ""
  folder: pathlib.Path = pathlib.Path()
  is_finished: bool = False
  error: str = ""  # The end of its log, if it crashed.

  @property
  def name(self) -> str:
    """The study's name, taken from the module's if need be."""
    return self.study.name if self.study else registry.name_of(self.module)


def main() -> None:
  """Does what the command line asks and exits with the status."""
  full = flags.DEFINE_bool("full", False, "Run the published sizes.")
  rerun = flags.DEFINE_bool("rerun", False, "Run again what is finished.")
  listed = flags.DEFINE_bool("list", False, "Print the studies and end.")
  runs_dir = flags.DEFINE_string("runs_dir", "runs", "Where run folders are.")
  only = flags.DEFINE_string(
    "only",
    "",
    "Only the studies whose name contains this; their report goes to "
    "report-only.",
  )
  data_dir = flags.DEFINE_string(
    "data_dir", "", "Folder with MNIST, for the studies that can read it."
  )

  def run(argv: Sequence[str]) -> None:
    del argv
    if listed.value:
      print("\n".join(map(registry.name_of, registry.MODULES)))
      return
    # Children are ended on the way out, also when a job manager ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with errors.one_sentence():
      status = reproduce(
        registry.matching(only.value),
        runs_dir=pathlib.Path(runs_dir.value),
        full=full.value,
        rerun=rerun.value,
        data_dir=data_dir.value,
        report="report-only" if only.value else "report",
      )
    sys.exit(status)

  app.run(run, flags_parser=commands.parser(__doc__, __name__))


def reproduce(
  modules: Sequence[str],
  *,
  runs_dir: pathlib.Path,
  full: bool = False,
  rerun: bool = False,
  data_dir: str = "",
  report: str = "report",
) -> int:
  """Brings studies up to date and writes the report.

  Args:
    modules: Names of modules with a `STUDY`.
    runs_dir: Where run folders and the report are kept.
    full: Published sizes instead of quick ones.
    rerun: Also run what is finished.
    data_dir: Given to the studies whose configuration has a `data_dir`.
    report: Folder of the report in `runs_dir`.

  Returns:
    The exit status: 1 if a study crashed, else 0.

  Raises:
    ValueError: if there is no such `data_dir`.
  """
  if data_dir and not pathlib.Path(data_dir).is_dir():
    raise ValueError(f"expected data_dir to be a folder, got {data_dir!r}")
  start = time.monotonic()
  jobs = [_prepare(module, runs_dir, full, data_dir) for module in modules]
  due = [j for j in jobs if j.study and (rerun or not j.is_finished)]
  beside = [job for job in due if not job.study.exclusive]
  beside.sort(key=lambda job: job.module not in registry.DEAREST)
  alone = [job for job in due if job.study.exclusive]
  with progress.bars() as bars:
    total = bars.add_task("all studies", total=len(due) or 1, note="")
    for some, limit in ((beside, pool.num_cpus()), (alone, 1)):
      children = [_child(job, rerun) for job in some]
      limit = min(limit, len(children))
      pool.run_all(children, bars=bars, total=total, limit=limit)
  seconds = time.monotonic() - start
  totals = render.write_report(
    runs_dir / report,
    [_section(job) for job in jobs],
    sizes="full" if full else "quick",
    seconds=seconds,
  )
  print(
    f"{len(due)} of {len(jobs)} studies run in "
    f"{text.format_duration(seconds)}. {totals}"
  )
  for job in jobs:
    if job.error:
      print(f"Crashed: {job.name}, see {job.folder / 'log.txt'}")
  print(f"Report: {runs_dir / report / 'index.html'}")
  return 1 if totals.num_crashed else 0


def _prepare(
  module: str, runs_dir: pathlib.Path, full: bool, data_dir: str
) -> Job:
  arguments = ["--full"] if full else []
  if runs_dir != pathlib.Path("runs"):
    arguments.append(f"--runs_dir={runs_dir}")
  job = Job(module, arguments)
  try:
    imported = importlib.import_module(module)
    job.study = imported.STUDY
    job.docstring = imported.__doc__ or ""
    config = job.study.full if full else job.study.Config()
    if data_dir and hasattr(config, "data_dir"):
      config = dataclasses.replace(config, data_dir=data_dir)
      job.arguments.append(f"--config.data_dir={data_dir}")
    job.config = config
    job.folder = study_lib.folder_of(job.study, config, runs_dir)
    job.is_finished = runs.is_up_to_date(job.study, config, runs_dir)
  except Exception:  # Whatever is wrong with one study, the others can run.
    job.study = None
    job.folder = runs_dir / job.name
    job.error = traceback.format_exc()
    job.folder.mkdir(parents=True, exist_ok=True)
    records.write(job.folder / "log.txt", job.error)
  return job


def _child(job: Job, rerun: bool) -> pool.Child:
  arguments = job.arguments + (["--rerun"] if rerun else [])
  settle = functools.partial(_settle, job)
  return pool.Child(job.name, job.module, arguments, job.folder, settle)


def _settle(job: Job, status: int) -> str:
  """Judges what a child has left behind."""
  job.is_finished = status == 0 and records.is_finished(job.folder)
  if job.is_finished:
    return "done"
  lines = (job.folder / "log.txt").read_text(errors="replace").splitlines()
  lines = lines[-_LOG_LINES:] + [f"Exit status {status}."]
  job.error = "\n".join(lines)
  return "crashed"


def _section(job: Job) -> render.Section:
  return render.Section(
    name=job.name,
    study=job.study,
    config=job.config,
    docstring=job.docstring,
    command=shlex.join(["python", "-m", job.module, *job.arguments, "--rerun"]),
    folder=job.folder,
    error=job.error,
  )


if __name__ == "__main__":
  main()
