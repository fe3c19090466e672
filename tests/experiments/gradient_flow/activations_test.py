"""The study of activations, its closed forms and its parts tested apart."""

import jax
import numpy as np
from absl.testing import absltest, parameterized

from experiments.gradient_flow import activations
from experiments.gradient_flow.activations import gradients, readings, run
from tests import oracles
from tests.experiments import study_case


def _nearly_equal(losses):
  """The same losses [K, E] for two seeds and a rate  [K, 2, 1, E]."""
  return np.array([[[x], [(1 + 1e-9) * x]] for x in np.array(losses)])


class CaseTest(study_case.StudyCase):
  study = activations.STUDY
  small = run.Config(
    num_layers=20,
    width=50,
    num_seeds=8,
    num_leaky_nets=60,
    num_leaky_steps=5,
    deep_width=16,
    num_deep_seeds=2,
    num_deep_epochs=1,
    rates=(0.03,),
    num_shallow_seeds=2,
    num_shallow_epochs=1,
  )

  def judge(self, **changes):
    """The claims of the small run, parts of it replaced."""
    results = self.results()._replace(**changes)
    return {claim.key: claim for claim in self.study.claims(results)}

  def test_what_needs_no_size_holds(self):
    found = self.judged()
    for key in ("chain-products", "singular-values", "born-dead-3"):
      self.assertIs(found[key].holds, True, found[key])
    self.assertIs(found["tanh-dearer"].holds, False)
    self.assertIn("Not shown here", found["glorot-stalls"].note)

  @parameterized.parameters(
    ("tanh", 0.2, "reduced-not-eliminated"),
    ("sigmoid", -0.2, "may-explode"),
    ("tanh", 1.0, "exponential"),
    ("ReLU", 0.5, "relu-avoids-vanishing"),
    ("tanh", 0.0, "unstable"),
  )
  def test_a_wrong_rate_per_layer_is_noticed(self, name, rate, key):
    found = self.results().gradients
    log_deltas = found.log_deltas.copy()
    num_seeds, _, _, num_layers = log_deltas.shape
    rates = rate + 1e-3 * np.arange(num_seeds)[:, np.newaxis, np.newaxis]
    row = readings.FAMILIES.index(name)
    log_deltas[:, row] = -rates * np.arange(num_layers)
    found = self.judge(gradients=found._replace(log_deltas=log_deltas))
    self.assertIs(found[key].holds, False)

  @parameterized.parameters(
    ("chain-products", "chain_errors", lambda x: x + 1e-6),
    ("singular-values", "singular_values", lambda x: x[:, ::-1]),
    ("vgg-shrinks", "vgg", lambda x: 100 * x),
    ("born-dead-3", "dead", np.ones_like),
    ("born-dead-5", "dead", np.zeros_like),
    ("born-dead-10", "dead", np.ones_like),
    ("deeper-dies", "dead", np.ones_like),
    # A leak that is none, or as good whatever alpha is.
    ("leaky-mitigates", "leaky", np.ones_like),
    ("alpha-needs-tuning", "leaky", np.zeros_like),
    ("relu-sparse", "shallow", lambda x: x._replace(zeros=0 * x.zeros)),
    ("looped-or-vectors", "looped", lambda x: x + 1e-6),
  )
  def test_a_wrong_result_is_noticed(self, key, field, change):
    changed = change(getattr(self.results(), field))
    self.assertIs(self.judge(**{field: changed})[key].holds, False)

  def test_a_worse_activation_is_noticed(self):
    losses = _nearly_equal([[0.1], [0.5], [1.0]])
    found = self.judge(shallow=self.results().shallow._replace(losses=losses))
    for key in ("tanh-better", "relu-better-still", "relu-faster"):
      self.assertIs(found[key].holds, False, key)

  def test_glorot_is_judged_when_he_has_learned(self):
    falling, flat = np.linspace(1, 0.04, 9), np.ones(9)
    for glorot, holds in ((flat, True), (falling, False)):
      losses = _nearly_equal([glorot, falling]) * readings.LN_10
      stalls = self.judge(deep=self.results().deep._replace(losses=losses))
      self.assertIs(stalls["glorot-stalls"].holds, holds)
      self.assertIn("in epoch 9.", stalls["glorot-stalls"].note)

  @parameterized.parameters(("ReLU", 0.0), ("LeakyReLU", readings.LEAK))
  def test_theory_in_closed_form(self, name, leak):
    """chi_1 = g^2 (1 + a^2) / 2, k = 2 (1 + a^4) / (1 + a^2)^2 for a leak a."""
    gains, _, theory, correction = self.results().gradients
    row, share = readings.FAMILIES.index(name), (1 + leak**2) / 2
    wanted = (3 * (1 + leak**4) / 2 / share**2 - 1) / (4 * self.small.width)
    np.testing.assert_allclose(correction[row], wanted, rtol=1e-9)
    growth = np.log(gains[row] ** 2 * share)[:, np.newaxis] / 2
    np.testing.assert_allclose(theory[row] - growth, -wanted, rtol=1e-6)


