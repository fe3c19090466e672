"""Checkpoints: killed, damaged and exchanged; training goes on bit for bit."""

import pathlib
import subprocess
import sys
import tempfile
import warnings

import chex
import jax
import numpy as np
import pytest
from absl.testing import absltest, parameterized
from jax import numpy as jnp

from experiments import checkpoints, records

# Trains online, lazily, with noise of its own; kills itself where it is told.
_TRAINING = """
import glob, os, signal, sys, threading, time
import jax, numpy as np, optax
import nnfun as nf
from experiments import checkpoints

folder, when = sys.argv[1:]
cell = nf.cells.vanilla(num_inputs=2, num_units=4)
loss_fn = lambda params, h, y: optax.softmax_cross_entropy(
  params["readout"] @ h, y)
estimator = nf.estimators.rtrl(cell, loss_fn, flush_every=3)
optimizer = optax.adam(1e-2)
task = nf.tasks.delayed_addition(num_steps=8, delays=(1, 2))
key = jax.random.key(0)
params = {"cell": cell.init(key), "readout": np.zeros((2, 4), np.float32)}
start = nf.training.stream_init(estimator, optimizer, params, key), key

@jax.jit
def train(state):
  stream, key = state
  key, key_data = jax.random.split(key)
  xs, ys = task.sample(key_data)
  return nf.training.train_stream(
    estimator, optimizer, stream, xs, ys, segment=1)[0], key

def die_while_writing():
  while not glob.glob(f"{folder}/4*tmp*"):
    pass
  os.kill(os.getpid(), signal.SIGKILL)

def work(state):
  work.calls = getattr(work, "calls", 0) + 1
  if when == "working" and work.calls == 3:
    os.kill(os.getpid(), signal.SIGKILL)
  return train(state)

if when == "writing":
  threading.Thread(target=die_while_writing, daemon=True).start()
end = checkpoints.run(work, start, 6, checkpoints.Checkpoints(folder))
leaves = jax.tree.leaves(end[0])
np.savez(f"{folder}/end.npz", *leaves, jax.random.key_data(end[1]))
"""


def _state(seed=0):
  key = jax.random.key(seed)
  return {
    "params": jax.random.normal(key, (30, 40)),
    "half": jnp.arange(6.0, dtype=jnp.bfloat16) + seed,
    "count": jnp.int32(seed),
    "key": key,
    "nothing": jnp.zeros((0, 3)),
  }


def _assert_same(actual, expected):
  data = lambda tree: {**tree, "key": jax.random.key_data(tree["key"])}
  chex.assert_trees_all_equal(data(actual), data(expected), strict=True)


class CheckpointsTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    folder = self.enterContext(tempfile.TemporaryDirectory())
    self.folder = pathlib.Path(folder)

  def _saved(self, *steps):
    kept = checkpoints.Checkpoints(self.folder)
    for step in steps:
      kept.save(step, _state(step))
    return kept

  def test_keeps_the_newest_three(self):
    self.assertEqual(self._saved(1, 2, 5, 9).steps(), [2, 5, 9])
    again = checkpoints.Checkpoints(self.folder)
    step, state = again.restore(_state())
    self.assertEqual(step, 9)
    _assert_same(state, _state(9))

  def test_nothing_to_go_on_from(self):
    self.assertIsNone(checkpoints.Checkpoints(self.folder).restore(_state()))

  # Orbax's own threads go on for a moment after it has given up.
  @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
  def test_whatever_is_damaged_is_never_taken_for_whole(self):
    """A flipped bit, and a missing end, in each file of the newest."""
    kept = self._saved(1, 2)
    files = [f for f in (self.folder / "2").rglob("*") if f.stat().st_size > 8]
    files = [file for file in files if file.is_file()]
    found_out = 0
    for file in files:
      whole = file.read_bytes()
      middle = len(whole) // 2
      flipped = bytes([whole[middle] ^ 4])
      for damaged in (
        whole[:middle] + flipped + whole[middle + 1 :],
        whole[:middle],
      ):
        file.write_bytes(damaged)
        with warnings.catch_warnings(record=True) as said:
          warnings.simplefilter("always")
          step, state = checkpoints.Checkpoints(self.folder).restore(_state())
        _assert_same(state, _state(step))
        said = [str(w.message) for w in said if "damaged" in str(w.message)]
        self.assertLen(said, 2 - step)
        found_out += 2 - step
      file.write_bytes(whole)
    self.assertGreaterEqual(found_out, 4)
    self.assertEqual(kept.restore(_state())[0], 2)

  def test_training_goes_on_over_a_damaged_one(self):
    def work(state):
      return {"x": state["x"] * 3 + 1}

    start = {"x": jnp.arange(4.0)}
    kept = checkpoints.Checkpoints(self.folder)
    end = checkpoints.run(work, start, 4, kept)
    for file in (self.folder / "4" / "leaves").iterdir():
      file.write_bytes(b"")
    with self.assertWarnsRegex(UserWarning, "checkpoint 4 .* is damaged"):
      again = checkpoints.run(work, start, 4, kept)
    chex.assert_trees_all_equal(again, end)
    self.assertEqual(kept.restore(start)[0], 4)

  def test_another_configuration_is_refused(self):
    kept = self._saved(1)
    with self.assertRaisesRegex(
      ValueError, r"\['half'\] is bfloat16\[6\], expected float32\[6\]"
    ):
      kept.restore({**_state(), "half": jnp.zeros(6)})
    with self.assertRaisesRegex(ValueError, "4 leaves for 5"):
      kept.restore({**_state(), "more": jnp.zeros(6)})
    with self.assertRaisesRegex(ValueError, "at most 0 steps, got one of 1"):
      checkpoints.run(lambda s: s, _state(), 0, kept)
    with self.assertRaisesRegex(ValueError, "keep"):
      checkpoints.Checkpoints(self.folder, keep=0)


class KilledTest(absltest.TestCase):
  def test_goes_on_bit_for_bit_where_it_was_killed(self):
    folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def train(name, when):
      (folder / name).mkdir(exist_ok=True)
      return subprocess.run(
        [sys.executable, "-c", _TRAINING, folder / name, when],
        cwd=records.ROOT,
        capture_output=True,
        text=True,
        timeout=300,
      )

    never = train("never", "")
    self.assertEqual(never.returncode, 0, never.stderr)
    for when, left in (("working", [1, 2]), ("writing", [1, 2, 3])):
      killed = train("killed", when)
      self.assertEqual(killed.returncode, -9, killed.stderr)
      steps = checkpoints.Checkpoints(folder / "killed").steps()
      self.assertEqual(steps, left)
    goes_on = train("killed", "")
    self.assertEqual(goes_on.returncode, 0, goes_on.stderr)
    whole, continued = (
      dict(np.load(folder / name / "end.npz")) for name in ("never", "killed")
    )
    self.assertGreater(len(whole), 8)
    chex.assert_trees_all_equal(continued, whole)


if __name__ == "__main__":
  absltest.main()
