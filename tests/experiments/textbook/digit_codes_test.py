"""Digit codes: training against NumPy, and claims that can fail."""

from unittest import mock

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp
from scipy import special

import nnfun as nf
from experiments import images
from experiments.textbook import constructions, digit_codes
from experiments.textbook.digit_codes import layer, run, training
from tests.experiments import study_case

# One batch of all images: then the order in which they come does not matter.
_SMALL = run.Config(
  hidden_sizes=(2, 6),
  learning_rates=(3.0,),
  num_epochs=40,
  batch_size=1000,
  num_seeds=2,
)
# What so short a training does not decide.
_UNDECIDED = {"bits-harder", "deep-harder", "same-error"}


def _trained_by_hand(name, num_units):
  """Test accuracy by gradient descent in NumPy, on the units that are on."""
  split = images.load()
  keys = jax.random.split(jax.random.key(0), (2, _SMALL.num_seeds))
  start = nf.mlp.init(keys[0, 1], [64, 6, *training.NETWORKS[name]])
  layers = [[np.array(part["w"], float), np.array(part["b"])] for part in start]
  layers[0] = [leaf[:num_units] for leaf in layers[0]]
  layers[1][0] = layers[1][0][:, :num_units] * np.sqrt(6 / num_units)
  xs, labels = split.train.pixels, split.train.labels
  code = (labels[:, None] >> np.arange(4)) & 1
  if name == "ten":
    code = np.eye(10)[(labels - 1) % 10]  # The digit 0 is the last.
  for _ in range(_SMALL.num_epochs):
    outputs = [xs]
    for w, b in layers:
      outputs.append(special.expit(outputs[-1] @ w.T + b))
    error = 2 * (outputs[-1] - code) / len(xs)
    for weights, above, below in zip(
      layers[::-1], outputs[:0:-1], outputs[-2::-1], strict=True
    ):
      delta = error * above * (1 - above)
      error = delta @ weights[0]
      weights[0] = weights[0] - 3.0 * delta.T @ below
      weights[1] = weights[1] - 3.0 * delta.sum(axis=0)
  a = split.test.pixels
  for w, b in layers:
    a = special.expit(a @ w.T + b)
  labels = split.test.labels
  if name == "ten":
    return np.mean((np.argmax(a, axis=1) + 1) % 10 == labels)
  return np.mean((a > 0.5) @ 2 ** np.arange(4) == labels)


class TrainingTest(parameterized.TestCase):
  @parameterized.product(name=("ten", "bits", "deep"), size=(0, 1))
  def test_is_that_of_a_loop(self, name, size):
    expected = _trained_by_hand(name, _SMALL.hidden_sizes[size])
    results, _ = study_case.run_of(digit_codes.STUDY, _SMALL)
    # Float32 against float64: two of 500 images.
    actual = results.accuracy[name][1, size]
    self.assertAlmostEqual(actual, expected, delta=2.1 / 500)
    self.assertGreater(expected, 0.05)

  def test_readings_of_ten_outputs(self):
    # Of the digits 3, 3, 9, 0; the digit 0 is the last.
    outputs = np.full((4, 10), 0.001, np.float32)
    outputs[0, 2] = outputs[1, 2] = outputs[2, 8] = 0.995
    outputs[3] = 0.3  # The others outweigh the right one ...
    outputs[3, 9] = 0.5
    outputs[1, 3:5] = 0.6  # ... which is still the largest.
    read = jax.jit(lambda a: training.read("ten", a, jnp.array([3, 3, 9, 0])))
    # By hand: the second has bit 2 of 4 and 5 together; of the fourth all sums
    # are negative, as 0 has it.
    self.assertEqual(read(outputs), {"ten": 1.0, "designed": 0.75})

  def test_best_is_chosen_on_the_validation_images(self):
    shares = np.stack([np.zeros((2, 2, 2)), np.arange(8).reshape(2, 2, 2)], -1)
    shares[:, 0, 1, 0] = shares[:, 1, 0, 0] = 1
    actual = training.at_best_rate(shares, shares)
    np.testing.assert_array_equal(actual, [[1, 2], [5, 6]])


class CaseTest(study_case.StudyCase):
  study = digit_codes.STUDY
  small = _SMALL

  def failing(self, **changes):
    found = self.study.claims(self.results()._replace(**changes))
    return {claim.key for claim in found if claim.holds is not True}

  def test_claims_hold(self):
    self.assertEmpty(self.failing() - _UNDECIDED)

  def test_the_printed_set_and_a_steeper_sigmoid_are_noticed(self):
    design = constructions.one_hot_to_bits

    def printed(*args, **kwargs):
      (right,) = design(*args, **kwargs)
      return ({"w": right["w"].at[1, 9].set(1.0), "b": right["b"]},)

    steep = nf.activations.scaled_sigmoid(max_slope=0.5)
    for patch, expected in (
      (mock.patch.object(constructions, "one_hot_to_bits", printed), "margins"),
      (mock.patch.object(layer._act, "sigmoid", steep), "amplified"),
    ):
      with patch, jax.enable_x64(True):
        self.assertIn(expected, self.failing(layer=layer.measure()))

  @parameterized.parameters(
    ("margins", "margins", lambda v: v - 0.05),
    ("amplified", "output_errors", lambda v: 1.1 * v),
    ("bit-1-of-nine", "nine", lambda v: v - 2),
    ("table", "margins", lambda v: v - 0.95),
  )
  def test_another_layer_is_noticed(self, key, name, change):
    found = self.results().layer
    changed = jax.tree.map(change, getattr(found, name))
    self.assertIn(key, self.failing(layer=found._replace(**{name: changed})))

  def test_other_numbers_are_noticed(self):
    noise = 1e-3 * np.arange(2)[:, None]
    right = dict.fromkeys(("ten", "designed"), np.full((2, 2), 0.95))
    right |= dict.fromkeys(("bits", "deep"), np.full((2, 2), 0.8) + noise)
    self.assertEmpty(self.failing(accuracy=right))
    wrong = right | {"ten": right["bits"], "bits": right["ten"] + noise}
    wrong["deep"] = wrong["bits"]
    self.assertEqual(self.failing(accuracy=wrong), _UNDECIDED)
    self.assertIn("order", self.failing(order_difference=np.array(1e-6)))


if __name__ == "__main__":
  absltest.main()
