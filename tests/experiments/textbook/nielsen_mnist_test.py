"""Nielsen's networks: his update rule in NumPy, and claims on made-up runs."""

import collections
import dataclasses
import functools
import hashlib
import math
import pathlib
import struct
import tempfile
from unittest import mock

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from scipy import stats

import nnfun as nf
from experiments.textbook import nielsen_mnist
from experiments.textbook import nielsen_mnist_data as data_lib
from experiments.textbook import nielsen_mnist_settings as settings_lib
from experiments.textbook import nielsen_mnist_statistics as statistics_lib
from nnfun.data import idx

_SMALL = nielsen_mnist.Config(num_seeds=3, num_epochs=3, num_epochs_small=40)


@functools.cache
def _small():
  return nielsen_mnist.run(_SMALL)


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
      # All examples in one mini-batch: their order does not matter.
      fit = jax.jit(
        functools.partial(nielsen_mnist.fit_one, batch_size=12, num_epochs=3)
      )
      fitted = fit(
        jax.random.key(0),
        params,
        is_cross_entropy,
        rate,
        decay,
        images,
        images,
        images,
      )
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
    data = data_lib.load("")
    starts = jax.vmap(nielsen_mnist._start(data))(
      jax.random.split(jax.random.key(0), 3)
    )
    for name, units, scale in (
      ("quadratic_100", 100, 1.0),
      ("wide", 30, 1.0),
      ("narrow", 30, 8.0),  # sqrt(64).
    ):
      setting = settings_lib.SETTINGS[name]
      hidden, output = nielsen_mnist.start_of(setting, starts)
      chex.assert_shape(hidden["w"], (3, units, 64))
      chex.assert_shape(output["w"], (3, 10, units))
      # 5,760 weights and more: 5 standard errors of a standard deviation.
      np.testing.assert_allclose(np.std(hidden["w"]) * scale, 1, rtol=0.05)
      np.testing.assert_array_equal(hidden["b"], starts[0]["b"][:, :units])
      fan_in = units**0.5 if name == "narrow" else 1.0
      np.testing.assert_allclose(
        output["w"] * fan_in, starts[1]["w"][:, :, :units], rtol=1e-6
      )


class DataTest(absltest.TestCase):
  def test_digits_are_cut_in_three(self):
    data = data_lib.load("")
    sizes = [len(images.labels) for images in data[:3]]
    self.assertEqual(sizes, [500, 648, 648])
    parts = collections.Counter(
      row.tobytes() for images in data[:3] for row in images.pixels
    )
    whole = collections.Counter(
      row.tobytes() for row in nf.data.digits().pixels
    )
    self.assertLessEqual(parts, whole)  # Nobody is in two parts.
    chex.assert_shape(data_lib.small(data).pixels, (100, 64))

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
    self.assertEqual(data_lib.darkness_accuracy(train, test), 0.75)
    self.assertEqual(data_lib.rarest_share(train), 0.1)

  def test_mnist_is_missing(self):
    with self.assertRaisesRegex(
      ValueError, "data_dir: expected the four files"
    ):
      nielsen_mnist.run(dataclasses.replace(_SMALL, data_dir="/nowhere"))

  def test_mnist_is_cut_as_in_the_book(self):
    folder = pathlib.Path(self.enter_context(tempfile.TemporaryDirectory()))
    sums = {}
    for name, array in {
      "train-images-idx3-ubyte": np.arange(60_000) % 251,
      "train-labels-idx1-ubyte": np.arange(60_000) % 10,
      "t10k-images-idx3-ubyte": np.arange(10_000) % 251,
      "t10k-labels-idx1-ubyte": np.arange(10_000) % 10,
    }.items():
      axes = [len(array), 1, 1] if "images" in name else [len(array)]
      head = struct.pack(f">BBBB{len(axes)}I", 0, 0, 8, len(axes), *axes)
      content = head + array.astype(np.uint8).tobytes()
      (folder / name).write_bytes(content)
      sums[name] = hashlib.sha256(content).hexdigest()
    with mock.patch.dict(idx._MNIST_SHA256, sums):
      data = data_lib.load(str(folder))
    sizes = [len(images.labels) for images in data[:3]]
    self.assertEqual(sizes, [50_000, 10_000, 10_000])
    self.assertEqual(float(data.validation.pixels[0, 0] * 255), 50_000 % 251)
    self.assertEqual((data.num_small, data.num_epochs), (1000, 30))
    self.assertEqual((data.num_epochs_small, data.decay), (400, 1e-4))


