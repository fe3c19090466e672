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

  def test_derivatives_of_the_last_loss_of_an_online_run(self):
    """Every estimator has them, forward and reverse."""
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

      def both(estimator):
        loss = functools.partial(last_loss, estimator=estimator)
        return jax.jit(lambda: (jax.jacfwd(loss)(0.1), jax.grad(loss)(0.1)))()

      exact, reverse = both(nf.estimators.rtrl(cell, loss_fn))
      np.testing.assert_allclose(reverse, exact, rtol=1e-10)
      self.assertGreater(abs(float(exact)), 1e-3)
      for estimator in (
        nf.estimators.rtrl(cell, loss_fn, flush_every=3),
        nf.estimators.rolling_bptt(cell, loss_fn, window=5),
      ):
        np.testing.assert_allclose(both(estimator), [exact] * 2, rtol=1e-10)
      forward, reverse = both(nf.estimators.truncated_bptt(cell, loss_fn))
      np.testing.assert_allclose(reverse, forward, rtol=1e-10)


if __name__ == "__main__":
  absltest.main()
