"""Recipes: short, and each does what it says."""

import contextlib
import importlib
import io
import pathlib
import tempfile

import chex
import jax
import numpy as np
from absl.testing import absltest
from jax import numpy as jnp

import nnfun as nf

_FOLDER = pathlib.Path(__file__).resolve().parents[2] / "examples"
_NAMES = sorted(p.stem for p in _FOLDER.glob("*.py") if p.stem != "__init__")


def _run(name, *args):
  """What a recipe returns, and what it prints."""
  printed = io.StringIO()
  with contextlib.redirect_stdout(printed):
    found = importlib.import_module(f"examples.{name}").main(*args)
  return found, printed.getvalue()


class ExamplesTest(absltest.TestCase):
  def test_all_are_tried_and_short(self):
    tried = {name.removeprefix("test_") for name in dir(self)}
    self.assertContainsSubset(set(_NAMES), tried)
    for name in _NAMES:
      lines = (_FOLDER / f"{name}.py").read_text().count("\n")
      self.assertLess(lines, 80, name)

  def test_own_cell(self):
    errors, _ = _run("own_cell")
    for name, error in errors.items():
      (self.assertLess if "RTRL" in name else self.assertGreater)(error, 1e-4)

  def test_flax_cells(self):
    losses, _ = _run("flax_cells")
    self.assertLen(losses, 2)
    self.assertLess(max(losses.values()), 0.5)  # Nothing learned: 0.66.

  def test_equinox_cells(self):
    losses, _ = _run("equinox_cells")
    self.assertLen(losses, 2)
    self.assertLess(max(losses.values()), 0.5)  # Nothing learned: 0.66.

  def test_an_equinox_cell_has_the_gradient_of_its_module(self):
    """Against `jax.grad` of a loop over the module itself."""
    recipe = importlib.import_module("examples.equinox_cells")
    module = recipe.Leaky(jax.random.key(3))
    cell = recipe.from_equinox(recipe.Leaky)
    xs = jax.random.normal(jax.random.key(4), (7, recipe.NUM_INPUTS))
    params = {
      "cell": cell.init(jax.random.key(3)),
      "readout": jnp.ones(recipe.NUM_UNITS),
    }

    def loss(module):
      h, total = jnp.zeros(recipe.NUM_UNITS), 0.0
      for x in xs:
        h = module(x, h)
        total += jnp.sum(h) ** 2
      return total

    loss_fn = lambda params, h_t, y_t: (params["readout"] @ h_t) ** 2
    found = nf.training.exact_gradient(cell, loss_fn, params, xs, jnp.ones(7))
    chex.assert_trees_all_close(
      jax.tree.leaves(found.grads["cell"]),
      jax.tree.leaves(jax.grad(loss)(module)),
      rtol=1e-4,
    )

  def test_resets_and_padding(self):
    errors, _ = _run("resets_and_padding")
    self.assertEqual(set(errors), {"packed", "padded"})
    self.assertLess(max(errors.values()), 1e-5)

  def test_checkpoint_and_resume(self):
    with tempfile.TemporaryDirectory() as folder:
      first, printed = _run("checkpoint_and_resume", folder)
      self.assertIn("from the start", printed)
      again, printed = _run("checkpoint_and_resume", folder)
      self.assertEqual(printed, "from [10]\n")
    np.testing.assert_array_equal(first, again)

  def test_data_parallel(self):
    gap, printed = _run("data_parallel")
    self.assertIn("8 devices", printed)
    self.assertLess(gap, 1e-5)

  def test_learning_rates(self):
    losses, _ = _run("learning_rates")
    self.assertEqual(losses.shape, (3, 4))
    means = losses.mean(axis=1)
    self.assertLess(means[2], means[0] - 0.03)

  def test_vanishing_gradient(self):
    (reach, depth, broken), _ = _run("vanishing_gradient")
    self.assertLess(reach[0.5], 0.7)
    self.assertGreater(reach[2.0], 1)
    # Weights of variance 1 / n keep a norm; sigmoid' is at most 1/4, and tanh'
    # near 1 once the signal is small.
    self.assertBetween(depth["sigmoid"], 0.18, 0.26)
    self.assertBetween(depth["tanh"], 0.8, 1.05)
    self.assertBetween(broken, 1, 50)

  def test_temporal_difference(self):
    share, _ = _run("temporal_difference")
    self.assertLess(share, 0.5)  # A value that knows no cue has 1.


if __name__ == "__main__":
  absltest.main()
