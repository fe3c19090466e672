"""One run on any devices in any processes; killed, it goes on."""

import contextlib
import dataclasses
import io
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile

import jax
import numpy as np
from absl.testing import absltest, parameterized

from experiments import checkpoints, metrics, records
from launch import distributed, peers, problems
from tests import oracles
from tests.launch import slurm

# Small, and the estimator draws random numbers of its own.
_CONFIG = problems.Config(
  task="copy",
  num_steps=4,
  cell="vanilla",
  num_units=3,
  estimator="uoro",
  online=False,
  batch_size=8,
  learning_rate=0.01,
  num_batches=6,
  batches_per_checkpoint=2,
  updates_per_report=3,
)
# The command, in which one process kills itself when it has trained to DIE_AT,
# before there is a checkpoint.
_COMMAND = """
import os, signal
from experiments import guard
from launch import distributed

def dying(*args, make=guard.guard):
  work = make(*args)
  def run(state):
    state = work(state)
    if str(int(state.num_episodes)) == os.environ.get("DIE_AT"):
      os.kill(os.getpid(), signal.SIGKILL)
    return state
  return run

guard.guard = dying
distributed.main()
"""


def arguments(config):
  """A configuration as flags."""
  default = problems.Config()
  return [
    f"--config.{field.name}={getattr(config, field.name)}"
    for field in dataclasses.fields(config)
    if getattr(config, field.name) != getattr(default, field.name)
  ]


def environment(num_devices=1):
  """That of a process of a run in float64."""
  return os.environ | {
    "JAX_ENABLE_X64": "1",
    "JAX_NUM_CPU_DEVICES": str(num_devices),
  }


def final_params(config):
  """What the newest checkpoint of a run has."""
  like = problems.prepare(config, jax.devices()[:1]).start
  folder = pathlib.Path(config.folder) / "checkpoints"
  step, state = checkpoints.Checkpoints(folder).restore(like)
  assert step * config.batches_per_checkpoint == config.num_batches
  return state.params


def assert_close(actual, expected):
  """Equal but for the order of sums in float64."""
  for a, e in zip(*map(jax.tree.leaves, (actual, expected)), strict=True):
    np.testing.assert_allclose(a, e, rtol=1e-10, atol=1e-10)


def run_here(config, num_devices=1):
  with contextlib.redirect_stdout(io.StringIO()) as printed:
    state = distributed.run(config, jax.devices()[:num_devices])
  return state, printed.getvalue()


def _free_address():
  with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    return f"127.0.0.1:{free.getsockname()[1]}"


def _run_two(config, dying=None, at=None):
  """Two processes of one device: their exit states and what they say."""
  address = _free_address()
  processes = [
    subprocess.Popen(
      [
        *(sys.executable, "-c", _COMMAND, *arguments(config)),
        f"--coordinator_address={address}",
        "--num_processes=2",
        f"--process_id={i}",
      ],
      cwd=records.ROOT,
      env=environment() | ({"DIE_AT": str(at)} if i == dying else {}),
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
    )
    for i in range(2)
  ]
  try:
    said = [process.communicate(timeout=300)[0] for process in processes]
  finally:
    for process in processes:
      process.kill()
  return [process.returncode for process in processes], said


class DistributedTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    folder = self.enterContext(tempfile.TemporaryDirectory())
    self.folder = pathlib.Path(folder)

  def config(self, name="run", **changes):
    folder = str(self.folder / name)
    return dataclasses.replace(_CONFIG, folder=folder, **changes)

  @parameterized.parameters(False, True)
  def test_devices_do_not_matter(self, online):
    with oracles.float64():
      one, eight = (
        self.config("1", online=online),
        self.config("8", online=online),
      )
      expected, printed = run_here(one)
      self.assertIn("processes: 1, mesh: data=1 on cpu, 8 of 8", printed)
      actual, printed = run_here(eight, 8)
      self.assertIn("processes: 1, mesh: data=8 on cpu, 1 of 8", printed)
      assert_close(actual.params, expected.params)
      assert_close(*map(metrics.read, (one.folder, eight.folder)))
      numbers = [line["update"] for line in metrics.read(one.folder)]
      self.assertEqual(numbers, list(range(0, 24 if online else 6, 3)))

  def test_processes_do_not_matter_nor_does_the_death_of_one(self):
    """Not even of the first, which the other needs for everything."""
    alone, never, killed = (
      self.config(name, updates_per_report=1)
      for name in ("alone", "never", "killed")
    )
    status, said = _run_two(never)
    self.assertEqual(status, [0, 0], said)
    status, said = _run_two(killed, dying=0, at=4)
    self.assertEqual(status, [-signal.SIGKILL, 1], said)
    # What JAX's threads log of it may stand behind.
    sentence = "(?m)^Error: process 0 has gone, without which this one"
    self.assertRegex(said[1], sentence)
    self.assertNotIn("Traceback", said[1])
    status, said = _run_two(killed)
    self.assertEqual(status, [0, 0], said)
    self.assertNotIn("batch 2 of 6", said[0])
    self.assertIn("batch 6 of 6", said[0])
    with oracles.float64():
      run_here(alone)
      assert_close(final_params(never), final_params(alone))
      whole, resumed = map(final_params, (never, killed))
    for a, e in zip(*map(jax.tree.leaves, (resumed, whole)), strict=True):
      np.testing.assert_array_equal(a, e)
    lines = [metrics.read(config.folder) for config in (killed, never)]
    self.assertEqual(*lines)
    self.assertLen(lines[0], 6)

  def test_tasks_of_slurm_find_each_other(self):
    slurm.require_slurm()
    alone, both = self.config("alone"), self.config("both")
    found = subprocess.run(
      [
        *("srun", "--ntasks=2", sys.executable, "-m", "launch.distributed"),
        *arguments(both),
      ],
      cwd=records.ROOT,
      env=environment(),
      capture_output=True,
      text=True,
      timeout=300,
    )
    self.assertEqual(found.returncode, 0, found.stderr)
    self.assertIn("processes: 2, mesh: data=2 on cpu", found.stdout)
    with oracles.float64():
      run_here(alone)
      assert_close(final_params(both), final_params(alone))

  def test_what_is_no_longer_finite_ends_all_processes_and_is_named(self):
    config = self.config(learning_rate=1e300)
    status, said = _run_two(config)
    self.assertEqual(status, [1, 1], said)
    # Update 0 makes the readout 1e300; the square of what it then sends back
    # overflows, where the loss, linear in it, does not.
    self.assertRegex(
      said[0],
      r"(?m)^Error: training is no longer finite: update 1 ends with "
      r"\.optimizer\[0\]\.nu\['cell'\]",
    )
    self.assertNotIn("Traceback", said[0] + said[1])

  def test_goes_on_longer_but_not_as_another_run(self):
    run_here(self.config(num_batches=2))
    state, printed = run_here(self.config())
    self.assertEqual(int(state.num_episodes), 6)
    self.assertNotIn("batch 2", printed)
    with self.assertRaisesRegex(ValueError, "with seed=0 instead of 1"):
      run_here(self.config(seed=1))

  def test_says_what_would_be_run_and_leaves_nothing(self):
    config = self.config()
    with contextlib.redirect_stdout(io.StringIO()) as printed:
      distributed.describe(config, jax.devices()[:4])
    # W of [3, 10 + 3 + 1] and a readout of [9, 3 + 1].
    self.assertIn("vanilla of 3 units, 78 parameters", printed.getvalue())
    self.assertIn("2 of 8 episodes on each", printed.getvalue())
    self.assertIn("MB on each device while training", printed.getvalue())
    self.assertFalse((self.folder / "run").exists())
    training = problems.prepare(config, jax.devices()[:4])
    program = jax.jit(training.piece).lower(training.start).compile()
    self.assertIn("all-reduce", program.as_text())

  @parameterized.parameters(0, 1)
  def test_who_does_not_come_is_not_waited_for_for_ever(self, process_id):
    address = _free_address()
    found = subprocess.run(
      [
        *(sys.executable, "-m", "launch.distributed", "--wait_seconds=1"),
        f"--coordinator_address={address}",
        "--num_processes=2",
        f"--process_id={process_id}",
      ],
      cwd=records.ROOT,
      env=environment(),
      capture_output=True,
      text=True,
      timeout=300,
    )
    sentence = f"Error: not all processes have met at {address} within 1 s; "
    self.assertIn(sentence, found.stderr)
    self.assertEqual(found.returncode, 1)

  def test_a_refusal_is_a_sentence(self):
    found = subprocess.run(
      [sys.executable, "-m", "launch.distributed", "--config.batch_size=6"],
      cwd=records.ROOT,
      env=environment(num_devices=4),
      capture_output=True,
      text=True,
      timeout=300,
    )
    self.assertEqual(
      (found.returncode, found.stderr),
      (
        1,
        "Error: expected batch_size to be a multiple of the 4 devices, got 6\n",
      ),
    )

  def test_configurations_are_checked(self):
    for changes, message in (
      ({"task": "coppy"}, "task to be one of adding, copy, delayed_addition"),
      ({"num_batches": 5}, "num_batches to be a multiple of batches_per_chec"),
      ({"task": "copy", "num_steps": 5}, "num_steps to be even"),
    ):
      with self.assertRaisesRegex(ValueError, f"expected {message}.* got"):
        self.config(**changes)

  @parameterized.parameters(
    (("host:1", None, 0), "all of .* or none, got"),
    (("host", 2, 0), "coordinator_address=HOST:PORT, got 'host'"),
    (("host:1", 2, 2), "process_id < num_processes, got process_id=2"),
  )
  def test_processes_are_told_in_full(self, given, message):
    with self.assertRaisesRegex(ValueError, message):
      peers.initialize(*given, 100, 100)

  @parameterized.parameters(
    # A readout of zeros predicts 0, or all symbols alike. The square of the
    # sum of two uniform numbers has the mean 7 / 6, at one of 8 steps; half of
    # the steps ask for one of 9 symbols.
    ("adding", "gru", 7 / 6 / 8, 0.2),
    ("copy", "lstm", np.log(9) / 2, 1e-6),
    ("delayed_addition", "mgu", np.log(2), 1e-6),
  )
  def test_every_task_is_learned(self, task, cell, expected, tolerance):
    config = self.config(
      task=task,
      num_steps=8,
      cell=cell,
      estimator="truncated_bptt",
      segment=8,
      batch_size=256,
      learning_rate=0.05,
      num_batches=100,
      batches_per_checkpoint=100,
      updates_per_report=99,
    )
    run_here(config)
    first, last = (line["loss"] for line in metrics.read(config.folder))
    np.testing.assert_allclose(first, expected, rtol=tolerance)
    self.assertLess(last, 0.97 * first)


if __name__ == "__main__":
  absltest.main()
