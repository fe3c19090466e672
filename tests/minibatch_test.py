"""Mini-batch training against a loop in NumPy over what it was given."""

import functools

import chex
import jax
import numpy as np
import optax
from absl.testing import absltest, parameterized
from jax import numpy as jnp

import nnfun as nf
from tests import oracles

_SEED = 3
_KEY = jax.random.key(_SEED)
_SIZES = (2, 4, 3)
_RATE = 0.7


@functools.cache
def _batches(seed, num_examples, batch_size, num_epochs):
  """Which examples were in each batch [num_epochs, batches, batch_size].

  With the loss params[i] of example i the gradient is 1 / B at the examples of
  the batch, and this optimiser keeps every gradient it has seen.
  """
  per_epoch = num_examples // batch_size
  kept = np.zeros((num_epochs * per_epoch, num_examples), np.float32)
  recorder = optax.GradientTransformation(
    lambda params: (jnp.asarray(0), jnp.asarray(kept)),
    lambda grads, state, params: (
      jnp.zeros_like(grads),
      (state[0] + 1, state[1].at[state[0]].set(grads)),
    ),
  )
  fitted = nf.minibatch.fit(
    lambda params, x, y: params[x],
    recorder,
    jnp.zeros(num_examples),
    jax.random.key(seed),
    jnp.arange(num_examples),
    jnp.arange(num_examples),
    batch_size=batch_size,
    num_epochs=num_epochs,
  )
  seen = np.asarray(fitted.optimizer_state[1])
  np.testing.assert_allclose(seen.sum(1), 1, rtol=1e-6)
  examples = [np.flatnonzero(row) for row in seen]
  return np.reshape(examples, (num_epochs, per_epoch, batch_size))


def _examples(num_examples):
  rng = np.random.default_rng(0)
  xs = rng.normal(size=(num_examples, _SIZES[0]))
  return xs, rng.uniform(size=(num_examples, _SIZES[-1]))


def _params(key=_KEY):
  return nf.mlp.init(key, _SIZES, bias_init=jax.nn.initializers.normal(1.0))


def _loss(params, x, y):
  layers = [jax.nn.sigmoid] * 2
  return nf.losses.quadratic(nf.mlp.apply(params, x, layers), y)


def _fit(params, key, xs, ys, rate=_RATE, **kwargs):
  return nf.minibatch.fit(_loss, optax.sgd(rate), params, key, xs, ys, **kwargs)


def _sigmoid(z):
  return 1 / (1 + np.exp(-z))


def _by_hand(params, xs, ys, batches, momentum=0.0):
  """Backpropagation for one example after the other; losses by epoch."""
  (w1, b1), (w2, b2) = [
    [np.array(layer[name], np.float64) for name in "wb"] for layer in params
  ]
  speed = [np.zeros_like(p) for p in (w1, b1, w2, b2)]
  losses = []
  for epoch in batches:
    total = 0.0
    for batch in epoch:
      grads = [np.zeros_like(p) for p in (w1, b1, w2, b2)]
      for i in batch:
        hidden = _sigmoid(w1 @ xs[i] + b1)
        out = _sigmoid(w2 @ hidden + b2)
        total += 0.5 * np.sum((out - ys[i]) ** 2) / len(batch)
        delta2 = (out - ys[i]) * out * (1 - out)
        delta1 = (w2.T @ delta2) * hidden * (1 - hidden)
        one = (
          np.outer(delta1, xs[i]),
          delta1,
          np.outer(delta2, hidden),
          delta2,
        )
        grads = [
          g + new / len(batch) for g, new in zip(grads, one, strict=True)
        ]
      speed = [momentum * v + g for v, g in zip(speed, grads, strict=True)]
      w1, b1, w2, b2 = (
        p - _RATE * v for p, v in zip((w1, b1, w2, b2), speed, strict=True)
      )
    losses.append(total / len(epoch))
  return ({"w": w1, "b": b1}, {"w": w2, "b": b2}), np.array(losses)


