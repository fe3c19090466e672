"""Digit codes: training against NumPy, and claims that can fail."""

import dataclasses
import functools
from unittest import mock

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from scipy import special

import nnfun as nf
from experiments.textbook import (
  constructions,
  digit_codes,
  digit_codes_claims,
  digit_codes_design,
  digit_codes_training,
)

# One batch of all images: then the order in which they come does not matter.
_CONFIG = digit_codes.Config(
  hidden_sizes=(2, 6),
  learning_rates=(1.0, 3.0),
  num_epochs=40,
  batch_size=200,
  num_seeds=2,
  num_train=200,
  num_validation=50,
)
# What so short a training does not decide.
_UNDECIDED = ("Training is harder", "the more so", "roughly the same error")


@functools.cache
def _results():
  return digit_codes.run(_CONFIG)


def _failed(results):
  claims = digit_codes.STUDY.claims(results)
  return [claim.statement for claim in claims if not claim.holds]


def _decided(statements):
  return [s for s in statements if not any(u in s for u in _UNDECIDED)]


def _trained_by_hand(name, num_units, learning_rate, seed):
  """Test accuracy by gradient descent in NumPy, on the units that are on."""
  data = digit_codes_training.load(_CONFIG)
  keys = jax.random.split(jax.random.key(0), _CONFIG.num_seeds)
  start, _ = digit_codes_training._start(_CONFIG, data)(keys[seed])[name]
  layers = [
    [np.array(layer["w"], float), np.array(layer["b"])] for layer in start
  ]
  layers[0] = [leaf[:num_units] for leaf in layers[0]]
  layers[1][0] = layers[1][0][:, :num_units] * np.sqrt(6 / num_units)
  xs, labels = data.train.pixels, data.train.labels
  code = {
    # The digit 0 is the last.
    "one_hot": np.eye(10)[(labels - 1) % 10],
  }.get(name, (labels[:, None] >> np.arange(4)) & 1)
  for _ in range(_CONFIG.num_epochs):
    outputs = [xs]
    for w, b in layers:
      outputs.append(special.expit(outputs[-1] @ w.T + b))
    error = 2 * (outputs[-1] - code) / len(xs)
    for layer, above, below in zip(
      layers[::-1], outputs[:0:-1], outputs[-2::-1], strict=True
    ):
      delta = error * above * (1 - above)
      error = delta @ layer[0]
      layer[0] = layer[0] - learning_rate * delta.T @ below
      layer[1] = layer[1] - learning_rate * delta.sum(axis=0)
  a = data.test.pixels
  for w, b in layers:
    a = special.expit(a @ w.T + b)
  labels = data.test.labels
  if name == "one_hot":
    return np.mean((np.argmax(a, axis=1) + 1) % 10 == labels)
  return np.mean((a > 0.5) @ 2 ** np.arange(4) == labels)


class TrainingTest(parameterized.TestCase):
  @parameterized.product(name=("one_hot", "bits", "deep"), size=(0, 1))
  def test_is_that_of_a_loop(self, name, size):
    num_units, rate, seed = _CONFIG.hidden_sizes[size], 1, 1
    expected = _trained_by_hand(name, num_units, 3.0, seed)
    actual = _results()[f"test_{name}"][size, rate, seed]
    # Float32 against float64: two of 1547 images.
    self.assertAlmostEqual(float(actual), expected, delta=2.1 / 1547)
    self.assertGreater(expected, 0.05)

  def test_readings(self):
    order = constructions.ZERO_LAST
    # Outputs for the digits 3, 3, 9, 0 are what the last layer adds to x.
    outputs = np.full((4, 10), 0.001, np.float32)
    outputs[0, 2] = outputs[1, 2] = outputs[2, 8] = 0.995
    outputs[3] = 0.3  # The sum of the others outweighs the right one ...
    outputs[3, 9] = 0.5
    outputs[1, 0] = 0.98  # ... and a second output at least equals it.
    images = nf.data.Images(outputs, np.array([3, 3, 9, 0], np.int32))
    network = ({"w": np.eye(10), "b": np.zeros(10)},)
    identity = [nf.activations.identity]
    read = digit_codes_training._read(
      images, network, identity, "one_hot", order
    )
    expected = dict(
      one_hot=1.0, admissible=0.5, admissible_errors=0.0, dominant=0.75
    )
    for name, value in expected.items():
      self.assertEqual(read[name], value, name)
    # By hand: bits of the second are those of 3 and 1 together, 0.995 - 0.98
    # in the second; of the fourth all sums are negative, as 0 has it.
    self.assertEqual(read["designed"], 1.0)

  def test_mnist_has_its_own_test_images(self):
    images = {
      split: nf.data.Images(
        np.zeros((size, 784), np.float32), np.full(size, size, np.int32)
      )
      for split, size in (("train", 9), ("test", 2))
    }
    config = dataclasses.replace(
      _CONFIG, data_dir="somewhere", num_train=5, num_validation=4
    )
    with mock.patch.object(nf.data, "mnist", lambda _, split: images[split]):
      data = digit_codes_training.load(config)
    self.assertEqual([len(part.labels) for part in data], [5, 4, 2])
    np.testing.assert_array_equal(data.test.labels, [2, 2])

  def test_images_are_used_once(self):
    data = digit_codes_training.load(_CONFIG)
    pixels = np.concatenate([part.pixels for part in data])
    everything = nf.data.digits().pixels
    np.testing.assert_allclose(np.sum(pixels), np.sum(everything), rtol=1e-6)
    np.testing.assert_allclose(
      np.sort(pixels @ np.arange(64)), np.sort(everything @ np.arange(64))
    )


