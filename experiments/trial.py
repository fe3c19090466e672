"""One training run with settings of its own, of which a sweep makes many.

Numbers among the settings (seeds, rates, gains) are traced: runs that differ in
them alone are one program, compiled once and mapped over the runs.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import checkpoints as checkpoints_lib
from experiments import progress


class StartFn(Protocol):
  """Begins a run."""

  def __call__(self, config: Any, key: nf.base.Array) -> nf.base.PyTree:
    """Returns the state before the first piece; pure.

    Args:
      config: The settings; those that are traced are arrays [].
      key: Randomness, of the run's seed.
    """


class WorkFn(Protocol):
  """Does a piece of a run."""

  def __call__(
    self, config: Any, state: nf.base.PyTree
  ) -> tuple[nf.base.PyTree, nf.base.Array]:
    """Trains on; pure.

    Args:
      config: The settings; those that are traced are arrays [].
      state: What `start` or the last piece returned: all there is to know.

    Returns:
      The state, and the points of the curve in this piece [B].
    """


class Trial(NamedTuple):
  """How one network of a study is trained."""

  Config: Callable[..., Any]  # Frozen dataclass with a field `seed`.
  traced: tuple[str, ...]  # Fields that may differ within one program.
  quantity: str  # What the curve shows, with its unit; less is better.
  num_pieces: Callable[[Any], int]  # Pieces of a run, with a checkpoint each.
  start: StartFn
  work: WorkFn


class _Runs(NamedTuple):
  """Where N runs stand."""

  state: nf.base.PyTree  # [N, ...]
  curves: jax.Array  # NaN where there is nothing yet  [N, pieces, B]
  num_done: jax.Array  # Pieces  []


def run_together(
  trial: Trial,
  configs: Sequence[Any],
  checkpoints: checkpoints_lib.Checkpoints,
) -> np.ndarray:
  """Runs trials that differ in traced settings alone, as one program.

  They are spread over the devices of this process. Killed at whatever moment
  and called again, on as many devices and threads, it ends bit for bit where it
  would have without.

  Args:
    trial: What is run.
    configs: The settings of each run.
    checkpoints: Of this group of runs.

  Returns:
    The curves [N, pieces * B].

  Raises:
    ValueError: if something else differs, or checkpoints are of other runs.
  """
  program, num_pieces = prepare(trial, configs), trial.num_pieces(configs[0])
  num_shown = 0
  with progress.parts("pieces", num_pieces) as done:

    def work(runs):
      nonlocal num_shown
      for _ in range(num_shown, int(runs.num_done)):
        done(None)  # By an earlier process.
      num_shown = int(runs.num_done) + 1
      return done(program.work(runs))

    runs = checkpoints_lib.run(work, program.start(), num_pieces, checkpoints)
  return np.asarray(runs.curves).reshape(len(configs), -1)


class Program(NamedTuple):
  """Some runs of a trial as one compiled program."""

  start: Callable[[], _Runs]
  work: Callable[[_Runs], _Runs]


def prepare(trial: Trial, configs: Sequence[Any]) -> Program:
  """Returns the program that runs trials side by side; nothing is run yet.

  Args:
    trial: What is run.
    configs: The settings of each run.

  Returns:
    How it starts, and does a piece.

  Raises:
    ValueError: if the settings differ in something that is not traced.
  """
  static = untraced(trial, configs[0])
  for config in configs[1:]:
    if untraced(trial, config) != static:
      raise ValueError(
        f"expected runs that differ in {', '.join(traced(trial))} alone, got "
        f"{configs[0]} and {config}"
      )
  num_pieces = trial.num_pieces(static)
  values = {
    # A seed may be beyond 31 bits.
    name: jnp.asarray(
      np.array([getattr(config, name) for config in configs]),
      jnp.uint32 if name == "seed" else None,
    )
    for name in traced(trial)
  }
  place = _sharding(len(configs))

  def start_one(values):
    config = _with_traced(static, values)
    return trial.start(config, jax.random.key(config.seed))

  def work_one(values, state):
    return trial.work(_with_traced(static, values), state)

  @jax.jit
  def start_all(values):
    # One after the other: QR decompositions of many networks at a time wait for
    # each other's threads for ever where there are few.
    states = lax.map(start_one, values)
    _, points = jax.eval_shape(jax.vmap(work_one), values, states)
    shape = points.shape[0], num_pieces, points.shape[1]
    return states, jnp.full(shape, jnp.nan, points.dtype)

  @jax.jit
  def work(values, runs):
    states, points = jax.vmap(work_one)(values, runs.state)
    curves = runs.curves.at[:, runs.num_done].set(points)
    return _Runs(states, curves, runs.num_done + 1)

  def start():
    states, curves = jax.device_put(start_all(values), place)
    everywhere = jax.NamedSharding(place.mesh, jax.P())
    num_done = jax.device_put(jnp.zeros([], jnp.int32), everywhere)
    return _Runs(states, curves, num_done)

  placed = jax.device_put(values, place)
  return Program(start, lambda runs: work(placed, runs))


def traced(trial: Trial) -> tuple[str, ...]:
  """Returns the fields that may differ within one program."""
  return (*trial.traced, "seed")


def untraced(trial: Trial, config: Any) -> Any:
  """Returns settings with the default for all that is traced."""
  default = trial.Config()
  values = {name: getattr(default, name) for name in traced(trial)}
  return dataclasses.replace(config, **values)


def _with_traced(config, values):
  """A copy with arrays for numbers, which a Config's checks cannot read."""
  copy = object.__new__(type(config))
  for field in dataclasses.fields(config):
    value = values.get(field.name, getattr(config, field.name))
    object.__setattr__(copy, field.name, value)
  return copy


def _sharding(num_runs):
  """Spreads runs evenly, over as many devices of this process as that takes.

  Nothing is added for devices that would be idle: a checkpoint has to fit a
  process with others.
  """
  devices = jax.local_devices()
  sizes = range(1, len(devices) + 1)
  num_devices = max(size for size in sizes if num_runs % size == 0)
  mesh = jax.make_mesh(
    (num_devices,),
    ("runs",),
    axis_types=(jax.sharding.AxisType.Auto,),
    devices=devices[:num_devices],
  )
  return jax.NamedSharding(mesh, jax.P("runs"))
