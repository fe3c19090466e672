"""Progress: counted once, also under vmap, and never a reason to fail."""

import os
import pathlib
import tempfile
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
from absl.testing import absltest, parameterized

from experiments import progress


def scan_sum(x, steps):
  def body(total, step):
    progress.tick(step, 100, num_reports=10)
    return total + x * x, None

  return jax.lax.scan(body, jnp.zeros_like(x), steps)[0]


class ProgressTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    folder = self.enterContext(tempfile.TemporaryDirectory())
    self.path = str(pathlib.Path(folder) / "status.json")
    self.enterContext(
      mock.patch.dict(os.environ, {progress.STATUS_FILE: self.path})
    )
    self.enterContext(
      mock.patch.object(progress, "_SECONDS_BETWEEN_WRITES", 0.0)
    )
    self.addCleanup(progress.close)

  def test_nested_loops_add_up(self):
    fractions = []
    for _ in progress.track(range(2), "outer"):
      for _ in progress.track(iter("ab"), "inner", total=2):
        fractions.append(progress.read_status(self.path))
    self.assertEqual(
      fractions, [(f, "outer / inner") for f in (0.0, 0.25, 0.5, 0.75)]
    )

  def test_yields_the_elements(self):
    self.assertEqual(list(progress.track("abc", "letters")), list("abc"))
    self.assertEqual(list(progress.track(iter("ab"), "unknown")), list("ab"))

  def test_parts_count_what_is_done(self):
    with progress.parts("both", 2) as done:
      self.assertEqual(progress.read_status(self.path), (0.0, "both"))
      self.assertEqual((done("a"), done("b")), ("a", "b"))
      self.assertEqual(progress.read_status(self.path), (1.0, "both"))

  def test_a_loop_left_early_is_closed(self):
    with self.assertRaises(KeyError):
      for _ in progress.track(range(9), "loop"):
        raise KeyError
    for _ in progress.track(range(2), "next"):
      pass
    self.assertEqual(progress.read_status(self.path), (1.0, "next"))

  @parameterized.named_parameters(
    ("one", scan_sum, (), 1, 100.0),
    ("vmap", jax.vmap(scan_sum, (0, None)), (3,), 1, 100.0),
    ("batched_steps", jax.vmap(scan_sum), (3,), 3, 100.0),
    ("grad", jax.vmap(jax.grad(scan_sum), (0, None)), (3,), 1, 200.0),
  )
  def test_ticks_once_per_report(self, fn, shape, num_copies, want):
    steps = jnp.squeeze(jnp.tile(jnp.arange(100), (num_copies, 1)))
    with mock.patch.object(progress._display, "tick") as tick:
      result = jax.jit(fn)(jnp.ones(shape), steps)
      jax.block_until_ready(result)
      jax.effects_barrier()
    done = sorted(call.args[0] for call in tick.call_args_list)
    self.assertEqual(done, [*range(1, 101, 10), 100])
    np.testing.assert_array_equal(result, np.full(shape, want))

  def test_reports_steps_within_a_loop(self):
    for _ in progress.track(range(2), "runs"):
      jax.block_until_ready(scan_sum(jnp.ones([]), jnp.arange(50)))
      jax.effects_barrier()
      status = progress.read_status(self.path)
      break
    self.assertEqual(status, (0.205, "runs / steps"))

  def test_never_raises(self):
    os.environ[progress.STATUS_FILE] = "/no/such/folder/status.json"
    list(progress.track(range(3), "loop"))
    jax.block_until_ready(scan_sum(jnp.ones([]), jnp.arange(100)))
    jax.effects_barrier()
    self.assertEqual(progress.read_status("/no/such/file"), (0.0, ""))
    pathlib.Path(self.path).write_text('{"fraction"')
    self.assertEqual(progress.read_status(self.path), (0.0, ""))


if __name__ == "__main__":
  absltest.main()
