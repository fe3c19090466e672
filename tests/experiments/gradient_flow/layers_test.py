"""The study of digit networks' layers, its parts tested apart."""

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

import nnfun as nf
from experiments.gradient_flow import layers
from experiments.gradient_flow.layers import readings, run
from tests.experiments import study_case


def _nearly_equal(values):
  """The same values for two seeds  [2, ...]."""
  return np.stack([values, (1 + 1e-9) * values])


class CaseTest(study_case.StudyCase):
  study = layers.STUDY
  small = run.Config(
    num_seeds=40, num_images=20, num_training_seeds=2, num_epochs=2
  )

  def learned(self, percents=(96.5, 96.8, 96.6, 96.3), closing=1, **changes):
    """The claims as if MNIST was learned; a gap stays with closing = 0."""
    results = self.results()
    start = np.float64(results.in_training[0, :, :1])
    later = np.repeat(start ** (1 - closing), 30, axis=1)
    accuracy = np.repeat(np.array(percents)[:, np.newaxis] / 100, 31, axis=1)
    changes = {
      "is_mnist": np.array(True),
      "at_start": np.resize(results.at_start, (4000, 3, 4)),
      "accuracy": _nearly_equal(accuracy),
      "in_training": _nearly_equal(np.concatenate([start, later], axis=1)),
    } | changes
    found = self.study.claims(results._replace(**changes))
    return {claim.key: claim for claim in found}

  def test_small_run(self):
    found = self.judged()
    self.assertTrue(found["equation-123"].holds)
    self.assertTrue(found["widest-interval"].holds)
    self.assertIsNone(found["accuracy"].measurement)
    # What has not learned shows nothing about learning.
    self.assertIn("Not shown here", found["gap-closes"].note)

  def test_other_numbers_than_the_published_are_noticed(self):
    found = self.learned()
    for key in ("gap-closes", "accuracy"):
      self.assertTrue(found[key].holds, found[key])
    at_start = np.resize(3 * self.results().at_start, (4000, 3, 4))
    percents = 96.6, 97.0, 96.6, 95.9  # The last is half a point off.
    found = self.learned(percents, closing=0, at_start=at_start)
    for key in ("gap-closes", "published-speeds", "accuracy"):
      self.assertIs(found[key].holds, False, found[key])

  def test_layers_in_reverse_are_noticed(self):
    speeds = self.results().at_start.copy()
    for i, n in enumerate(readings.DEPTHS):
      speeds[:, i, :n] = speeds[:, i, n - 1 :: -1]
    found = self.learned(at_start=speeds)
    for key in ("factor-of-five", "every-draw"):
      self.assertIs(found[key].holds, False, key)

  def test_theory_by_gauss_and_hermite(self):
    """From layer to layer, q = 1 + E[sigma^2] with z ~ N(0, q)."""
    nodes, masses = np.polynomial.hermite_e.hermegauss(80)
    masses, q = masses / masses.sum(), 1.3
    for growth in run.expected_growth(jnp.float32(0.3)):
      sigma = 1 / (1 + np.exp(-(q**0.5) * nodes))
      slope = sigma * (1 - sigma)
      chi_1, fourth = masses @ slope**2, masses @ slope**4
      wanted = (3 * fourth / chi_1**2 - 1) / 120 - np.log(chi_1) / 2
      np.testing.assert_allclose(growth, wanted, rtol=1e-5)
      q = 1 + masses @ sigma**2


class PartsTest(parameterized.TestCase):
  @parameterized.parameters(2, 4)
  def test_speeds_are_those_of_the_four_equations(self, num_hidden):
    """Backpropagation by hand through the layers that are used."""
    rng = np.random.default_rng(0)
    pixels, labels = rng.uniform(size=(3, 5)).astype(np.float32), [1, 0, 7]
    images = nf.data.Images(jnp.asarray(pixels), jnp.array(labels))
    params = jax.tree.map(lambda leaf: leaf[0], run.draw(rng, 1, 5))
    actual = jax.jit(run.speeds)(params, images, num_hidden)
    first, middle, last = ([layer["w"], layer["b"]] for layer in params)
    used = [first, *zip(*middle, strict=True)][:num_hidden] + [last]
    biases = 0
    for x, label in zip(pixels, labels, strict=True):
      outputs = [x]
      for w, b in used:
        outputs.append(1 / (1 + np.exp(-w @ outputs[-1] - b)))
      deltas = [outputs[-1] - np.eye(10)[label]]
      for (w, _), a in zip(used[:0:-1], outputs[-2::-1], strict=False):
        deltas.append(w.T @ deltas[-1] * a * (1 - a))
      biases = np.array(deltas[:0:-1]) / 3 + biases
    expected = np.linalg.norm(biases, axis=1)
    np.testing.assert_allclose(actual[:num_hidden], expected, rtol=1e-4)
    self.assertTrue(np.all(np.isnan(actual[num_hidden:])))

  def test_equation_123_at_its_end(self):
    """At |w| = 4 only z = 0 is left; at 8, s (1 - s) = 1/8 by hand."""
    s = (1 + 0.5**0.5) / 2
    expected = [0, 0, 2 * np.log(s / (1 - s)) / 8]
    weights = np.array([3.0, 4.0, 8.0])
    np.testing.assert_allclose(readings.equation_123(weights), expected)
    actual = readings.interval_width(weights)
    np.testing.assert_allclose(actual, expected, atol=1e-7)


if __name__ == "__main__":
  absltest.main()
