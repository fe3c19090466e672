"""Derivatives of what estimators return: of a gradient, of a loss."""

import functools
from unittest import mock

import jax
import numpy as np
import optax
from absl.testing import absltest, parameterized
from jax import numpy as jnp

import nnfun as nf
from nnfun import loops
from tests import oracles


def _vanilla():
  cell = oracles.CELLS["vanilla"]()
  loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
  return cell, loss_fn, params, oracles.make_episode(5)


_MAKE = {
  "rtrl": functools.partial(nf.estimators.rtrl, flush_every=1),
  "lazy": functools.partial(nf.estimators.rtrl, flush_every=4),
  "rolling": functools.partial(nf.estimators.rolling_bptt, window=3),
  "diagonal": nf.estimators.diagonal_rtrl,
  "truncated": nf.estimators.truncated_bptt,
}


class DerivativesTest(parameterized.TestCase):
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
    """Of the learning rate, forward and reverse."""
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

  @parameterized.product(
    name=("rtrl", "lazy", "rolling", "diagonal", "truncated"),
    segment=(1, 3),
    on_accelerator=(False, True),
  )
  def test_derivatives_where_the_loss_does_not_look(
    self, name, segment, on_accelerator
  ):
    """The gradient is linear in the loss's weight, also at a weight of zero."""
    with (
      oracles.float64(),
      mock.patch.object(loops, "on_accelerator", lambda: on_accelerator),
    ):
      cell = oracles.CELLS["elstm" if name == "diagonal" else "vanilla"]()
      params, (xs, ys) = oracles.make_params(cell), oracles.make_episode(6)
      resets = jnp.arange(6) == 4

      def gradient(weight):
        def loss_fn(_, state_t, y_t):
          h_t = nf.base.last_leaf(state_t)
          return weight * jnp.sum(jnp.sin(h_t)) * y_t[0]

        return nf.training.episode_gradient(
          _MAKE[name](cell, loss_fn),
          params,
          jax.random.key(0),
          xs,
          ys,
          segment=segment,
          resets=resets,
        ).grads["cell"]

      @jax.jit
      def derivatives(weight):
        value, tangent = jax.jvp(gradient, (weight,), (1.0,))
        reverse = jax.grad(
          lambda w: sum(map(jnp.sum, jax.tree.leaves(gradient(w))))
        )(weight)
        return value, tangent, reverse

      expected, _, _ = derivatives(1.0)
      total = sum(map(jnp.sum, jax.tree.leaves(expected)))
      for weight in (0.0, 1.0):
        _, tangent, reverse = derivatives(weight)
        oracles.assert_same_gradient(tangent, expected)
        np.testing.assert_allclose(reverse, total, rtol=1e-9)


if __name__ == "__main__":
  absltest.main()
