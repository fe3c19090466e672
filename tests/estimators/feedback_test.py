"""Random feedback, against errors that are sent back by hand."""

import functools

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

import nnfun as nf
from tests import oracles
from tests.estimators import tables


class FeedbackTest(parameterized.TestCase):
  @parameterized.product(
    name=("rflo", "eprop"), segment=(1, 3), written=("W h", "h W", "einsum")
  )
  def test_the_error_returns_through_the_matrix_of_the_state(
    self, name, segment, written
  ):
    with oracles.float64():
      cell, _, params, xs, ys = tables.setting("gru")
      w = jax.random.normal(jax.random.key(3), (2, 4))
      params["readout"] = {
        "b": jnp.ones(2),
        "w": w.T if written == "h W" else w,
      }

      def predict(readout, h):
        if written == "h W":
          return jnp.tanh(h) @ readout["w"] + readout["b"]
        if written == "einsum":
          return jnp.einsum("on,n->o", readout["w"], jnp.tanh(h)) + readout["b"]
        return readout["w"] @ jnp.tanh(h) + readout["b"]

      def loss_fn(params, h, y):
        return 0.5 * jnp.sum((predict(params["readout"], h) - y) ** 2)

      make = functools.partial(getattr(nf.estimators, name), cell, loss_fn)
      estimator = make(feedback="random")
      feedback = estimator.init(params, jax.random.key(0)).feedback["w"]
      matrix = feedback.T if written == "h W" else feedback

      def error_fn(h, y):
        error = predict(params["readout"], h) - y
        return (matrix.T @ error) * (1 - jnp.tanh(h) ** 2)

      leak_fn = (
        (lambda d: d) if name == "eprop" else lambda d: np.diag(np.diag(d))
      )
      expected = oracles.leaky_gradients(
        cell, loss_fn, params, xs, ys, leak_fn=leak_fn, error_fn=error_fn
      )
      actual = tables.summed(estimator, params, xs, ys, segment)
      oracles.assert_same_gradient(actual, tables.total(expected))
      symmetric = tables.summed(make(feedback="symmetric"), params, xs, ys)
      # The readout learns as it does without; the cell does not.
      oracles.assert_same_gradient(actual["readout"], symmetric["readout"])
      with self.assertRaisesRegex(AssertionError, "relative error"):
        oracles.assert_same_gradient(actual["cell"], symmetric["cell"])

  def test_of_two_layers_each_has_a_matrix_of_its_own(self):
    """e_2 = y - W_2 r, e_1 = (B_2^T e_2) r', lambda = B_1^T e_1."""
    with oracles.float64():
      cell, _, params, xs, ys = tables.setting("vanilla")
      draw = lambda i, *shape: jax.random.normal(jax.random.key(i), shape)
      params["readout"] = [draw(1, 3, 4), draw(2, 2, 3)]

      def loss_fn(params, h, y):
        first, second = params["readout"]
        return 0.5 * jnp.sum((second @ jnp.tanh(first @ h) - y) ** 2)

      estimator = nf.estimators.eprop(cell, loss_fn, feedback="random")
      b_1, b_2 = estimator.init(params, jax.random.key(0)).feedback

      def error_fn(h, y):
        r = jnp.tanh(params["readout"][0] @ h)
        error = params["readout"][1] @ r - y
        return b_1.T @ ((b_2.T @ error) * (1 - r**2))

      expected = oracles.leaky_gradients(
        cell, loss_fn, params, xs, ys, leak_fn=lambda d: d, error_fn=error_fn
      )
      actual = tables.summed(estimator, params, xs, ys)["cell"]
      oracles.assert_same_gradient(actual, tables.total(expected)["cell"])
      scaled_fn = lambda params, h, y: loss_fn(
        {**params, "readout": [2 * params["readout"][0], params["readout"][1]]},
        h,
        y,
      )
      estimator = nf.estimators.eprop(cell, scaled_fn, feedback="random")
      state = estimator.init(params, jax.random.key(0))
      with self.assertRaisesRegex(ValueError, r"no such product of \[0\]"):
        estimator.update(params, state, xs, ys)

  def test_the_matrix_stays(self):
    cell, loss_fn, params, xs, ys = tables.setting("vanilla")
    estimator = nf.estimators.rflo(cell, loss_fn)
    states = [estimator.init(params, jax.random.key(i)) for i in (0, 1)]
    after, _ = estimator.update(params, states[0], xs, ys)
    before = states[0].feedback["w"]
    np.testing.assert_array_equal(after.feedback["w"], before)
    self.assertFalse(np.array_equal(states[1].feedback["w"], before))

  def test_a_loss_without_a_product_to_replace(self):
    cell, _, params, xs, ys = tables.setting("vanilla")
    loss_fn = lambda params, h, _: jnp.sum(params["readout"]["w"] * h[None])
    estimator = nf.estimators.eprop(cell, loss_fn, feedback="random")
    state = estimator.init(params, jax.random.key(0))
    with self.assertRaisesRegex(ValueError, "to multiply something with every"):
      estimator.update(params, state, xs, ys)
    with self.assertRaisesRegex(
      ValueError, r"with a matrix.* got shapes \[\(2,"
    ):
      estimator.init({**params, "readout": jnp.ones(2)}, jax.random.key(0))


if __name__ == "__main__":
  absltest.main()
