"""Run folders: nothing half-written, damaged or stale counts as finished."""

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from typing import NamedTuple
from unittest import mock

import chex
import jax
import jax.numpy as jnp
import numpy as np
from absl.testing import absltest, parameterized

import nnfun as nf
from experiments import fingerprints, records, runs, style
from experiments import study as study_lib
from tests import oracles
from tests.experiments import dummy_study

STUDY = dummy_study.STUDY
FILES = ("config.json", "env.json", "arrays.npz", "claims.json", "figure.svg")


def _environ(**variables):
  return mock.patch.dict(os.environ, variables)


@contextlib.contextmanager
def _platforms(names):
  jax.devices()  # Those of now are there and stay; only the wish is changed.
  before = jax.config.jax_platforms
  jax.config.update("jax_platforms", names)
  try:
    yield
  finally:
    jax.config.update("jax_platforms", before)


class RecordsTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.runs_dir = pathlib.Path(
      self.enterContext(tempfile.TemporaryDirectory())
    )
    self.log = self.runs_dir / "log"
    self.config = dummy_study.Config(log=str(self.log))
    self.folder = study_lib.folder_of(STUDY, self.config, self.runs_dir)
    # Drawing takes most of the time, and is tried with the command line.
    drawn = mock.patch.object(style, "save_svg", return_value="<svg></svg>")
    self.enterContext(drawn)

  def run_study(self, *, rerun=False, config=None):
    return runs.bring_up_to_date(
      STUDY, config or self.config, self.runs_dir, rerun=rerun
    )

  def is_finished(self):
    return runs.is_up_to_date(STUDY, self.config, self.runs_dir)

  def num_runs(self):
    return len(self.log.read_text().splitlines())

  def test_writes_everything(self):
    self.assertFalse(self.is_finished())
    self.assertEqual(self.run_study().folder, self.folder)
    self.assertTrue(self.is_finished())
    names = {path.name for path in self.folder.iterdir()}
    self.assertEqual(names, {*FILES, "RUN", "DONE", "LOCK"})
    env = json.loads((self.folder / "env.json").read_text())
    self.assertEqual(env["versions"]["numpy"], np.__version__)
    self.assertEqual(env["versions"]["nnfun"], nf.__version__)
    self.assertEqual(env["seed"], 0)
    self.assertEqual(env["platform"], "cpu")
    claims = json.loads((self.folder / "claims.json").read_text())
    self.assertEqual([c["holds"] for c in claims], [True, True, False, None])
    np.testing.assert_array_equal(
      records.load_arrays(self.folder, STUDY.Results).terms, np.arange(4.0)
    )

  def test_is_not_run_again_unless_asked(self):
    self.run_study()
    self.run_study()
    self.assertEqual(self.num_runs(), 1)
    self.run_study(rerun=True)
    self.assertEqual(self.num_runs(), 2)

  def test_names_the_folder_after_the_sizes(self):
    labels = [
      study_lib.folder_of(STUDY, config, "runs").as_posix()
      for config in (dummy_study.Config(), STUDY.full, self.config)
    ]
    self.assertEqual(
      labels[:2], ["runs/dummy/sum/quick", "runs/dummy/sum/full"]
    )
    self.assertRegex(labels[2], "^runs/dummy/sum/[0-9a-f]{10}$")

  @parameterized.product(num_writes=tuple(range(7)), was_finished=(False, True))
  def test_a_killed_run_is_not_finished(self, num_writes, was_finished):
    if was_finished:
      self.run_study()
    write, count = records.write, iter(range(99))

    def write_until_killed(path, data):
      if next(count) == num_writes:
        path.with_name(path.name + ".1.tmp").write_bytes(b"half")
        raise KeyboardInterrupt
      write(path, data)

    with mock.patch.object(records, "write", write_until_killed):
      with self.assertRaises(KeyboardInterrupt):
        self.run_study(rerun=True)
    self.assertFalse(self.is_finished())
    self.run_study()
    self.assertTrue(self.is_finished())
    self.assertEmpty(list(self.folder.glob("*.tmp")))

  @parameterized.product(
    name=(*FILES, "RUN"), damage=("truncate", "flip", "remove")
  )
  def test_a_damaged_file_is_noticed(self, name, damage):
    self.run_study()
    path = self.folder / name
    data = bytearray(path.read_bytes())
    if damage == "truncate":
      path.write_bytes(data[:-1])
    elif damage == "flip":
      data[len(data) // 2] ^= 1
      path.write_bytes(data)
    else:
      path.unlink()
    self.assertFalse(self.is_finished())
    self.run_study()
    # What judges and draws can be made again without running.
    is_judged = name in ("claims.json", "figure.svg")
    self.assertEqual(self.num_runs(), 1 if is_judged else 2)
    self.assertTrue(self.is_finished())

  @parameterized.product(
    name=("RUN", "DONE"), text=("", "{", "[]", "null", '{"sha256": {}}')
  )
  def test_a_damaged_mark_is_noticed(self, name, text):
    self.run_study()
    (self.folder / name).write_text(text)
    self.assertFalse(self.is_finished())

  def test_a_result_of_other_code_is_stale(self):
    with mock.patch.object(fingerprints, "source_hash", return_value="old"):
      self.run_study()
      self.assertTrue(self.is_finished())
    self.assertFalse(self.is_finished())
    self.assertTrue(records.is_finished(self.folder))
    self.run_study()
    self.assertEqual(self.num_runs(), 2)

  def test_edited_words_are_judged_again_and_nothing_is_run(self):
    with mock.patch.object(fingerprints, "judging", return_value="old"):
      first = self.run_study()
      self.assertEqual(first[1:], (True, True))
      self.assertEqual(self.run_study()[1:], (False, False))
    self.assertFalse(self.is_finished())
    self.assertEqual(self.run_study()[1:], (False, True))
    self.assertTrue(self.is_finished())
    self.assertEqual(self.num_runs(), 1)

  def test_an_edited_input_file_is_another_run(self):
    path = pathlib.Path(self.log.parent) / "text.txt"
    path.write_text("a")

    @dataclasses.dataclass(frozen=True)
    class Config:
      text_path: str = str(path)

    study = STUDY._replace(Config=Config)
    before = fingerprints.identity(study, Config())
    self.assertEqual(before, fingerprints.identity(study, Config()))
    path.write_text("b")
    self.assertNotEqual(before, fingerprints.identity(study, Config()))
    self.assertEmpty(fingerprints.identity(study, Config(""))["inputs"])

  def test_another_number_format_is_another_run(self):
    self.run_study()
    with oracles.float64():
      self.assertFalse(self.is_finished())
      self.run_study()
      self.assertTrue(self.is_finished())
    self.assertEqual(self.num_runs(), 2)
    self.assertFalse(self.is_finished())
    env = json.loads((self.folder / "env.json").read_text())
    self.assertIs(env["settings"]["jax_enable_x64"], True)

  @parameterized.named_parameters(
    ("matmul", lambda: jax.default_matmul_precision("float32")),
    ("prng", lambda: jax.default_prng_impl("rbg")),
    ("threefry", lambda: jax.threefry_partitionable(False)),
    ("promotion", lambda: jax.numpy_dtype_promotion("strict")),
    ("jit", jax.disable_jit),
    ("platforms", lambda: _platforms("cpu,cuda")),
    ("xla", lambda: _environ(XLA_FLAGS="--xla_cpu_enable_fast_math=true")),
    ("tf32", lambda: _environ(NVIDIA_TF32_OVERRIDE="0")),
  )
  def test_other_settings_are_another_run(self, setting):
    before = fingerprints.identity(STUDY, self.config)
    with setting():
      self.assertNotEqual(before, fingerprints.identity(STUDY, self.config))
    self.assertEqual(before, fingerprints.identity(STUDY, self.config))

  def test_what_is_written_about_a_program_changes_no_run(self):
    with _environ(XLA_FLAGS="--xla_a=1"):
      before = fingerprints.identity(STUDY, self.config)
    with _environ(XLA_FLAGS="--xla_dump_to=/x --xla_a=1", JAX_LOG_COMPILES="1"):
      self.assertEqual(before, fingerprints.identity(STUDY, self.config))

  def test_nested_results_survive_the_disk(self):
    class Part(NamedTuple):
      x: np.ndarray
      y: np.ndarray | None

    class Whole(NamedTuple):
      part: Part
      parts: dict[str, Part]
      missing: Part | None
      number: np.ndarray

    part = Part(np.arange(3), np.array(["a", "b"]))
    by_name = {
      "a-b": part,
      "slope 1/4, ünbiased %": part,
      "c": Part(np.zeros((2, 0)), None),
    }
    whole = Whole(part, by_name, None, np.array(2.5))
    with mock.patch.dict(globals(), Part=Part):  # For its type hints.
      records.save_arrays(self.runs_dir, whole)
      again = records.load_arrays(self.runs_dir, Whole)
    chex.assert_trees_all_equal(again, whole)
    self.assertIsInstance(again.parts["c"], Part)
    self.assertEqual(again.number.shape, ())

  def test_refuses_what_cannot_be_read_back(self):
    for value in (object(), [object()], jnp.zeros(2, jnp.bfloat16)):
      with self.assertRaisesRegex(ValueError, "'x' must hold numbers"):
        records.save_arrays(self.folder, {"x": value})

  def test_two_processes_share_a_run(self):
    command = [
      sys.executable,
      "-m",
      "tests.experiments.dummy_study",
      f"--runs_dir={self.runs_dir}",
      f"--config.log={self.log}",
    ]
    with records.lock(self.folder):
      processes = [
        subprocess.Popen(
          command,
          cwd=records.ROOT,
          stdout=subprocess.PIPE,
          stderr=subprocess.PIPE,
          text=True,
        )
        for _ in range(2)
      ]
      for process in processes:  # Both are now inside, before their run.
        self.assertIn("Waiting for another", process.stderr.readline())
      self.assertFalse(self.log.exists())
    for process in processes:
      output, errors = process.communicate(timeout=60)
      self.assertEqual(process.returncode, 0, errors)
      self.assertIn("How far does a short sum get?", output)
    self.assertEqual(self.num_runs(), 1)
    self.assertTrue(self.is_finished())


if __name__ == "__main__":
  absltest.main()
