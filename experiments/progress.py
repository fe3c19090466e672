"""Progress of long work, from Python loops and from inside compiled scans.

On a terminal the bars are drawn with rich. Otherwise the outermost loop says
when it starts and when it ends. Where `STATUS_FILE` is set, a parent process
draws: the fraction done is written to that file. Nothing here ever raises.
"""

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import jax
import jax.numpy as jnp
from rich import console as rich_console
from rich import progress as rich_progress

STATUS_FILE = "NNFUN_STATUS_FILE"  # Environment variable naming the file.
_SECONDS_BETWEEN_WRITES = 0.2

_T = TypeVar("_T")


def track(
  iterable: Iterable[_T],
  description: str,
  total: int | None = None,
) -> Iterator[_T]:
  """Yields the elements of a loop and reports how far it is.

  Calls may be nested; the inner loop then counts as part of one step of the
  outer.

  Args:
    iterable: What to loop over.
    description: A few words shown beside the bar.
    total: Number of elements, needed only where `len` does not work.

  Yields:
    The elements of `iterable`.
  """
  if total is None:
    total = len(iterable) if hasattr(iterable, "__len__") else 0
  _display.enter(description, total)
  try:
    for element in iterable:
      yield element
      _display.advance()
  finally:
    _display.leave()


@contextlib.contextmanager
def parts(description: str, total: int) -> Iterator[Callable[[_T], _T]]:
  """Reports how many of some unlike parts of a work are done.

  with progress.parts("both", 2) as done:
    return Results(done(measure()), done(train()))

  Args:
    description: A few words shown beside the bar.
    total: Number of parts.

  Yields:
    A function to which each part's result is given, and which returns it.
  """

  def done(result: _T) -> _T:
    _display.advance()
    return result

  _display.enter(description, total)
  try:
    yield done
  finally:
    _display.leave()