class PartsTest(parameterized.TestCase):
  def test_gains_of_a_straight_line(self):
    """30 log(g / 2) is +-log 10 where log(g / 2) is +-log(10) / 30."""
    gains = np.geomspace(0.5, 8, 9)
    curves = 30 * np.log(gains / 2) * np.array([[1.0], [2.0]])
    steps = readings.LN_10 / np.array([30, 60])
    expected = 2 * np.exp([-steps, steps])
    actual = readings.gains_of_tenfold(gains, curves)
    np.testing.assert_allclose(actual, expected)

  def test_singular_values_are_those_of_the_quarter_circle(self):
    """8 sqrt(n Var W) / (3 pi), with n Var W = 1/3 and 1."""
    found = gradients.singular_values(np.random.default_rng(0), 100)
    np.testing.assert_allclose(found.mean(axis=0), [0.490, 0.849], atol=0.006)

  @parameterized.parameters(0.5, 2.0)
  def test_gradients_are_those_of_a_loop(self, gain):
    """A sigmoid of slope 4 is the standard one at 16 times the gain."""
    rng = np.random.default_rng(0)
    w, (x, end) = rng.standard_normal((5, 4, 4)), rng.standard_normal((2, 4))
    for kind, factor, fn, slope in (
      (0, 16, lambda z: 1 / (1 + np.exp(-16 * z)), lambda a: 16 * a * (1 - a)),
      (1, 1, np.tanh, lambda a: 1 - a**2),
    ):
      with oracles.float64():
        actual = jax.jit(gradients.log_deltas)(kind, factor * gain, w, x, end)
      outputs = [x]
      for w_l in w:
        outputs.append(fn(gain * w_l @ outputs[-1]))
      delta, norms = end, []
      for w_l, a in zip(w[::-1], outputs[:0:-1], strict=True):
        norms.insert(0, np.linalg.norm(delta * slope(a)))
        delta = gain * w_l.T @ (delta * slope(a))
      logs = np.log(norms)
      np.testing.assert_allclose(
        actual - actual[-1], logs - logs[-1], atol=1e-10
      )

  def test_convolutions_keep_the_variance_at_he_s_deviation(self):
    """0.01 is He's deviation times the published factors, one a layer."""
    found = gradients.vgg_gradient(np.random.default_rng(0), 48)
    factors = [0.01**2 * 9 * 8 * n / 2 for n in gradients.VGG_FILTERS[1:]]
    relative = found / np.prod(factors)
    error = np.std(relative) / 48**0.5
    self.assertLess(abs(np.mean(relative) - 1), min(4 * error, 0.8))

  def test_rays_of_two_layers_by_enumeration(self):
    """Width 1: a layer passes one ray, the next half of them, 4 errors."""
    dead = gradients.dead(np.random.default_rng(0), 4000, 1)
    self.assertFalse(np.any(dead[:, 0]))
    np.testing.assert_allclose(np.mean(dead[:, 1]), 1 / 2, atol=0.03)


if __name__ == "__main__":
  absltest.main()
