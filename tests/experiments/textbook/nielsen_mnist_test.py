"""Nielsen's networks: his update rule in NumPy, and claims on made-up runs."""

import functools
import os

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized

import nnfun as nf
from experiments import images as images_lib
from experiments.textbook import nielsen_mnist
from experiments.textbook.nielsen_mnist import claims, networks, readings, run
from tests.experiments import study_case

_SMALL = run.Config(num_seeds=3, num_epochs=3, num_epochs_small=40)
_MNIST = os.environ.get("NNFUN_MNIST_DIR", "")


def _small():
  return study_case.results_of(nielsen_mnist.STUDY, _SMALL)


def _sigmoid(z):
  return 1 / (1 + np.exp(-z))


def _network2(layers, xs, ys, is_cross_entropy, rate, decay):
  """One update by all examples, after update_mini_batch of the book's code."""
  weights, biases = ([layer[name] for layer in layers] for name in "wb")
  nabla_w, nabla_b = (
    [np.zeros_like(p) for p in ps] for ps in (weights, biases)
  )
  for x, y in zip(xs, ys, strict=True):
    hidden = _sigmoid(weights[0] @ x + biases[0])
    output = _sigmoid(weights[1] @ hidden + biases[1])
    delta = output - y
    if not is_cross_entropy:
      delta = delta * output * (1 - output)
    nabla_b[1] += delta
    nabla_w[1] += np.outer(delta, hidden)
    delta = (weights[1].T @ delta) * hidden * (1 - hidden)
    nabla_b[0] += delta
    nabla_w[0] += np.outer(delta, x)
  step = rate / len(xs)
  return tuple(
    {"w": (1 - rate * decay) * w - step * dw, "b": b - step * db}
    for w, b, dw, db in zip(weights, biases, nabla_w, nabla_b, strict=True)
  )


class CaseTest(study_case.StudyCase):
  study = nielsen_mnist.STUDY
  small = _SMALL


class TrainingTest(parameterized.TestCase):
  @parameterized.parameters((True, 0.5, 0.3), (False, 3.0, 0.0))
  def test_is_the_books_update(self, is_cross_entropy, rate, decay):
    rng = np.random.default_rng(0)
    xs, labels = rng.uniform(size=(12, 5)), rng.integers(10, size=12)
    with jax.enable_x64(True):
      params = jax.tree.map(
        np.asarray,
        nf.mlp.init(
          jax.random.key(1), [5, 4, 10], bias_init=jax.nn.initializers.normal()
        ),
      )
      images = nf.data.Images(xs, labels)
      shared = networks.Shared(is_cross_entropy, rate, decay, *[images] * 3)
      # All examples in one mini-batch: their order does not matter.
      fit = functools.partial(networks.fit, batch_size=12, num_epochs=3)
      fitted = jax.jit(fit)(jax.random.key(0), params, shared)
      for _ in range(3):
        params = _network2(
          params, xs, np.eye(10)[labels], is_cross_entropy, rate, decay
        )
      chex.assert_trees_all_close(fitted.params, params, rtol=1e-10)
    hidden = _sigmoid(xs @ params[0]["w"].T + params[0]["b"])
    guesses = (hidden @ params[1]["w"].T + params[1]["b"]).argmax(axis=1)
    for accuracies in fitted.evaluations:
      # In float32; one image more or less would be far more than that.
      expected = np.mean(guesses == labels)
      self.assertAlmostEqual(accuracies[-1], expected, delta=1e-6)

  def test_initial_weights(self):
    starts = networks.starts(jax.random.key(0), 64, 3)
    for name, units, scale in (
      ("quadratic_100", 100, 1.0),
      ("wide", 30, 1.0),
      ("narrow", 30, 8.0),  # sqrt(64).
    ):
      hidden, output = networks.start_of(networks.SETTINGS[name], starts)
      chex.assert_shape(hidden["w"], (3, units, 64))
      chex.assert_shape(output["w"], (3, 10, units))
      # 5,760 weights and more: 5 standard errors of a standard deviation.
      np.testing.assert_allclose(np.std(hidden["w"]) * scale, 1, rtol=0.05)
      np.testing.assert_array_equal(hidden["b"], starts[0]["b"][:, :units])
      fan_in = units**0.5 if name == "narrow" else 1.0
      np.testing.assert_allclose(
        output["w"] * fan_in, starts[1]["w"][:, :, :units], rtol=1e-6
      )


