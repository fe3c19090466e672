"""The study of digit networks' layers, its parts tested apart."""

import dataclasses

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

import nnfun as nf
from experiments.gradient_flow import layers
from experiments.gradient_flow.layers import readings, run
from nnfun.theory import mean_field, quadrature
from tests.experiments import study_case

_SMALL = run.Config(
  num_seeds=40, num_images=20, num_training_seeds=2, num_epochs=2, batch_size=50
)


def _nearly_one(ndim):
  """Factors of two seeds [2, 1, ...], so that they hardly differ."""
  return 1 + 1e-9 * np.arange(2).reshape(2, *[1] * (ndim - 1))


class CaseTest(study_case.StudyCase):
  study = layers.STUDY
  small = _SMALL

  def judge(self, **changes):
    """The claims of the small run, parts of it replaced."""
    results = self.results()._replace(**changes)
    return {claim.key: claim for claim in self.study.claims(results)}

  def learned(self, **changes):
    """The same, passed off as MNIST, the published sizes, and learned."""
    percents = np.array([96.5, 96.8, 96.6, 96.3])[:, np.newaxis] / 100
    return self.judge(**{
      "is_mnist": np.array(True),
      "num_images": np.array(1000),
      "at_start": np.resize(self.results().at_start, (4000, 3, 4)),
      "accuracy": np.broadcast_to(percents, (2, 4, 31)) * _nearly_one(3),
      "in_training": self.epochs(closing=1),
      **changes,
    })  # fmt: skip

  def epochs(self, closing):
    """Speeds of 30 epochs; 1 closes the gap behind the start, 0 keeps it."""
    start = np.float64(self.results().in_training[0, :, :1])
    later = np.repeat(start ** (1 - closing), 30, axis=1)
    return np.concatenate([start, later], axis=1) * _nearly_one(4)

  def test_small_run(self):
    found = self.judged()
    for key in ("equation-123", "widest-interval", "widest-at"):
      self.assertTrue(found[key].holds, key)
    self.assertIsNot(found["factor-of-five"].holds, False)
    self.assertIsNone(found["four-against-two"].measurement)

  def test_networks_that_have_not_learned_show_nothing_about_learning(self):
    config = dataclasses.replace(_SMALL, learning_rate=1e-12, num_epochs=1)
    results = study_case.results_of(self.study, config)
    found = {claim.key: claim for claim in self.study.claims(results)}
    self.assertIsNone(found["gap-closes"].measurement)
    self.assertIn("Not shown here", found["gap-closes"].note)

  def test_published_numbers_are_compared_on_mnist(self):
    found = self.learned()
    for key in ("gap-closes", "four-against-two", "accuracy"):
      self.assertTrue(found[key].holds, found[key])
    self.assertIsNotNone(found["published-speeds"].measurement)

  def test_a_gap_that_stays_is_noticed(self):
    found = self.learned(in_training=self.epochs(closing=0))
    self.assertIs(found["gap-closes"].holds, False)

  def test_other_speeds_and_accuracies_than_the_published_are_noticed(self):
    accuracy = np.full((2, 4, 31), 0.95) * _nearly_one(3)
    at_start = np.resize(3 * self.results().at_start, (4000, 3, 4))
    found = self.learned(at_start=at_start, accuracy=accuracy)
    self.assertIs(found["published-speeds"].holds, False)
    self.assertIs(found["accuracy"].holds, False)
    accuracy[:, 3] -= 0.02
    found = self.learned(accuracy=accuracy)
    self.assertIs(found["four-against-two"].holds, False)

  def test_layers_in_reverse_are_noticed(self):
    speeds = self.results().at_start.copy()
    for i, n in enumerate(readings.DEPTHS):
      speeds[:, i, :n] = speeds[:, i, n - 1 :: -1]
    found = self.judge(at_start=speeds)
    self.assertIs(found["factor-of-five"].holds, False)
    self.assertIs(found["every-draw"].holds, False)


class PartsTest(parameterized.TestCase):
  @parameterized.parameters(2, 4)
  def test_speeds_are_those_of_the_four_equations(self, num_hidden):
    """Backpropagation by hand through the layers that are used."""
    rng = np.random.default_rng(0)
    images = nf.data.Images(
      jnp.asarray(rng.uniform(size=(3, 5)), jnp.float32), jnp.array([1, 0, 7])
    )
    params = run._init(jax.random.key(0), 5)
    actual = jax.jit(run._speeds)(params, images, num_hidden)
    used = [*params[:num_hidden], params[-1]]
    biases = 0
    for x, label in zip(*images, strict=True):
      outputs = [np.asarray(x, float)]
      for layer in used:
        z = np.asarray(layer["w"], float) @ outputs[-1] + layer["b"]
        outputs.append(1 / (1 + np.exp(-np.asarray(z, float))))
      deltas = [outputs[-1] - np.eye(10)[label]]
      for layer, a in zip(used[:0:-1], outputs[-2::-1], strict=False):
        deltas.append(np.asarray(layer["w"]).T @ deltas[-1] * a * (1 - a))
      biases = np.array(deltas[:0:-1]) / 3 + biases
    expected = np.linalg.norm(biases, axis=1)
    np.testing.assert_allclose(actual[:num_hidden], expected, rtol=1e-4)
    self.assertTrue(np.all(np.isnan(actual[num_hidden:])))

  def test_start_is_the_library_s(self):
    """Deviations 1 / sqrt(n) and 1, as `initializers.mean_field(1, 1)`."""
    params = jax.vmap(lambda key: run._init(key, 64))(
      jax.random.split(jax.random.key(0), 100)
    )
    for layer, num_inputs in zip(params, (64, 30, 30, 30, 30), strict=True):
      np.testing.assert_allclose(np.var(layer["w"]), 1 / num_inputs, rtol=0.03)
      np.testing.assert_allclose(np.var(layer["b"]), 1, rtol=0.15)

  def test_theory_is_the_library_s(self):
    sigmoid, one, q = nf.activations.sigmoid, jnp.ones([]), jnp.asarray(1.3)
    for growth in readings.expected_growth(0.3):
      chi = mean_field.chi_1(sigmoid, q, one)
      fourth = quadrature.gaussian_mean(lambda u: sigmoid.slope(u) ** 4, q)
      spread = (3 * fourth / chi**2 - 1) / 120
      np.testing.assert_allclose(growth, spread - np.log(chi) / 2, rtol=1e-4)
      q = mean_field.variance_map(sigmoid, q, one, one)

  def test_equation_123_at_its_end(self):
    """At |w| = 4 only z = 0 is left; at 8, sigma'(z) = 1/8 by hand."""
    # s (1 - s) = 1/8: s = (1 + sqrt(1/2)) / 2, z = log(s / (1 - s)).
    s = (1 + 0.5**0.5) / 2
    expected = [0, 0, 2 * np.log(s / (1 - s)) / 8]
    weights = np.array([3.0, 4.0, 8.0])
    np.testing.assert_allclose(readings.equation_123(weights), expected)
    actual = run.interval_width(weights)
    np.testing.assert_allclose(actual, expected, atol=1e-7)

  @parameterized.parameters(
    (dict(num_seeds=1), "num_seeds >= 2"),
    (dict(learning_rate=0.0), "learning_rate to be a finite number > 0"),
    (dict(num_images=2000), "num_images <= 1000"),
  )
  def test_refuses(self, changes, message):
    with self.assertRaisesRegex(ValueError, message):
      run.run(dataclasses.replace(_SMALL, **changes))


if __name__ == "__main__":
  absltest.main()
