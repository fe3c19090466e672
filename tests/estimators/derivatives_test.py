"""Derivatives of what estimators return: of a gradient, of a loss."""

import functools

import jax
import numpy as np
import optax
from absl.testing import absltest

import nnfun as nf
from tests import oracles


def _vanilla():
  cell = oracles.CELLS["vanilla"]()
  loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
  return cell, loss_fn, params, oracles.make_episode(5)


class DerivativesTest(absltest.TestCase):
  def test_derivatives_of_a_state_whose_tangent_comes_from_elsewhere(self):
    """Entries of one value, of which one alone depends on the parameter."""
    with oracles.float64():
      cell, loss_fn, params, (xs, ys) = _vanilla()

      def follow(estimator, state, shifts):
        for t, shift in shifts.items():
          shifted = jax.tree.map(lambda p, shift=shift: p + shift, params)
          piece = slice(t, t + 1)
          state, estimate = estimator.update(
            shifted, state, xs[piece], ys[piece]
          )
        return state, estimate

      @functools.partial(jax.jit, static_argnums=0)
      def derivative(estimator):
        state = estimator.init(params, jax.random.key(0))
        start = lambda shift: follow(estimator, state, {0: 0, 1: shift, 2: 0})
        later = lambda state: follow(estimator, state, {3: 0, 4: 0})
        middle = start(0.0)[0]
        _, (tangent, _) = jax.jvp(start, (0.0,), (1.0,))
        _, (_, tangent) = jax.jvp(later, (middle,), (tangent,))
        return tangent.grads

      expected = derivative(nf.estimators.rtrl(cell, loss_fn))
      for estimator in (
        nf.estimators.rtrl(cell, loss_fn, flush_every=5),
        nf.estimators.rolling_bptt(cell, loss_fn, window=5),
      ):
        oracles.assert_same_gradient(derivative(estimator), expected)

  def test_reverse_derivatives_of_the_loss(self):
    with oracles.float64():
      cell, loss_fn, params, (xs, ys) = _vanilla()
      _, expected = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
      estimator = nf.estimators.rtrl(cell, loss_fn, flush_every=3)

      def loss(params):
        return nf.training.episode_gradient(
          estimator, params, jax.random.key(0), xs, ys, segment=1
        ).loss

      oracles.assert_same_gradient(jax.jit(jax.grad(loss))(params), expected)

  def test_reverse_derivatives_of_gradients(self):
    """The textbook has them; a tape says in one sentence that it has not."""
    with oracles.float64():
      cell, loss_fn, params, (xs, ys) = _vanilla()

      def last_loss(rate, estimator):
        optimizer = optax.sgd(rate)
        state = nf.training.stream_init(
          estimator, optimizer, params, jax.random.key(0)
        )
        return nf.training.train_stream(
          estimator, optimizer, state, xs, ys, segment=1
        )[1][-1]

      textbook = nf.estimators.rtrl(cell, loss_fn)

      def forward_of(estimator):
        return jax.jit(jax.jacfwd(lambda rate: last_loss(rate, estimator)))(0.1)

      def reverse_of(estimator):
        return jax.jit(jax.grad(lambda rate: last_loss(rate, estimator)))(0.1)

      forward, reverse = forward_of(textbook), reverse_of(textbook)
      np.testing.assert_allclose(reverse, forward, rtol=1e-10)
      self.assertGreater(abs(float(forward)), 1e-3)
      for estimator in (
        nf.estimators.rtrl(cell, loss_fn, flush_every=3),
        nf.estimators.rolling_bptt(cell, loss_fn, window=5),
      ):
        np.testing.assert_allclose(forward_of(estimator), forward, rtol=1e-10)
        with self.assertRaisesRegex(ValueError, "forward derivative.*no rev"):
          reverse_of(estimator)
      truncated = nf.estimators.truncated_bptt(cell, loss_fn)
      np.testing.assert_allclose(
        reverse_of(truncated), forward_of(truncated), rtol=1e-10
      )


if __name__ == "__main__":
  absltest.main()
