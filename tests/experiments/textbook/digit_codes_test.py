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
from experiments.textbook.digit_codes import layer, readings, run, training
from tests.experiments import study_case

# One batch of all images: then the order in which they come does not matter.
_SMALL = run.Config(
  hidden_sizes=(2, 6),
  learning_rates=(1.0, 3.0),
  num_epochs=40,
  batch_size=1000,
  num_seeds=2,
)
# What so short a training does not decide.
_UNDECIDED = {"bits-harder", "deep-harder", "the-more-so", "same-error"}


def _trained_by_hand(name, num_units, learning_rate, seed):
  """Test accuracy by gradient descent in NumPy, on the units that are on."""
  split = images.load()
  keys = jax.random.split(jax.random.key(0), _SMALL.num_seeds)
  start = training._start(_SMALL, split)(keys[seed])[name]
  layers = [
    [np.array(layer["w"], float), np.array(layer["b"])] for layer in start
  ]
  layers[0] = [leaf[:num_units] for leaf in layers[0]]
  layers[1][0] = layers[1][0][:, :num_units] * np.sqrt(6 / num_units)
  xs, labels = split.train.pixels, split.train.labels
  code = {
    # The digit 0 is the last.
    "ten": np.eye(10)[(labels - 1) % 10],
  }.get(name, (labels[:, None] >> np.arange(4)) & 1)
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
      weights[0] = weights[0] - learning_rate * delta.T @ below
      weights[1] = weights[1] - learning_rate * delta.sum(axis=0)
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
    rate, seed = 1, 1
    expected = _trained_by_hand(name, _SMALL.hidden_sizes[size], 3.0, seed)
    results = study_case.results_of(digit_codes.STUDY, _SMALL)
    trained = results.ten if name == "ten" else results.four[name]
    # Float32 against float64: two of 500 images.
    actual = float(trained.test[seed, size, rate])
    self.assertAlmostEqual(actual, expected, delta=2.1 / 500)
    self.assertGreater(expected, 0.05)

  def test_readings_of_ten_outputs(self):
    # Of the digits 3, 3, 9, 0; the digit 0 is the last.
    outputs = np.full((4, 10), 0.001, np.float32)
    outputs[0, 2] = outputs[1, 2] = outputs[2, 8] = 0.995
    outputs[3] = 0.3  # The sum of the others outweighs the right one ...
    outputs[3, 9] = 0.5
    outputs[1, 0] = 0.98  # ... and a second output at least equals it.
    labels = np.array([3, 3, 9, 0], np.int32)
    of = nf.data.Images(np.zeros((4, 64), np.float32), labels)
    split = images.Split(of, of, of)
    read = training.read_ten(
      jnp.asarray(outputs), jnp.asarray(outputs), split, constructions.ZERO_LAST
    )
    # By hand: bits of the second are those of 3 and 1 together, 0.995 - 0.98
    # in the second; of the fourth all sums are negative, as 0 has it.
    expected = training.Ten(1.0, 1.0, 1.0, 0.5, 0.0, 0.75, 0.0)
    np.testing.assert_array_equal(read, expected)

  def test_best_is_chosen_on_the_validation_images(self):
    values = np.arange(8).reshape(2, 2, 2)
    validation = np.zeros((2, 2, 2))
    validation[:, 0, 1] = validation[:, 1, 0] = 1
    actual = readings.at_best_rate(training.Four(validation, values), values)
    np.testing.assert_array_equal(actual, [[1, 2], [5, 6]])