class RunTest(parameterized.TestCase):
  def test_shapes(self):
    results = _small()
    self.assertEqual(set(results.curves), set(readings.NAMES))
    for name, setting in networks.SETTINGS.items():
      num_epochs = (40 if setting.is_small else 3) * setting.num_rounds
      for curves in results.curves[name]:
        chex.assert_shape(curves, (3, num_epochs + 1))
        self.assertTrue(np.all((curves >= 0) & (curves <= 1)))
    self.assertFalse(results.is_published)

  def test_learns(self):
    for name in ("entropy_100", "decay_100", "small"):
      curves = _small().curves[name].held_out
      self.assertLess(curves[:, 0].max(), 0.3)
      self.assertGreater(curves[:, -1].min(), 0.55)

  def test_same_start_for_the_same_seed(self):
    curves = _small().curves
    for other in ("decay_30", "small"):
      np.testing.assert_array_equal(
        curves[other].held_out[:, 0], curves["entropy_30"].held_out[:, 0]
      )
    self.assertLen(set(curves["entropy_100"].few[:, 1]), 3)

  def test_darkness(self):
    train = nf.data.Images(
      np.array([[i, i] for i in range(10)] * 2, np.float32),
      np.tile(np.arange(10), 2),
    )
    # Darkness 4.9 is nearest to digit 2 (4), 13.2 to digit 7 (14).
    test = nf.data.Images(
      np.array([[4.9, 0.0], [0.0, 13.2], [9.0, 9.0], [0.1, 0.2]], np.float32),
      np.array([2, 7, 9, 3]),
    )
    self.assertEqual(run.darkness_accuracy(train, test), 0.75)
    self.assertEqual(run.rarest_share(train), 0.1)

  @absltest.skipUnless(_MNIST, "set NNFUN_MNIST_DIR to its folder")
  def test_darkness_of_mnist_is_the_books(self):
    split = images_lib.load(_MNIST)
    darkness = run.darkness_accuracy(split.train, split.test)
    self.assertAlmostEqual(darkness, 0.2225, delta=1e-9)

  @parameterized.parameters(
    (dict(num_seeds=2), "num_seeds >= 3"),
    (dict(batch_size=501), "from 1 to the 500 examples, got 501"),
    (dict(data_dir="/nowhere"), "data_dir: expected the four files"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.run(run.Config(**settings))


def _published():
  """Runs around the book's numbers, as ten seeds on MNIST would store them."""
  noise = 0.15 * np.linspace(-1.8, 1.8, 10)
  means = {
    "quadratic_30": (90.0, 95.1),
    "quadratic_100": (75.0, 96.5),
    "entropy_30": (91.0, 95.4),
    "entropy_100": (93.0, 96.82),
    "small": (56.0, 82.3),
    "small_decay": (56.0, 87.1),
    "decay_30": (91.0, 96.45),
    "decay_100": (94.0, 97.9),
    "slow_100": (90.0, 98.2),
    "wide": (86.5, 96.37),
    "narrow": (92.7, 96.5),
  }
  rng, made = np.random.default_rng(0), {}
  for name, (first, last) in means.items():
    curves = np.linspace(first, last, 30) + rng.permutation(noise)[:, None]
    if name == "quadratic_100":  # The first half are stuck.
      curves[:5] += np.array([-20.0, -12.0, -10.0, -15.0, -11.0])[:, None]
    start = np.full((10, 1), 10.0)
    few = np.ones((10, 31))
    made[name] = run.Curves(np.hstack([start, curves]) / 100, few)
  numbers = map(np.array, (0.2225, 0.0892, True))
  return run.Results(made, *numbers)


def _changed(name, change):
  results = _published()
  held_out, few = results.curves[name]
  changed = run.Curves(
    np.hstack([held_out[:, :1], change(held_out[:, 1:])]), few
  )
  return results._replace(curves=results.curves | {name: changed})


def _not_held(results):
  return {c.key for c in claims.claims(results) if not c.holds}


class ClaimsTest(parameterized.TestCase):
  def test_without_mnist_the_books_numbers_are_not_run(self):
    found = claims.claims(_small())
    not_run = [claim for claim in found if claim.measurement is None]
    self.assertLen(not_run, len(found) - 3)
    for claim in not_run:
      self.assertIn("--config.data_dir", claim.note)

  def test_published(self):
    found = claims.claims(_published())
    self.assertEmpty(_not_held(_published()))
    self.assertTrue(all(claim.measurement is not None for claim in found))
    self.assertLen(nielsen_mnist.STUDY.plot(_published()).axes, 3)

  @parameterized.parameters(*readings.PUBLISHED)
  def test_a_shift_by_a_conclusion_is_noticed(self, name, epoch, *published):
    shift = 0.01 * abs(published[0] - published[2])
    for sign in (-1, 1):
      failed = _not_held(_changed(name, lambda c, d=sign * shift: c + d))
      self.assertIn(f"{name}-{epoch}".replace("_", "-"), failed)

  def test_what_is_wrong_is_noticed(self):
    for results, key in (
      (_changed("narrow", lambda c: c + 0.01), "narrow-end"),
      (_changed("small_decay", lambda c: c - 0.06), "regularization-helps"),
      (
        _changed("entropy_100", lambda c: 10 * (c - c.mean(0)) + c.mean(0)),
        "variation",
      ),
      (_published()._replace(darkness=np.array(0.2226)), "darkness"),
    ):
      self.assertIn(key, _not_held(results))
    curves = _published().curves
    forgot = curves["small"]._replace(few=np.full((10, 31), 0.999))
    results = _published()._replace(curves=curves | {"small": forgot})
    self.assertIn("learned-by-heart", _not_held(results))

  def test_networks_that_are_all_stuck_are_not_judged(self):
    results = _changed("quadratic_100", lambda c: 0 * c + 0.8)
    found = {claim.key: claim for claim in claims.claims(results)}
    self.assertIsNone(found["quadratic-100-peak"].measurement)


if __name__ == "__main__":
  absltest.main()
