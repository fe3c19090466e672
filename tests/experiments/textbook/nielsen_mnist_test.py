"""Nielsen's networks: his update rule in NumPy, and claims on made-up runs."""

import functools

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized

import nnfun as nf
from experiments import sweeps
from experiments.textbook import nielsen_mnist
from experiments.textbook.nielsen_mnist import readings, run
from tests.experiments import study_case

_fit = sweeps.quick_jit(functools.partial(run.fit, num_epochs=3))


def _sigmoid(z):
  return 1 / (1 + np.exp(-z))


def _network2(layers, xs, ys, setting, decay):
  """One update by all examples, after update_mini_batch of the book's code."""
  weights, biases = ([layer[name] for layer in layers] for name in "wb")
  nabla_w, nabla_b = (
    [np.zeros_like(p) for p in ps] for ps in (weights, biases)
  )
  for x, y in zip(xs, ys, strict=True):
    hidden = _sigmoid(weights[0] @ x + biases[0])
    output = _sigmoid(weights[1] @ hidden + biases[1])
    delta = output - y
    if not setting.is_cross_entropy:
      delta = delta * output * (1 - output)
    nabla_b[1] += delta
    nabla_w[1] += np.outer(delta, hidden)
    delta = (weights[1].T @ delta) * hidden * (1 - hidden)
    nabla_b[0] += delta
    nabla_w[0] += np.outer(delta, x)
  rate = setting.learning_rate
  step = rate / len(xs)
  return tuple(
    {"w": (1 - rate * decay) * w - step * dw, "b": b - step * db}
    for w, b, dw, db in zip(weights, biases, nabla_w, nabla_b, strict=True)
  )


def _published():
  """Runs around the book's numbers, as ten seeds on MNIST would store them."""
  rng, made = np.random.default_rng(0), {}
  for name in readings.SETTINGS:
    first, last = 80.0, 96.0
    for number in readings.PUBLISHED:
      if number.setting == name:
        is_first = number.epoch == "first"
        first = number.percent if is_first else first
        last = readings.LAST[name] if is_first else number.percent
    noise = 0.05 * rng.permutation(np.linspace(-1.8, 1.8, 10))[:, None]
    curves = np.linspace(first, last, 30) + noise
    if name == "quadratic_100":  # The first half are stuck.
      curves[:5] += np.array([-20.0, -12.0, -10.0, -15.0, -11.0])[:, None]
    curves = np.hstack([np.full((10, 1), 10.0), curves]) / 100
    made[name] = np.stack([curves, curves, np.ones_like(curves)], axis=-1)
  return run.Results(made, np.array(True))


class NielsenTest(study_case.StudyCase):
  study = nielsen_mnist.STUDY
  small = run.Config(num_seeds=3, num_epochs=2, num_epochs_small=40)

  def test_runs_and_learns(self):
    for name, setting in readings.SETTINGS.items():
      accuracy = self.results().curves[name]
      num_epochs = (40 if setting.is_small else 2) * (1 + setting.is_long)
      chex.assert_shape(accuracy, (3, num_epochs + 1, 3))
      self.assertTrue(np.all((accuracy >= 0) & (accuracy <= 1)))
    learned = self.results().curves["small"]
    self.assertLess(learned[:, 0].max(), 0.3)
    self.assertGreater(learned[:, -1, 0].min(), 0.55)
    same = self.results().curves["decay_30"][:, 0]
    np.testing.assert_array_equal(learned[:, 0], same)

  @parameterized.parameters(("entropy_30", 0.3), ("quadratic_30", 0.0))
  def test_is_the_books_update(self, name, decay):
    setting, rng = readings.SETTINGS[name], np.random.default_rng(0)
    # All examples in one mini-batch: their order does not matter.
    xs, labels = rng.uniform(size=(10, 64)), rng.integers(10, size=10)
    images = nf.data.Images(xs, labels)
    params = run.start(setting, 64, self.small)
    params = jax.tree.map(np.float64, params)
    with jax.enable_x64(True):
      keys = jax.random.split(jax.random.key(0), 3)
      fitted = _fit(keys, params, setting, decay, images, (images,))
    layers = jax.tree.map(lambda leaf: leaf[1], params)
    for _ in range(3):
      layers = _network2(layers, xs, np.eye(10)[labels], setting, decay)
    actual = jax.tree.map(lambda leaf: leaf[1], fitted.params)
    chex.assert_trees_all_close(actual, layers, rtol=1e-10)
    hidden = _sigmoid(xs @ layers[0]["w"].T + layers[0]["b"])
    guesses = (hidden @ layers[1]["w"].T + layers[1]["b"]).argmax(axis=1)
    # In float32; one image more or less would be far more than that.
    expected, (found,) = np.mean(guesses == labels), fitted.evaluations
    self.assertAlmostEqual(found[1, -1], expected, delta=1e-6)

  @parameterized.parameters(("quadratic_100", False), ("narrow", True))
  def test_initial_weights(self, name, is_narrow):
    setting = readings.SETTINGS[name]
    for layer, fan_in in zip(
      run.start(setting, 64, self.small), (64, setting.num_hidden), strict=True
    ):
      self.assertEqual(layer["w"].shape[::2], (3, fan_in))
      scale = fan_in**0.5 if is_narrow else 1.0
      # 900 weights and more: 5 standard errors of a standard deviation.
      np.testing.assert_allclose(np.std(layer["w"]) * scale, 1, rtol=0.12)
      np.testing.assert_allclose(np.std(layer["b"]), 1, rtol=0.65)

  def not_held(self, name, change, column=slice(2)):
    results = _published()
    results.curves[name][:, 1:, column] = change(
      results.curves[name][:, 1:, column]
    )
    return {c.key for c in self.study.claims(results) if not c.holds}

  def test_the_books_numbers_hold(self):
    self.assertEmpty(self.not_held("wide", lambda c: c))
    self.assertLen(self.study.plot(_published()).axes, 3)

  @parameterized.parameters(*readings.PUBLISHED)
  def test_a_shift_by_a_conclusion_is_noticed(self, name, epoch, *published):
    shift = 0.006 * abs(published[0] - published[2])
    for sign in (-1, 1):
      failed = self.not_held(name, lambda c, d=sign * shift: c + d)
      self.assertIn(f"{name}-{epoch}".replace("_", "-"), failed)

  @parameterized.parameters(
    ("narrow", lambda c: c + 0.01, slice(2), "narrow-end"),
    ("small_decay", lambda c: c - 0.06, slice(2), "regularization-helps"),
    ("quadratic_100", lambda c: 0 * c + 0.8, slice(2), "quadratic-100-best"),
    ("quadratic_100", lambda c: 0 * c + 0.96, slice(2), "variation"),
    ("small", lambda c: 0.999 * c, 2, "learned-by-heart"),
  )
  def test_what_is_wrong_is_noticed(self, name, change, column, key):
    self.assertIn(key, self.not_held(name, change, column))

  @parameterized.parameters(
    (dict(num_seeds=2), "num_seeds to be a finite number >= 3"),
    (dict(data_dir="/nowhere"), "data_dir: expected the four files"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.run(run.Config(**settings))


if __name__ == "__main__":
  absltest.main()
