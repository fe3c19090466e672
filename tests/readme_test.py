"""The README's Python runs as it stands."""

import contextlib
import io
import pathlib
import re

import jax
from absl.testing import absltest
from jax import numpy as jnp

import nnfun as nf
from tests import oracles

_README = pathlib.Path(__file__).resolve().parent.parent / "README.md"


class ReadmeTest(absltest.TestCase):
  def test_the_example_runs_and_learns(self):
    blocks = re.findall(r"```python\n(.*?)```", _README.read_text(), re.DOTALL)
    self.assertLen(blocks, 2)
    names, printed = {}, io.StringIO()
    with contextlib.redirect_stdout(printed):
      for block in blocks:
        exec(block, names)
    first, last = map(float, re.findall(r"\d\.\d+", printed.getvalue()))
    # Entropies of the task: nothing learned 0.66, everything 0.4545.
    self.assertGreater(first, 0.5)
    self.assertLess(last, 0.49)
    # "calling it again goes on where it stopped", and does not diverge.
    state = names["state"]
    for _ in range(8):
      state, losses = names["train"](state)
      self.assertLess(float(losses[-200:].mean()), 0.49)

    mine = names["mine"]
    params = {"cell": mine.init(jax.random.key(0)), "readout": jnp.eye(2, 8)}
    xs, ys = jnp.ones((4, 2)), jnp.full((4, 2), 0.5)
    estimate = nf.training.episode_gradient(
      names["exact"], params, jax.random.key(0), xs, ys, segment=1
    )
    _, expected = oracles.whole_gradient(mine, names["loss_fn"], params, xs, ys)
    oracles.assert_same_gradient(estimate.grads, expected)


if __name__ == "__main__":
  absltest.main()
