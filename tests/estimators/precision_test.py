"""The precision of products, read off the program: a CPU has but one."""

import jax
from absl.testing import absltest, parameterized

from tests import oracles
from tests.estimators import tables


def _precisions(name, cell_name, **settings):
  """Those of all products of an update over three steps."""
  _, _, params, estimator = tables.make(name, cell_name, **settings)
  state = jax.eval_shape(estimator.init, params, jax.random.key(0))
  xs, ys = oracles.make_episode(3)
  text = jax.jit(estimator.update).lower(params, state, xs, ys).as_text()
  products = [
    line
    for line in text.splitlines()
    if "stablehlo.dot_general" in line or "stablehlo.convolution" in line
  ]
  return {line.split("precision = ")[1].split("]")[0] for line in products}


class PrecisionTest(parameterized.TestCase):
  @parameterized.named_parameters(tables.CASES)
  def test_is_the_highest_unless_told_otherwise(self, name, cell_name):
    highest = {"[HIGHEST, HIGHEST"}
    self.assertEqual(_precisions(name, cell_name), highest)
    with jax.default_matmul_precision("bfloat16"):
      self.assertEqual(_precisions(name, cell_name), highest)

  @parameterized.named_parameters(tables.CASES)
  def test_is_what_one_asks_for(self, name, cell_name):
    shorter = _precisions(name, cell_name, precision="tensorfloat32")
    self.assertEqual(shorter, {"[HIGH, HIGH"})
    with jax.default_matmul_precision("bfloat16"):
      as_set = _precisions(name, cell_name, precision=None)
    self.assertEqual(as_set, {"[DEFAULT, DEFAULT"})


if __name__ == "__main__":
  absltest.main()
