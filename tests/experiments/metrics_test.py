"""Metrics: what is written is read, over kills and resumes, by two formats."""

import json
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import warnings
from unittest import mock

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp
from tensorboardX.proto import event_pb2

import nnfun as nf
from experiments import metrics, records

# Reports until it kills itself, the last line half written.
_DYING = """
import os, signal, sys
from experiments import metrics
writer = metrics.Writer(sys.argv[1])
for i in range(5):
  writer.report(i, {"loss": i / 2})
os.write(writer._file.fileno(), b'{"update": 5, "lo')
os.kill(os.getpid(), signal.SIGKILL)
"""


def _events(folder):
  """Scalars of TensorBoard's files, read by the frames of a TFRecord."""
  found, purged = [], []
  for path in sorted(folder.glob("events.out.tfevents.*")):
    data = path.read_bytes()
    while data:
      (length,) = struct.unpack("<Q", data[:8])
      event = event_pb2.Event.FromString(data[12 : 12 + length])
      data = data[16 + length :]
      if event.HasField("session_log"):
        purged.append(event.step)
      for value in event.summary.value:
        found.append((event.step, value.tag, value.simple_value))
  return sorted(found), purged


class MetricsTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    folder = self.enterContext(tempfile.TemporaryDirectory())
    self.folder = pathlib.Path(folder) / "run"
    self.file = self.folder / "metrics.jsonl"

  def test_a_line_is_strict_json_and_comes_back(self):
    measured = {
      "loss": np.float32(0.1),
      "layers": (jnp.arange(3), jnp.bfloat16(0.5)),
      "is_bad": np.array(True),
      "norms": np.array([1.0, np.inf, -np.inf, np.nan]),
    }
    with metrics.Writer(self.folder) as writer:
      writer.report(np.int64(7), measured)
      writer.report(8, np.float64(2.5))

    def no_extensions(name):
      raise ValueError(name)

    for text in self.file.read_text().splitlines():
      json.loads(text, parse_constant=no_extensions)
    first, second = metrics.read(self.folder)
    np.testing.assert_equal(
      first,
      {
        "update": 7,
        "is_bad": True,
        "layers/0": [0, 1, 2],
        "layers/1": 0.5,
        "loss": float(np.float32(0.1)),
        "norms": [1.0, np.inf, -np.inf, np.nan],
      },
    )
    self.assertEqual(second, {"update": 8, "value": 2.5})

  def test_reports_of_a_compiled_loop(self):
    with metrics.Writer(self.folder) as writer:
      on_update = nf.training.every(
        3, writer.report, lambda params, estimate: {"loss": estimate.loss}
      )

      @jax.jit
      def train():
        def body(i, _):
          on_update(i, None, nf.base.Estimate(i / 4, None))
          return i + 1, None

        return jax.lax.scan(body, 0, length=8)

      train()
      writer.flush()
      size = self.file.stat().st_size
    self.assertEqual(
      metrics.read(self.folder),
      [{"update": i, "loss": i / 4} for i in (0, 3, 6)],
    )
    self.assertEqual(size, self.file.stat().st_size)

  def test_killed_and_resumed_no_line_is_lost_torn_or_double(self):
    died = subprocess.run(
      [sys.executable, "-c", _DYING, self.folder],
      cwd=records.ROOT,
      capture_output=True,
      text=True,
      timeout=300,
    )
    self.assertEqual(died.returncode, -signal.SIGKILL, died.stderr)
    with self.assertWarnsRegex(UserWarning, "metrics.jsonl is cut short"):
      lines = metrics.read(self.folder)
    self.assertEqual([line["update"] for line in lines], list(range(5)))
    with metrics.Writer(self.folder, start=3) as writer:
      writer.report(3, {"loss": 9.0})
    with warnings.catch_warnings():
      warnings.simplefilter("error")
      lines = metrics.read(self.folder)
    self.assertEqual(
      [(line["update"], line["loss"]) for line in lines],
      [(0, 0.0), (1, 0.5), (2, 1.0), (3, 9.0)],
    )

  def test_a_damaged_line_is_named(self):
    with metrics.Writer(self.folder) as writer:
      writer.report(0, {"loss": 1.0})
    whole = self.file.read_bytes()
    for damaged in (b"{}", b"[1]", b'{"upd'):
      self.file.write_bytes(whole + damaged + b"\n" + whole)
      with self.assertRaisesRegex(ValueError, "expected .* got .* in line 2"):
        metrics.read(self.folder)
      with self.assertRaisesRegex(ValueError, "in line 2"):
        metrics.Writer(self.folder, start=1)

  def test_tensorboard_gets_the_numbers_and_what_to_forget(self):
    for start in (0, 2):
      with metrics.Writer(self.folder, start=start, tensorboard=True) as writer:
        for i in range(start, start + 3):
          writer.report(i, {"loss": i / 2, "each": np.ones(2)})
    events, purged = _events(self.folder)
    expected = [(i, "loss", i / 2) for i in (0, 1, 2, 2, 3, 4)]
    self.assertEqual(events, expected)
    self.assertIn(2, purged)
    self.assertLen(metrics.read(self.folder), 5)

  def test_without_tensorboard(self):
    with mock.patch.dict(sys.modules, {"tensorboardX": None}):
      metrics.Writer(self.folder).close()
      with self.assertRaisesRegex(ValueError, "pip install tensorboardX$"):
        metrics.Writer(self.folder, tensorboard=True)


if __name__ == "__main__":
  absltest.main()