def tick(
  step: jax.Array,
  num_steps: int,
  description: str = "steps",
  num_reports: int = 100,
) -> None:
  """Reports the progress of a compiled loop; call it in a scan's body.

  The host is called about `num_reports` times, whatever `num_steps` is. Under
  `jax.vmap` it is called once for the whole batch, with the largest step.
  Gradients pass it by.

  Args:
    step: Index of the present step, an integer scalar.
    num_steps: Number of steps, static.
    description: A few words shown beside the bar.
    num_reports: How often to report, static.
  """
  every = max(1, num_steps // num_reports)

  # Under vmap a cond with a batched predicate becomes a select, and the host
  # would be called by every member at every step: reduce the step first.
  @jax.custom_batching.custom_vmap
  def report(step: jax.Array) -> jax.Array:
    jax.lax.cond(
      (step % every == 0) | (step == num_steps - 1),
      lambda step: jax.debug.callback(
        lambda i: _display.tick(int(i) + 1, num_steps, description), step
      ),
      lambda step: None,
      step,
    )
    return step

  @report.def_vmap
  def _(
    axis_size: int, in_batched: list[bool], step: jax.Array
  ) -> tuple[jax.Array, bool]:
    del axis_size, in_batched
    return report(jnp.max(step)), False

  report(jnp.asarray(step))


def close() -> None:
  """Takes the bars off the screen; call it when a run has ended."""
  _display.close()


class _Display:
  """The open loops, outermost first, and the bars drawn for them."""

  def __init__(self) -> None:
    self._lock = threading.RLock()  # Ticks come from the runtime's threads.
    self._loops: list[dict] = []  # {"description", "done", "total", "start"}
    self._steps: dict | None = None  # The compiled loop inside, likewise.
    self._bars: rich_progress.Progress | None = None
    self._tasks: dict[int, rich_progress.TaskID] = {}
    self._written = 0.0

  def enter(self, description: str, total: int) -> None:
    with self._quiet():
      self._loops.append(_loop(description, total))
      if len(self._loops) == 1:
        self._say(f"{description} ...")
      self._show(force=True)

  def advance(self) -> None:
    with self._quiet():
      self._loops[-1]["done"] += 1
      self._steps = None
      self._show()

  def leave(self) -> None:
    with self._quiet():
      loop = self._loops.pop()
      self._steps = None
      if not self._loops:
        seconds = time.monotonic() - loop["start"]
        self._say(f"{loop['description']}: {seconds:.1f} s")
      if self._loops:
        self._show()
      elif self._bars:
        self._draw([])

  def tick(self, done: int, total: int, description: str) -> None:
    with self._quiet():
      if self._steps is None or self._steps["description"] != description:
        self._steps = _loop(description, total)
      self._steps |= {"done": done, "total": total}
      self._show()

  def close(self) -> None:
    with self._quiet():
      self._loops, self._steps = [], None
      if self._bars:
        self._bars.stop()
      self._bars, self._tasks = None, {}

  @contextlib.contextmanager
  def _quiet(self) -> Iterator[None]:
    # A bar is never worth a lost run, whatever goes wrong in drawing it.
    with self._lock, contextlib.suppress(Exception):
      yield

  def _say(self, text: str) -> None:
    if not sys.stderr.isatty():
      print(text, file=sys.stderr, flush=True)

  def _show(self, force: bool = False) -> None:
    levels = [*self._loops, *([self._steps] if self._steps else [])]
    if path := os.environ.get(STATUS_FILE):
      now = time.monotonic()
      if force or now - self._written > _SECONDS_BETWEEN_WRITES:
        self._written = now
        write_status(path, _fraction(levels), levels)
    elif sys.stderr.isatty():
      self._draw(levels)

  def _draw(self, levels: list[dict]) -> None:
    if self._bars is None:
      self._bars = bars()
      self._bars.start()
    for depth in [d for d in self._tasks if d >= len(levels)]:
      self._bars.remove_task(self._tasks.pop(depth))
    for depth, level in enumerate(levels):
      if depth not in self._tasks:
        self._tasks[depth] = self._bars.add_task("", note="")
      self._bars.update(
        self._tasks[depth],
        description="  " * depth + level["description"],
        completed=level["done"],
        total=level["total"] or None,
      )


def bars() -> rich_progress.Progress:
  """Returns the kind of bars drawn everywhere; a task has a field `note`."""
  return rich_progress.Progress(
    rich_progress.TextColumn("{task.description}"),
    rich_progress.BarColumn(),
    rich_progress.TaskProgressColumn(),
    rich_progress.TimeElapsedColumn(),
    rich_progress.TimeRemainingColumn(elapsed_when_finished=True),
    rich_progress.TextColumn("[dim]{task.fields[note]}"),
    console=rich_console.Console(stderr=True),
    disable=not sys.stderr.isatty(),
  )


def write_status(path: str, fraction: float, levels: list[dict]) -> None:
  """Writes the fraction done, and doing what, for a parent to read."""
  text = " / ".join(level["description"] for level in levels)
  with open(f"{path}.tmp", "w") as file:
    json.dump({"fraction": fraction, "description": text}, file)
  os.replace(f"{path}.tmp", path)


def read_status(path: str | os.PathLike[str]) -> tuple[float, str]:
  """Reads what a child reported; (0.0, "") before its first report."""
  try:
    with open(path) as file:
      status = json.load(file)
    return float(status["fraction"]), str(status["description"])
  except (OSError, ValueError, KeyError):
    return 0.0, ""


def _loop(description: str, total: int) -> dict:
  return {
    "description": description,
    "done": 0,
    "total": total,
    "start": time.monotonic(),
  }


def _fraction(levels: list[dict]) -> float:
  fraction = 0.0
  for level in reversed(levels):  # What is inside is part of one step outside.
    if level["total"]:
      fraction = min(1.0, (level["done"] + fraction) / level["total"])
  return fraction


_display = _Display()
