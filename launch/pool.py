"""A bounded pool of child processes, each working in a folder of its own.

Whatever ends this process ends its children, `kill -9` included: see `child`.
"""

import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from rich import progress as rich_progress

from experiments import progress

_POLL_SECONDS = 0.1


@dataclasses.dataclass
class Child:
  """A module to be run, and the folder for its log and its status."""

  name: str
  module: str
  arguments: list[str]
  folder: pathlib.Path
  settle: Callable[[int], str]  # Exit status -> a word, when it has ended.
  bar: rich_progress.TaskID | None = None
  num_starts: int = 0


def run_all(
  children: Sequence[Child],
  *,
  bars: rich_progress.Progress,
  total: rich_progress.TaskID,
  limit: int,
  retries: int = 0,
) -> None:
  """Runs children side by side, in their order, and draws how far they are.

  Args:
    children: What is to be run; each gets a bar.
    bars: Where bars are drawn.
    total: The bar over all children, which counts each by how far it is.
    limit: How many may run at a time; the cores are shared out among as many.
    retries: How often a child that was killed is started again. One that ends
      by itself with an error is not: it would do so again.
  """
  environment = _environment(limit)
  waiting = list(children)
  running: list[tuple[Child, subprocess.Popen]] = []
  for child in children:
    child.bar = bars.add_task(
      child.name, total=1.0, start=False, note="waiting"
    )
  try:
    while waiting or running:
      while waiting and len(running) < limit:
        child = waiting.pop(0)
        running.append((child, _start(child, environment)))
        bars.start_task(child.bar)
      time.sleep(_POLL_SECONDS)
      for child, process in list(running):
        fraction, note = progress.read_status(child.folder / "status.json")
        status = process.poll()
        if status is not None:
          running.remove((child, process))
          process.stdin.close()
          if status < 0 and child.num_starts <= retries:
            waiting.insert(0, child)
            note = f"killed by {signal.Signals(-status).name}, starts again"
          else:
            (child.folder / "status.json").unlink(missing_ok=True)
            fraction, note = 1.0, child.settle(status)
            bars.stop_task(child.bar)
          if not sys.stderr.isatty():
            print(f"{child.name}: {note}", file=sys.stderr, flush=True)
        bars.update(child.bar, completed=fraction, note=note)
      _show_total(bars, total)
  finally:
    for _, process in running:
      _kill(process)


def num_cpus() -> int:
  """Returns how many cores this process may use."""
  if hasattr(os, "sched_getaffinity"):  # Not on macOS.
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def _show_total(bars, total):
  done = sum(task.completed for task in bars.tasks if task.id != total)
  bars.update(total, completed=done)


def _environment(limit: int) -> dict[str, str]:
  if limit < 2:
    return dict(os.environ)
  num_threads = max(1, num_cpus() // limit)
  defaults = {
    # Sizes of the thread pools of XLA and of NumPy. As many threads in each of
    # several processes as there are cores only get into one another's way.
    "NPROC": str(num_threads),
    "OPENBLAS_NUM_THREADS": str(num_threads),
    # Otherwise the first to start takes most of an accelerator's memory.
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
  }
  return defaults | dict(os.environ)


def _start(child: Child, environment: dict[str, str]) -> subprocess.Popen:
  child.num_starts += 1
  child.folder.mkdir(parents=True, exist_ok=True)
  status_file = str(child.folder / "status.json")
  command = [sys.executable, "-m", "launch.child", child.module]
  with open(child.folder / "log.txt", "ab") as log:
    return subprocess.Popen(
      command + child.arguments,
      stdin=subprocess.PIPE,  # Closed when this process ends, however it ends.
      stdout=log,
      stderr=subprocess.STDOUT,
      env=environment | {progress.STATUS_FILE: status_file},
      # A group of its own: Ctrl-C reaches this process only, which then ends
      # the children and whatever they have started.
      start_new_session=True,
    )


def _kill(process: subprocess.Popen) -> None:
  try:
    os.killpg(process.pid, signal.SIGKILL)
  except ProcessLookupError:
    pass
  process.wait()
  process.stdin.close()
