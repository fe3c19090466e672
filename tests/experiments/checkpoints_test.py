"""Checkpoints: killed, damaged and exchanged; training goes on bit for bit."""

import json
import pathlib
import subprocess
import sys
import tempfile
from unittest import mock

import chex
import jax
import numpy as np
import optax
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


# In a process of its own: where Orbax gives up its threads go on for a moment,
# and what they run into would be laid to other tests.
_DAMAGING = """
import json, pathlib, sys, warnings
import jax, numpy as np
from experiments import checkpoints
from tests.experiments import checkpoints_test

def is_same(a, b):
  a, b = ({**t, "key": jax.random.key_data(t["key"])} for t in (a, b))
  pairs = zip(*map(jax.tree.leaves, (a, b)), strict=True)
  return all(
    x.dtype == y.dtype and np.array_equal(x, y) for x, y in pairs)

folder, cases = pathlib.Path(sys.argv[1]), []
for file in sorted((folder / "2").rglob("*")):
  if not file.is_file() or file.stat().st_size <= 8:
    continue
  whole = file.read_bytes()
  middle = len(whole) // 2
  flipped = bytes([whole[middle] ^ 4])
  for data in (whole[:middle] + flipped + whole[middle + 1:], whole[:middle]):
    file.write_bytes(data)
    with warnings.catch_warnings(record=True) as said:
      warnings.simplefilter("always")
      step, state = checkpoints.Checkpoints(folder).restore(
        checkpoints_test._state())
    said = [w for w in said if "is damaged" in str(w.message)]
    expected = checkpoints_test._state(step)
    cases.append((file.name, step, is_same(state, expected), len(said)))
  file.write_bytes(whole)
print(json.dumps(cases))
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

  def test_whatever_is_damaged_is_never_taken_for_whole(self):
    """A flipped bit, and a missing end, in each file of the newest."""
    kept = self._saved(1, 2)
    found = subprocess.run(
      [sys.executable, "-c", _DAMAGING, self.folder],
      cwd=records.ROOT,
      capture_output=True,
      text=True,
      timeout=300,
    )
    self.assertEqual(found.returncode, 0, found.stderr)
    cases = json.loads(found.stdout.splitlines()[-1])
    self.assertGreater(len(cases), 20)
    for name, step, is_same, num_warnings in cases:
      self.assertTrue(is_same, name)
      self.assertEqual(num_warnings, 2 - step, name)
    # Some files Orbax does without, and some bits.
    self.assertGreaterEqual(sum(2 - step for _, step, _, _ in cases), 4)
    self.assertEqual(kept.restore(_state())[0], 2)

  def test_training_goes_on_over_a_damaged_one(self):
    def work(state):
      return {"x": state["x"] * 3 + 1}

    start = {"x": jnp.arange(4.0)}
    kept = checkpoints.Checkpoints(self.folder)
    end = checkpoints.run(work, start, 4, kept)
    for file in (self.folder / "4" / "description").iterdir():
      file.write_bytes(b"")
    with self.assertWarnsRegex(UserWarning, "checkpoint 4 .* is damaged"):
      again = checkpoints.run(work, start, 4, kept)
    chex.assert_trees_all_equal(again, end)
    self.assertEqual(kept.restore(start)[0], 4)

  def test_another_configuration_is_refused(self):
    kept = self._saved(1)
    params = optax.adam(1.0).init({"w": jnp.ones(2)})
    other = optax.adabelief(1.0).init({"w": jnp.ones(2)})
    states = {
      r"\['half'\] is bfloat16\[6\], expected .* as float32\[6\]": {
        **_state(),
        "half": jnp.zeros(6),
      },
      "5 leaves for 6": {**_state(), "xs": jnp.zeros(6)},
      r"leaf \['half'\] is .*, expected \['heads'\]": {
        **{k: v for k, v in _state().items() if k != "half"},
        "heads": _state()["half"],
      },
      r"\['nothing'\] is float32\[0, 3\], expected .*\[0, 7\]": {
        **_state(),
        "nothing": jnp.zeros((0, 7)),
      },
      "is key of .* as uint32": {**_state(), "key": jnp.zeros(2, jnp.uint32)},
      "key of threefry.* as key of rbg": {
        **_state(),
        "key": jax.random.key(0, impl="rbg"),
      },
    }
    for message, state in states.items():
      with self.assertRaisesRegex(ValueError, message):
        kept.restore(state)
    with self.assertRaisesRegex(ValueError, "at most 0 steps, got one of 1"):
      checkpoints.run(lambda s: s, _state(), 0, kept)
    kept.save(2, params)
    with self.assertRaisesRegex(ValueError, "its structure is .*AdamState"):
      kept.restore(other)
    with self.assertRaisesRegex(ValueError, "keep"):
      checkpoints.Checkpoints(self.folder, keep=0)

  @parameterized.parameters(
    ({"x": 3}, r"\['x'\] to be an array as JAX holds it, got int$"),
    ({"x": np.int64(2**40)}, "got int64 of int64"),
    ({"x": np.ones(2)}, "got ndarray of float64"),
    ({"x": jnp.asarray(0.3)}, "dtype of its own, got a weak float32"),
    ({"x": jnp.zeros((0, 2))}, "with numbers in it"),
  )
  def test_what_would_come_back_as_something_else_is_refused(self, state, text):
    with self.assertRaisesRegex(ValueError, text):
      checkpoints.Checkpoints(self.folder).save(1, state)

  def test_all_damaged_is_not_a_start(self):
    kept = self._saved(1)
    for file in (self.folder / "1" / "description").iterdir():
      file.unlink()
    with self.assertWarns(UserWarning):
      with self.assertRaisesRegex(ValueError, r"got \[1\], which are all"):
        kept.restore(_state())

  def test_a_disk_that_cannot_be_read_is_no_damage(self):
    kept = self._saved(1)
    stale = OSError("stale file handle")
    with mock.patch.object(kept._manager, "restore", side_effect=stale):
      with self.assertRaisesRegex(OSError, "stale"):
        kept.restore(_state())

  def test_one_process_writes(self):
    kept = self._saved(1)
    half_written = self.folder / "2.orbax-checkpoint-tmp"
    half_written.mkdir()
    another = checkpoints.Checkpoints(self.folder)  # Reads, and leaves it be.
    self.assertEqual(another.restore(_state())[0], 1)
    self.assertTrue(half_written.exists())
    with self.assertRaisesRegex(ValueError, "another process writes"):
      checkpoints.run(lambda s: s, _state(), 3, another)
    kept.save(3, _state(3))
    self.assertEqual(another.steps(), [1, 3])
    kept.close()
    another.claim()
    self.assertFalse(half_written.exists())


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