class RunTest(parameterized.TestCase):
  def test_claims_hold(self):
    self.assertEmpty(_decided(_failed(_results())))

  def test_leaves_the_precision_as_it_was(self):
    _results()
    chex.assert_type(jax.numpy.ones(2), jax.numpy.float32)

  def test_the_printed_set_is_noticed(self):
    design = constructions.one_hot_to_bits

    def printed(*args, **kwargs):
      (layer,) = design(*args, **kwargs)
      return ({"w": layer["w"].at[1, 9].set(1.0), "b": layer["b"]},)

    results = dict(_results())
    with mock.patch.object(constructions, "one_hot_to_bits", printed):
      with jax.enable_x64(True):
        results |= digit_codes_design._measure_corners(_CONFIG)
    failed = "\n".join(_failed(results))
    self.assertRegex(failed, "The layer turns any admissible")
    self.assertRegex(failed, "drive the sigmoids to 0 and 1")

  @parameterized.parameters(
    ("margins", lambda a: a - 0.05, "z_0 > 0.90"),
    ("margins", lambda a: a - 0.05, "z_0 < -0.90"),
    ("margins", lambda a: a + 0.01, "The margins of all digits"),
    ("margins", lambda a: a - 0.01, "turns any admissible"),
    ("output_errors", lambda a: 1.1 * a, "Multiplied by 10 "),
    ("printed_digits", lambda a: np.arange(10), "the digit 9 is read as"),
    ("printed_digits", lambda a: a[::-1], "only digit misread"),
    ("text_right", lambda a: a + 1, "the text says that bits"),
    ("table_right", lambda a: a - 1, "The table of the same"),
    ("example_z", lambda a: a + 0.01, "input for 9 ends in 0.09"),
    ("corrected_z", lambda a: a + 0.01, "sums are as printed"),
    ("corrected_z", lambda a: -a, "sigma of each row's own"),
    ("code_of_three", lambda a: np.roll(a, 1), "the label 3 is"),
    ("order_difference", lambda a: a + 1e-6, "a matter of names"),
    ("num_parameters", lambda a: a + 1, "reduce the size"),
    ("test_admissible_errors", lambda a: a + 0.01, "at 0.99 or more"),
    ("test_dominant_errors", lambda a: a + 0.01, "exceeds the sum"),
    ("test_designed", lambda a: a - 0.02, "roughly the same error"),
    ("test_bits", lambda a: a + 1.0, "harder on the bits.*four outputs"),
    ("test_deep", lambda a: a + 1.0, "harder on the bits.*extra layer"),
  )
  def test_what_is_wrong_is_noticed(self, name, break_it, statement):
    results = dict(_results())
    if name == "test_designed":
      results[name] = results["test_one_hot"]
    results[name] = break_it(results[name])
    self.assertRegex("\n".join(_failed(results)), statement)

  @parameterized.parameters((1, 0), (0, 1))
  def test_the_more_so(self, first, last):
    # Accuracies as a function of the size: lost by the bits, 3 and 1 points.
    lost = np.array([0.03, 0.01])[[first, last]]
    results = dict(_results())
    noise = 1e-4 * np.arange(2)
    for name in ("one_hot", "designed", "bits", "deep"):
      shape = results[f"test_{name}"].shape
      value = 0.9 - lost if name in ("bits", "deep") else np.full(2, 0.9)
      value = value[:, None, None] + noise
      results[f"test_{name}"] = np.broadcast_to(value, shape)
    holds = {
      claim.holds
      for claim in digit_codes.STUDY.claims(results)
      if "the more so" in claim.statement
    }
    self.assertEqual(holds, {first == 0})

  def test_best_is_chosen_on_the_validation_images(self):
    results = dict(_results())
    shape = results["test_bits"].shape
    results["validation_bits"] = np.zeros(shape)
    results["validation_bits"][0, 1] = results["validation_bits"][1, 0] = 1
    actual = digit_codes_claims.best(results, "bits")
    expected = results["test_bits"][[0, 1], [1, 0]]
    np.testing.assert_allclose(actual, expected)

  def test_draws(self):
    figure = digit_codes.STUDY.plot(_results())
    self.assertLen(figure.axes, 3)

  @parameterized.parameters(
    (dict(hidden_sizes=(4,)), "two or more ascending hidden_sizes"),
    (dict(hidden_sizes=(8, 4)), "ascending hidden_sizes"),
    (dict(learning_rates=()), "positive learning_rates"),
    (dict(gains=(-1.0,)), "positive gains"),
    (dict(num_seeds=1), "num_seeds >= 2"),
    (dict(num_validation=0), "num_validation >= 1"),
    (dict(num_train=1797), "below the 1797 images"),
  )
  def test_refuses(self, settings, message):
    config = dataclasses.replace(digit_codes.Config(), **settings)
    with self.assertRaisesRegex(ValueError, message):
      digit_codes.run(config)


if __name__ == "__main__":
  absltest.main()