class BatchesTest(parameterized.TestCase):
  @parameterized.parameters((1, 10), (3, 9), (10, 10))
  def test_an_epoch_draws_without_replacement(self, batch_size, num_drawn):
    for epoch in _batches(_SEED, 10, batch_size, 4):
      self.assertLen(np.unique(epoch), num_drawn)

  def test_each_epoch_and_each_key_has_its_own_order(self):
    orders = [_batches(seed, 10, 3, 4) for seed in (_SEED, 4)]
    distinct = {epoch.tobytes() for order in orders for epoch in order}
    self.assertLen(distinct, 8)

  def test_every_example_is_left_out_equally_often(self):
    num_epochs = 2000
    left_out = np.ones((num_epochs, 5))
    order = _batches(_SEED, 5, 2, num_epochs).reshape(num_epochs, -1)
    left_out[np.arange(num_epochs)[:, None], order] = 0
    # 1 of 5 sits out, so each does in 1/5 of the epochs: 4 standard errors.
    error = np.sqrt(0.2 * 0.8 / num_epochs)
    np.testing.assert_allclose(left_out.mean(0), 0.2, atol=4 * error)


class FitTest(parameterized.TestCase):
  @parameterized.parameters((1, 0.0), (3, 0.9), (10, 0.0))
  def test_is_the_loop(self, batch_size, momentum):
    batches = _batches(_SEED, 10, batch_size, 4)
    with oracles.float64():
      xs, ys = _examples(10)
      params = _params()
      fitted = nf.minibatch.fit(
        _loss,
        optax.sgd(_RATE, momentum=momentum),
        params,
        _KEY,
        xs,  # NumPy's arrays will do.
        ys,
        batch_size=batch_size,
        num_epochs=4,
      )
      expected, losses = _by_hand(params, xs, ys, batches, momentum)
      chex.assert_trees_all_close(
        fitted.params, expected, rtol=1e-12, atol=1e-13
      )
      np.testing.assert_allclose(fitted.losses, losses, rtol=1e-12)

  def test_another_order_is_seen(self):
    same, other = (_batches(seed, 10, 3, 4) for seed in (_SEED, 4))
    xs, ys = _examples(10)
    params = _params()
    expected, _ = _by_hand(params, xs, ys, same)
    broken, _ = _by_hand(params, xs, ys, other)
    difference = np.abs(broken[0]["w"] - expected[0]["w"])
    self.assertGreater(difference.max(), 1e-3)

  def test_all_examples_at_once_is_gradient_descent(self):
    with oracles.float64():
      xs, ys = map(jnp.asarray, _examples(6))
      params = _params()
      fitted = _fit(params, _KEY, xs, ys, batch_size=6, num_epochs=5)

      @jax.jit
      @jax.value_and_grad
      def cost(params):
        return jnp.mean(jax.vmap(_loss, (None, 0, 0))(params, xs, ys))

      for loss in fitted.losses:
        expected, grads = cost(params)
        np.testing.assert_allclose(loss, expected, rtol=1e-12)
        params = jax.tree.map(lambda p, g: p - _RATE * g, params, grads)
      chex.assert_trees_all_close(fitted.params, params, rtol=1e-12, atol=1e-13)

  def test_vmap_over_seeds_and_learning_rates_is_a_loop(self):
    xs, ys = map(jnp.asarray, _examples(10))
    keys = jax.random.split(jax.random.key(5), 3)
    rates = jnp.array([0.1, 2.0])

    def train(key, rate):
      key_init, key_order = jax.random.split(key)
      fitted = _fit(
        _params(key_init), key_order, xs, ys, rate, batch_size=3, num_epochs=2
      )
      return fitted.params, fitted.losses

    alone = jax.jit(train)
    grid = jax.jit(jax.vmap(jax.vmap(train, (None, 0)), (0, None)))
    together = grid(keys, rates)
    for i, key in enumerate(keys):
      for j, rate in enumerate(rates):
        one = jax.tree.map(lambda leaf, i=i, j=j: leaf[i, j], together)
        chex.assert_trees_all_close(one, alone(key, rate), rtol=1e-5, atol=1e-6)

  def test_evaluates_at_the_start_and_after_each_epoch(self):
    xs = np.linspace(-1, 1, 10, dtype=np.float32)
    settings = {"batch_size": 5, "num_epochs": 3}
    start = jnp.asarray(0.25)
    train = lambda evaluate: nf.minibatch.fit(
      lambda w, x, y: (w * x - y) ** 2,
      optax.sgd(0.1),
      start,
      _KEY,
      xs,
      2 * xs,
      evaluate_fn=evaluate,
      **settings,
    )
    fitted = train(lambda w: {"w": w, "one": 1.0})
    values = fitted.evaluations["w"]
    chex.assert_shape(values, (4,))
    self.assertEqual((values[0], values[-1]), (start, fitted.params))
    self.assertLen(set(values.tolist()), 4)
    np.testing.assert_array_equal(fitted.evaluations["one"], np.ones(4))
    self.assertIsNone(train(None).evaluations)
    settings["num_epochs"] = 0
    fitted = train(lambda w: w)
    self.assertEqual(fitted.params, start)
    chex.assert_shape((fitted.losses, fitted.evaluations), [(0,), (1,)])

  def test_the_second_call_does_not_compile(self):
    chex.clear_trace_counter()
    xs, ys = map(jnp.asarray, _examples(10))

    @jax.jit
    @chex.assert_max_traces(n=1)
    def train(params, key, rate):
      return _fit(params, key, xs, ys, rate, batch_size=3, num_epochs=2).params

    first = train(_params(), _KEY, 0.1)
    second = train(first, jax.random.key(9), 0.5)
    chex.assert_trees_all_equal_shapes_and_dtypes(first, second)

  def test_an_optimizer_gets_the_loss_and_the_gradient(self):
    # Polyak's step, (loss - f_min) / norm(gradient)^2 gradient, in NumPy.
    with oracles.float64():
      xs = np.linspace(-1, 1, 8)
      fitted = nf.minibatch.fit(
        lambda w, x, y: (w * x - y) ** 2,
        optax.polyak_sgd(max_learning_rate=10.0),
        0.5,
        _KEY,
        xs,
        3 * xs,
        batch_size=8,
        num_epochs=5,
      )
    w, losses = 0.5, []
    for _ in range(5):
      losses.append(np.mean((w * xs - 3 * xs) ** 2))
      slope = np.mean(2 * (w * xs - 3 * xs) * xs)
      w -= losses[-1] / slope**2 * slope
    np.testing.assert_allclose(fitted.params, w, rtol=1e-10)
    np.testing.assert_allclose(fitted.losses, losses, rtol=1e-10)

  def test_reduces_the_rate_on_a_plateau(self):
    # A constant loss: the scale is halved once in two updates.
    plateau = optax.contrib.reduce_on_plateau(factor=0.5, patience=2)
    fitted = nf.minibatch.fit(
      lambda w, x, y: 1.0 + 0 * w,
      optax.chain(optax.sgd(0.5), plateau),
      0.0,
      _KEY,
      np.zeros(4),
      np.zeros(4),
      batch_size=1,
      num_epochs=2,
    )
    scale = optax.tree.get(fitted.optimizer_state, "scale")
    self.assertLess(scale, 1)

  def test_refuses_a_line_search(self):
    xs, ys = _examples(10)
    with self.assertRaisesRegex(ValueError, "line search"):
      nf.minibatch.fit(
        _loss, optax.lbfgs(), _params(), _KEY, xs, ys, batch_size=5,
        num_epochs=1,
      )  # fmt: skip

  @parameterized.parameters(
    (lambda loss: jnp.stack([loss, loss]), r"real scalar, got shape \(2,\)"),
    (lambda loss: loss[jnp.newaxis], r"real scalar, got shape \(1,\)"),
    (lambda loss: 1j * loss, r"real scalar, got .* complex64"),
    (lambda loss: (loss, loss), r"real scalar, got a tuple"),
  )
  def test_refuses_a_loss_that_is_no_real_scalar(self, change, message):
    xs, ys = _examples(10)
    with self.assertRaisesRegex(ValueError, message):
      nf.minibatch.fit(
        lambda *args: change(_loss(*args)), optax.sgd(0.1), _params(), _KEY,
        np.float32(xs), np.float32(ys), batch_size=5, num_epochs=1,
      )  # fmt: skip

  @parameterized.parameters(
    (dict(batch_size=2.0), r"batch_size to be a positive integer, got 2.0"),
    (dict(batch_size=True), r"batch_size to be a positive integer, got True"),
    (dict(num_epochs=2.0), r"num_epochs .* at least 0, got 2.0"),
    (dict(batch_size=0), r"batch_size to be a positive integer, got 0"),
    (dict(batch_size=11), r"from 1 to the 10 examples, got 11"),
    (dict(num_epochs=-1), r"num_epochs .* at least 0, got -1"),
    (dict(ys=np.zeros((9, 3))), r"one number N .* got \[\[9\], \[10\]\]"),
    (dict(ys=np.float32(1)), r"one number N .* got \[\[\], \[10\]\]"),
    (dict(xs=(), ys=()), r"one number N .* got \[\]"),
  )
  def test_refuses(self, changes, message):
    xs, ys = _examples(10)
    settings = dict(xs=xs, ys=ys, batch_size=5, num_epochs=1) | changes
    with self.assertRaisesRegex(ValueError, message):
      _fit(_params(), _KEY, **settings)


if __name__ == "__main__":
  absltest.main()