class RunTest(parameterized.TestCase):
  def test_shapes(self):
    results = _small()
    for name, setting in settings_lib.SETTINGS.items():
      num_epochs = (40 if setting.is_small else 3) * setting.num_rounds
      for what in ("held_out", "small"):
        curves = results[f"{what}_{name}"]
        chex.assert_shape(curves, (3, num_epochs + 1))
        self.assertTrue(np.all((curves >= 0) & (curves <= 1)))
    self.assertFalse(results["is_published"])

  def test_learns(self):
    for name in ("entropy_100", "decay_100", "small"):
      curves = _small()[f"held_out_{name}"]
      self.assertLess(curves[:, 0].max(), 0.3)
      self.assertGreater(curves[:, -1].min(), 0.55)

  def test_same_start_for_the_same_seed(self):
    results = _small()
    for other in ("decay_30", "small"):
      np.testing.assert_array_equal(
        results[f"held_out_{other}"][:, 0], results["held_out_entropy_30"][:, 0]
      )
    self.assertLen(set(results["small_entropy_100"][:, 1]), 3)

  def test_claims_without_the_published_data(self):
    claims = nielsen_mnist.STUDY.claims(_small())
    self.assertLen(claims, 4)
    for claim in claims:
      self.assertIn("--config.data_dir", claim.note)

  def test_draws(self):
    for results in (_small(), _published()):
      self.assertLen(nielsen_mnist.STUDY.plot(results).axes, 3)

  @parameterized.parameters(
    (dict(num_seeds=2), "num_seeds >= 3, got 2"),
    (dict(num_epochs=-1), r">= 0, got \(-1, 0\)"),
    (dict(batch_size=501), "from 1 to the 500 examples, got 501"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      nielsen_mnist.run(nielsen_mnist.Config(**settings))


class StatisticsTest(parameterized.TestCase):
  def test_epochs(self):
    results = {"held_out_small": np.array([[0.9, 0.1, 0.4, 0.3]])}
    for epoch, expected in (("first", 10), ("peak", 40), ("last", 30)):
      values = statistics_lib.percent(results, "small", epoch)
      np.testing.assert_allclose(values, [expected])

  def test_interval_of_one_run_is_students(self):
    low, high = statistics_lib.prediction_interval(np.array([1.0, 2.0, 3.0]))
    # t(0.975, 2) = 4.303, standard deviation 1.
    half = 4.302653 * math.sqrt(4 / 3)
    np.testing.assert_allclose([low, high], [2 - half, 2 + half], rtol=1e-6)

  @parameterized.parameters(1, 3)
  def test_interval_holds_the_best_of_so_many_runs(self, num_runs):
    rng = np.random.default_rng(0)
    trials, size = 4000, 10
    inside = 0
    for _ in range(trials):
      low, high = statistics_lib.prediction_interval(
        rng.normal(size=size), num_runs
      )
      inside += low <= rng.normal(size=num_runs).max() <= high
    # 4 standard errors of 0.95, and 1 % for the approximation with 3 runs.
    error = 4 * math.sqrt(0.95 * 0.05 / trials) + 0.01 * (num_runs > 1)
    self.assertAlmostEqual(inside / trials, 0.95, delta=error)

  def test_too_few(self):
    interval = statistics_lib.prediction_interval(np.ones(2))
    self.assertTrue(all(map(math.isnan, interval)))

  def test_difference_is_the_paired_test(self):
    rng = np.random.default_rng(1)
    a, b = rng.uniform(size=(2, 6, 4))
    results = {"held_out_narrow": a, "held_out_wide": b}
    mean, half = statistics_lib.difference(results, "narrow", "wide", "last")
    test = stats.ttest_rel(100 * a[:, -1], 100 * b[:, -1])
    interval = test.confidence_interval(0.95)
    np.testing.assert_allclose([mean - half, mean + half], interval)


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
  results = {
    "darkness": np.array(0.2225),
    "rarest": np.array(0.0892),
    "is_published": np.array(True),
  }
  rng = np.random.default_rng(0)
  for name, (first, last) in means.items():
    start = np.full((10, 1), 10.0)
    curves = np.linspace(first, last, 30) + rng.permutation(noise)[:, None]
    results[f"held_out_{name}"] = np.hstack([start, curves]) / 100
    results[f"small_{name}"] = np.ones((10, 31))
  results["held_out_quadratic_100"][:5, 1:] -= 0.1  # Stuck.
  return results


def _failed(results):
  claims = nielsen_mnist.STUDY.claims(results)
  return [claim.statement for claim in claims if not claim.holds]


class ClaimsTest(parameterized.TestCase):
  def test_published(self):
    results = _published()
    self.assertLen(nielsen_mnist.STUDY.claims(results), 28)
    failed = _failed(results)
    # The stuck ones make 100 units the worse on average, as on MNIST.
    self.assertLen(failed, 1)
    self.assertIn("With the quadratic cost, too", failed[0])

  @parameterized.parameters(*settings_lib.SETTINGS)
  def test_a_shift_of_one_kind_is_noticed(self, name):
    for shift in (-0.015, 0.012):
      results = _published()
      results[f"held_out_{name}"][:, 1:] += shift
      self.assertGreater(len(_failed(results)), 1)

  @parameterized.parameters(
    ("small", "small_decay", "Trained on few images"),
    ("decay_30", "entropy_30", "Trained on all images"),
    ("entropy_30", "entropy_100", "With the cross-entropy 100 hidden"),
    ("slow_100", "decay_100", "A fifth of the learning rate"),
    ("wide", "narrow", "learn faster than"),
    ("quadratic_100", "entropy_100", "greatly reduce the variation"),
  )
  def test_an_exchange_is_noticed(self, first, second, statement):
    results = _published()
    names = f"held_out_{first}", f"held_out_{second}"
    values = [results[name] for name in names]
    results |= dict(zip(names, reversed(values), strict=True))
    self.assertTrue(any(statement in s for s in _failed(results)))

  @parameterized.parameters(
    (dict(darkness=np.array(0.2226)), "average darkness"),
    (dict(small_small=np.full((10, 31), 0.999)), "learned by heart"),
  )
  def test_a_wrong_image_is_noticed(self, change, statement):
    failed = _failed(_published() | change)
    self.assertTrue(any(statement in s for s in failed))

  def test_nothing_is_claimed_of_networks_that_are_all_stuck(self):
    results = _published()
    results["held_out_quadratic_100"][:, 1:] = 0.8
    failed = _failed(results)
    self.assertTrue(any("Among the networks" in s for s in failed))
    self.assertTrue(any("Quadratic cost, 100" in s for s in failed))


if __name__ == "__main__":
  absltest.main()
