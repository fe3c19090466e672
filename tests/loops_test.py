"""Loops and decisions in a batch."""

import jax
import numpy as np
from absl.testing import absltest
from jax import numpy as jnp
from jax.extend import core

from nnfun import loops


def _eigh_shapes(jaxpr):
  """The shapes which decompositions get, wherever they are."""
  for eqn in jaxpr.eqns:
    if eqn.primitive.name == "eigh":
      yield eqn.invars[0].aval.shape
    for inner in core.jaxprs_in_params(eqn.params):
      yield from _eigh_shapes(inner)


class OneByOneTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    self.alone = loops.one_by_one(
      lambda matrix, shift: jnp.linalg.eigh(matrix)[0] + shift
    )
    draw = np.random.default_rng(0).normal(size=(3, 2, 4, 4))
    self.matrices = jnp.asarray(draw + draw.swapaxes(2, 3), jnp.float32)

  def test_a_batch_of_batches_is_each_of_them(self):
    many = jax.vmap(jax.vmap(self.alone, (0, None)), (0, 0))
    actual = jax.jit(many)(self.matrices, jnp.arange(3.0))
    for i in range(3):
      expected = np.linalg.eigvalsh(self.matrices[i]) + i
      np.testing.assert_allclose(actual[i], expected, rtol=1e-5, atol=1e-5)

  def test_nothing_is_decomposed_as_a_batch(self):
    many = jax.vmap(jax.vmap(self.alone, (0, None)), (0, None))
    jaxpr = jax.make_jaxpr(many)(self.matrices, 0.0)
    self.assertEqual(set(_eigh_shapes(jaxpr.jaxpr)), {(4, 4)})
    plain = jax.vmap(jax.vmap(jnp.linalg.eigh))
    jaxpr = jax.make_jaxpr(plain)(self.matrices)
    self.assertEqual(set(_eigh_shapes(jaxpr.jaxpr)), {(3, 2, 4, 4)})


if __name__ == "__main__":
  absltest.main()
