"""Brings every study up to date and writes one report over all of them.

`python -m launch.reproduce` runs the quick sizes, `--full` the published ones.
Studies run side by side as processes of their own; those that measure time
run alone afterwards. Finished runs of the present code are not run again. A
crash stops nothing else; it is shown in the report and makes the exit status 1.
A claim that fails is a result, not an error. `--data_dir` names a folder with
the MNIST files, for the studies that compare with figures published for MNIST.
"""

import dataclasses
import difflib
import functools
import importlib
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from absl import app, flags
from rich import progress as rich_progress

from experiments import errors, progress, records, registry, runs
from experiments import study as study_lib
from experiments.report import render, text

_LOG_LINES = 30  # Of a crashed study, shown in the report.
_POLL_SECONDS = 0.1


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
  bar: rich_progress.TaskID | None = None

  @property
  def name(self) -> str:
    """The study's name, taken from the module's if need be."""
    return self.study.name if self.study else _name(self.module)


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

  def parse(argv: Sequence[str]) -> list[str]:
    if {"--help", "-help", "-h"} & set(argv):
      print(f"{__doc__}\n{flags.FLAGS.module_help(sys.modules[__name__])}")
      sys.exit(0)
    with errors.one_sentence():
      rest = flags.FLAGS(argv)
      if rest[1:]:
        raise flags.Error(f"Unexpected argument {rest[1]!r}.")
      return rest

  def run(argv: Sequence[str]) -> None:
    del argv
    if listed.value:
      print("\n".join(map(_name, registry.MODULES)))
      return
    # Children are ended on the way out, also when a job manager ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with errors.one_sentence():
      status = reproduce(
        _chosen(only.value),
        runs_dir=pathlib.Path(runs_dir.value),
        full=full.value,
        rerun=rerun.value,
        data_dir=data_dir.value,
        report="report-only" if only.value else "report",
      )
    sys.exit(status)

  app.run(run, flags_parser=parse)


def _name(module):
  """What a user calls a study: its path in experiments/."""
  return module.removeprefix("experiments.").replace(".", "/")


def _chosen(part):
  """The modules whose name contains a part."""
  part = part.replace(".", "/").removeprefix("experiments/")
  modules = [m for m in registry.MODULES if part in _name(m)]
  if not modules:
    names = [_name(m) for m in registry.MODULES]
    names += [name.split("/")[1] for name in names]
    near = difflib.get_close_matches(part, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else "see --list."
    raise ValueError(f"no study's name contains {part!r}; {hint}")
  return modules


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
  alone = [job for job in due if job.study.exclusive]
  with progress.bars() as bars:
    total = bars.add_task("all studies", total=len(due) or 1, note="")
    for job in beside + alone:
      job.bar = bars.add_task(job.name, total=1.0, start=False, note="waiting")
    overall = functools.partial(_show_overall, bars, total, due)
    _run_all(beside, bars, overall, rerun, limit=_num_cpus())
    _run_all(alone, bars, overall, rerun, limit=1)
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
    job.folder = records.folder_of(job.study, config, runs_dir)
    job.is_finished = runs.is_up_to_date(job.study, config, runs_dir)
  except Exception:  # Whatever is wrong with one study, the others can run.
    job.study = None
    job.folder = runs_dir / job.name
    job.error = traceback.format_exc()
    job.folder.mkdir(parents=True, exist_ok=True)
    records.write(job.folder / "log.txt", job.error)
  return job


def _run_all(
  jobs: Sequence[Job],
  bars: rich_progress.Progress,
  overall: Callable[[], None],
  rerun: bool,
  limit: int,
) -> None:
  environment = _environment(min(limit, len(jobs)))
  waiting = list(jobs)
  running: dict[str, tuple[Job, subprocess.Popen]] = {}
  try:
    while waiting or running:
      while waiting and len(running) < limit:
        job = waiting.pop(0)
        running[job.module] = job, _start(job, rerun, environment)
        bars.start_task(job.bar)
      time.sleep(_POLL_SECONDS)
      for job, process in list(running.values()):
        fraction, note = progress.read_status(job.folder / "status.json")
        if process.poll() is not None:
          del running[job.module]
          fraction, note = 1.0, _settle(job, process.returncode)
          if not sys.stderr.isatty():
            print(f"{job.name}: {note}", file=sys.stderr, flush=True)
          bars.stop_task(job.bar)
        bars.update(job.bar, completed=fraction, note=note)
      overall()
  finally:
    for _, process in running.values():
      _kill(process)


def _show_overall(bars, total, due):
  """One bar for all: each study counts by how far it is."""
  done = {task.id: task.completed for task in bars.tasks}
  bars.update(total, completed=sum(done[job.bar] for job in due))


def _environment(num_children: int) -> dict[str, str]:
  if num_children < 2:
    return dict(os.environ)
  num_threads = max(1, _num_cpus() // num_children)
  defaults = {
    # XLA's name for the size of its thread pool. As many threads in each of
    # several processes as there are cores only get into one another's way.
    "NPROC": str(num_threads),
    # Otherwise the first to start takes most of an accelerator's memory.
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
  }
  return defaults | dict(os.environ)


def _num_cpus() -> int:
  if hasattr(os, "sched_getaffinity"):  # Not on macOS.
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def _start(
  job: Job, rerun: bool, environment: dict[str, str]
) -> subprocess.Popen:
  job.folder.mkdir(parents=True, exist_ok=True)
  status_file = str(job.folder / "status.json")
  command = [sys.executable, "-m", job.module, *job.arguments]
  with open(job.folder / "log.txt", "wb") as log:
    return subprocess.Popen(
      command + (["--rerun"] if rerun else []),
      stdin=subprocess.DEVNULL,
      stdout=log,
      stderr=subprocess.STDOUT,
      env=environment | {progress.STATUS_FILE: status_file},
      # A group of its own: Ctrl-C reaches this process only, which then ends
      # the children and whatever they have started.
      start_new_session=True,
    )


def _settle(job: Job, status: int) -> str:
  """Judges what a child has left behind."""
  (job.folder / "status.json").unlink(missing_ok=True)
  job.is_finished = status == 0 and records.is_finished(job.folder)
  if job.is_finished:
    return "done"
  lines = (job.folder / "log.txt").read_text(errors="replace").splitlines()
  lines = lines[-_LOG_LINES:] + [f"Exit status {status}."]
  job.error = "\n".join(lines)
  return "crashed"


def _kill(process: subprocess.Popen) -> None:
  try:
    os.killpg(process.pid, signal.SIGKILL)
  except ProcessLookupError:
    pass
  process.wait()


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
