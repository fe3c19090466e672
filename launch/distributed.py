"""Trains one network on many devices, a share of each batch on each of them.

  python -m launch.distributed --config.folder=runs/mine

trains on the devices of this process. In several processes, on one machine or
many, each gets the same command and is told where the first one listens,

  python -m launch.distributed --config.folder=runs/mine \
    --coordinator_address=HOST:PORT --num_processes=2 --process_id=0

or is a task of Slurm, which says so itself: `srun -n2 python -m
launch.distributed ...`. What is learned does not depend on how many devices and
processes there are, but for the rounding of sums.

The folder holds config.json, env.json, metrics.jsonl and the newest
checkpoints. The same command goes on from the newest one, bit for bit with as
many devices and processes; only --config.num_batches may be another. If a
process dies the others end within --heartbeat_seconds, if one does not come
within --wait_seconds.
"""

import contextlib
import dataclasses
import pathlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

import jax
from absl import app, flags, logging

import nnfun as nf
from experiments import (
  checkpoints,
  cli,
  environment,
  errors,
  guard,
  metrics,
  records,
)
from launch import peers, problems

_MAY_CHANGE = {"num_batches", "tensorboard", "folder"}


class Options(NamedTuple):
  """What a command line asks for."""

  config: problems.Config
  coordinator_address: str | None
  num_processes: int | None
  process_id: int | None
  heartbeat_seconds: int
  wait_seconds: int
  dry_run: bool


def main() -> None:
  """Does what the command line asks."""
  flags.DEFINE_string(
    "coordinator_address", None, "HOST:PORT at which the first process listens."
  )
  flags.DEFINE_integer("num_processes", None, "How many there are.")
  flags.DEFINE_integer("process_id", None, "Which of them this is, from 0.")
  flags.DEFINE_integer(
    "heartbeat_seconds", 100, "When a silent process is taken for dead.", 1
  )
  flags.DEFINE_integer(
    "wait_seconds", 300, "How long the others may take to come.", 1
  )
  flags.DEFINE_bool("dry_run", False, "Say what would be run, and end.")

  def parse(argv: Sequence[str]) -> Options:
    if {"--help", "-help", "-h", "--helpfull", "--helpshort"} & set(argv):
      print(f"{__doc__}\n{flags.FLAGS.module_help(sys.modules[__name__])}")
      print("\n".join(cli.config_help(problems.Config(), problems.Config())))
      sys.exit(0)
    with errors.one_sentence():
      others = Options._fields[1:]
      config = cli.read_config(problems.Config(), argv, flags.FLAGS, others)
    return Options(config, *(flags.FLAGS[name].value for name in others))

  app.run(_launch, flags_parser=parse)


def _launch(options):
  logging.set_verbosity(logging.WARNING)  # Not which backends jax lacks.
  with errors.one_sentence():
    others = peers.initialize(*options[1:6])
  with others.together(), errors.one_sentence():
    if options.dry_run:
      describe(options.config)
    else:
      run(options.config)


def describe(
  config: problems.Config, devices: Sequence[jax.Device] | None = None
) -> None:
  """Prints what would be run where, and the memory it takes."""
  training = problems.prepare(config, devices)
  program = jax.jit(training.piece).lower(training.start).compile()
  _print_header(config, training)
  memory = program.memory_analysis()
  if memory is not None and jax.process_index() == 0:
    peak = memory.temp_size_in_bytes + memory.output_size_in_bytes
    peak += memory.argument_size_in_bytes
    print(f"{peak / 1e6:.1f} MB on each device while training")


def run(
  config: problems.Config, devices: Sequence[jax.Device] | None = None
) -> nf.training.EpisodesState:
  """Trains from the newest checkpoint, or the start, to the end.

  Args:
    config: what is trained.
    devices: the devices of all processes; all there are by default.

  Returns:
    The state after training.

  Raises:
    ValueError: if the folder is that of another run, or the batch cannot be
      shared evenly.
    FloatingPointError: if training is no longer finite.
  """
  training = problems.prepare(config, devices)
  is_first = jax.process_index() == 0
  _print_header(config, training)
  if is_first:
    _keep_config(config)
  folder, writer, latest = pathlib.Path(config.folder), None, {}

  def report(number, measured):
    writer.report(number, measured)
    latest.update(measured)

  on_update = nf.training.every(config.updates_per_report, report)
  guarded = guard.guard(training.piece, on_update)

  def work(state):
    nonlocal writer
    if is_first and writer is None:
      number = int(state.num_episodes) * training.updates_per_batch
      writer = opened.enter_context(
        metrics.Writer(folder, start=number, tensorboard=config.tensorboard)
      )
    state = guarded(state)
    if is_first:
      writer.flush()
      done = f"batch {int(state.num_episodes)} of {config.num_batches}"
      loss = f", loss {latest['loss']:.4g} a step" if latest else ""
      print(done + loss, flush=True)
    return state

  num_pieces = config.num_batches // config.batches_per_checkpoint
  kept = peers.Checkpoints(folder / "checkpoints")
  with contextlib.ExitStack() as opened:
    return checkpoints.run(work, training.start, num_pieces, kept)


def _print_header(config, training):
  if jax.process_index():
    return
  params = jax.tree.leaves(training.start.params)
  (num_devices,) = {len(p.sharding.device_set) for p in params}
  platform = jax.devices()[0].platform
  size = sum(leaf.nbytes for leaf in jax.tree.leaves(training.start))
  print(
    f"{config.task} of {config.num_steps} steps: {config.cell} of "
    f"{config.num_units} units, {sum(p.size for p in params)} parameters, by "
    f"{config.estimator} {'online' if config.online else 'offline'}\n"
    f"processes: {jax.process_count()}, mesh: data={num_devices} on "
    f"{platform}, {config.batch_size // num_devices} of {config.batch_size} "
    f"episodes on each, {size / 1e6:.2f} MB of state on each\n"
    f"folder: {config.folder}",
    flush=True,
  )


def _keep_config(config):
  """Writes what is run, unless the folder says so or is another run's."""
  path = pathlib.Path(config.folder) / "config.json"
  now = dataclasses.asdict(config)
  if path.exists():
    was = records.read_json(path) or {}
    changed = [
      name
      for name, value in now.items()
      if name not in _MAY_CHANGE and was.get(name) != value
    ]
    if changed:
      name = changed[0]
      raise ValueError(
        f"expected {config.folder} to be the folder of this run, got that of "
        f"one with {name}={was.get(name)!r} instead of {now[name]!r}"
      )
  path.parent.mkdir(parents=True, exist_ok=True)
  records.write_json(path, now)
  records.write_json(path.with_name("env.json"), environment.describe(config))


if __name__ == "__main__":
  main()