class CaseTest(study_case.StudyCase):
  study = digit_codes.STUDY
  small = _SMALL

  def failing(self, **changes):
    found = self.study.claims(self.results()._replace(**changes))
    run_here = [claim for claim in found if claim.measurement is not None]
    return {claim.key for claim in run_here if claim.holds is not True}

  def test_claims_hold(self):
    self.assertEmpty(self.failing() - _UNDECIDED)

  def test_the_printed_set_is_noticed(self):
    design = constructions.one_hot_to_bits

    def printed(*args, **kwargs):
      (right,) = design(*args, **kwargs)
      return ({"w": right["w"].at[1, 9].set(1.0), "b": right["b"]},)

    patch = mock.patch.object(constructions, "one_hot_to_bits", printed)
    with patch, jax.enable_x64(True):
      failing = self.failing(layer=layer.measure())
    self.assertContainsSubset({"margins", "amplified"}, failing)

  def test_a_steeper_sigmoid_is_noticed(self):
    steep = nf.activations.scaled_sigmoid(max_slope=0.5)
    patch = mock.patch.object(layer._act, "sigmoid", steep)
    with patch, jax.enable_x64(True):
      self.assertIn("amplified", self.failing(layer=layer.measure()))

  @parameterized.parameters(
    ("margins", "layer", "margins", lambda v: v - 0.05),
    ("amplified", "layer", "output_errors", lambda v: 1.1 * v),
    ("bit-1-of-nine", "layer", "nine", lambda v: v - 2),
    ("table", "layer", "table_margins", lambda v: v - 0.95),
    ("same-error", "ten", "designed", lambda v: v - 0.5),
    ("bits-harder", "four", "test", lambda v: v + 1.0),
    ("deep-harder", "four", "test", lambda v: v + 1.0),
  )
  def test_what_is_wrong_is_noticed(self, key, part, name, change):
    def broken(part):
      return part._replace(**{name: change(getattr(part, name))})

    old = getattr(self.results(), part)
    is_family = isinstance(old, dict)
    new = {k: broken(v) for k, v in old.items()} if is_family else broken(old)
    self.assertIn(key, self.failing(**{part: new}))

  @parameterized.parameters("admissible", "dominant")
  def test_a_misread_image_is_noticed(self, kind):
    ten = self.results().ten
    key, one = f"{kind}-images", ten.test * 0 + 0.01
    ten = ten._replace(**{kind: one, f"{kind}_errors": 0 * one})
    self.assertNotIn(key, self.failing(ten=ten))
    ten = ten._replace(**{f"{kind}_errors": one})
    self.assertIn(key, self.failing(ten=ten))

  @parameterized.parameters(
    ("label", "code_of_three", lambda v: np.roll(v, 1)),
    ("order", "order_difference", lambda v: v + 1e-6),
    ("size", "num_parameters", lambda v: v + 1),
  )
  def test_a_wrong_number_is_noticed(self, key, name, change):
    changed = change(getattr(self.results(), name))
    self.assertIn(key, self.failing(**{name: changed}))

  def test_a_misprint_that_is_none_is_noticed(self):
    found = self.results().layer
    name = "0.09 for 0.99"
    right = found.misprints[name]._replace(printed=np.array(0))
    found = found._replace(misprints=found.misprints | {name: right})
    self.assertIn("misprints", self.failing(layer=found))

  @parameterized.parameters((0.03, 0.01, True), (0.01, 0.03, False))
  def test_the_more_so(self, lost_by_small, lost_by_large, holds):
    results = self.results()
    noise = 1e-4 * np.arange(2)[:, None, None]
    values = np.full((2, 2, 2), 0.9)
    lost = np.array([lost_by_small, lost_by_large])[:, None]
    changes = dict(
      ten=results.ten._replace(designed=values),
      four={
        name: four._replace(test=values - lost + noise)
        for name, four in results.four.items()
      },
    )
    claims = self.study.claims(results._replace(**changes))
    (claim,) = (claim for claim in claims if claim.key == "the-more-so")
    self.assertIs(claim.holds, holds)

  @parameterized.parameters(
    (dict(hidden_sizes=(4,)), "two or more ascending hidden_sizes"),
    (dict(hidden_sizes=(8, 4)), "ascending hidden_sizes"),
    (dict(num_seeds=1), "num_seeds >= 2"),
  )
  def test_refuses(self, changes, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**changes)


if __name__ == "__main__":
  absltest.main()
