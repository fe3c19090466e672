"""Backpropagation: the formulas by hand against loops, and a small study."""

import functools
import itertools
from unittest import mock

import chex
import jax
import numpy as np
import optax
from absl.testing import absltest, parameterized
from jax import numpy as jnp

import nnfun as nf
from experiments.textbook import backpropagation
from experiments.textbook.backpropagation import (
  descent,
  grid,
  identities,
  misprints,
  run,
  theory,
  training,
)
from tests.experiments import study_case

_SMALL = run.Config(
  num_networks=2,
  num_directions=256,
  widths=(32, 64),
  num_hidden=8,
  num_seeds=3,
  num_epochs=2,
  learning_rates=(0.01, 0.1),
  num_few=32,
  few_epochs=40,
  noise_epochs=200,
)


def _results():
  return study_case.results_of(backpropagation.STUDY, _SMALL)


def _failed(results):
  claims = backpropagation.STUDY.claims(results)
  return {claim.key for claim in claims if claim.holds is False}


def _unshown(results):
  """With three seeds what is wrong is rarely certain enough to fail."""
  claims = backpropagation.STUDY.claims(results)
  return {claim.key for claim in claims if not claim.holds}


def _sigmoid(z):
  return 1 / (1 + np.exp(-z))


class CaseTest(study_case.StudyCase):
  study = backpropagation.STUDY
  small = _SMALL


class TheoryTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.enterContext(jax.enable_x64(True))

  def test_forward_accumulation_of_a_chain(self):
    w, b, x = (0.7, -1.3), (0.2, 0.4), 0.9
    params = tuple(
      {"w": jnp.full((1, 1), w_l), "b": jnp.full(1, b_l)}
      for w_l, b_l in zip(w, b, strict=True)
    )
    h_1 = _sigmoid(w[0] * x + b[0])
    h_2 = _sigmoid(w[1] * h_1 + b[1])
    slope_1, slope_2 = h_1 * (1 - h_1), h_2 * (1 - h_2)
    layers = (nf.activations.sigmoid,) * 2
    h, (first, second) = jax.jit(
      lambda x: theory.forward_accumulation(params, x, layers)
    )(jnp.array([x]))
    pull = slope_2 * w[1]
    for actual, expected in (
      (h, [h_2]),
      (first["w"], [[[pull * slope_1 * x]]]),
      (first["b"], [[pull * slope_1]]),
      (second["w"], [[[slope_2 * h_1]]]),
      (second["b"], [[slope_2]]),
    ):
      np.testing.assert_allclose(actual, expected, rtol=1e-12)

  def test_batch_gradient_by_loops(self):
    rng = np.random.default_rng(0)
    w_1, w_2 = rng.normal(size=(3, 2)), rng.normal(size=(1, 3))
    xs, ys = rng.normal(size=(4, 2)), rng.uniform(size=(4, 1))
    expected = np.zeros((3, 2))
    for x, y in zip(xs, ys, strict=True):
      a_1 = _sigmoid(w_1 @ x)
      a_2 = _sigmoid(w_2 @ a_1)
      delta_2 = (a_2[0] - y[0]) * a_2[0] * (1 - a_2[0])
      for j, k in itertools.product(range(3), range(2)):
        delta_1 = w_2[0, j] * delta_2 * a_1[j] * (1 - a_1[j])
        expected[j, k] += delta_1 * x[k] / 4
    params = (
      {"w": jnp.array(w_1), "b": jnp.zeros(3)},
      {"w": jnp.array(w_2), "b": jnp.zeros(1)},
    )
    layers = (nf.activations.sigmoid,) * 2
    actual = jax.jit(
      lambda xs, ys: theory.batch_gradient(
        params, xs, ys, layers, nf.losses.quadratic
      )
    )(jnp.array(xs), jnp.array(ys))
    np.testing.assert_allclose(actual[0]["w"], expected, rtol=1e-12)

  @parameterized.parameters(1, 2, 3, 5)
  def test_noise_over_all_batches(self, size):
    gradients = np.random.default_rng(1).normal(size=(5, 3))
    distances = [
      np.sum((np.mean(gradients[list(batch)], 0) - np.mean(gradients, 0)) ** 2)
      for batch in itertools.combinations(range(5), size)
    ]
    actual = theory.batch_noise(gradients, size)
    np.testing.assert_allclose(actual, np.mean(distances), atol=1e-14)


class GridTest(absltest.TestCase):
  def test_the_one_of_the_index_is_followed(self):
    every = [optax.sgd(1.0), optax.sgd(10.0), optax.adam(0.5)]
    params = {"w": jnp.zeros(2)}
    grads = {"w": jnp.array([1.0, -2.0])}
    for index, expected in enumerate(([-1, 2], [-10, 20], [-0.5, 0.5])):
      chosen = grid.choose(every, jnp.array(index))
      updates, _ = chosen.update(grads, chosen.init(params), params)
      np.testing.assert_allclose(updates["w"], expected, rtol=1e-4)


class MisprintsTest(absltest.TestCase):
  def test_all_are_misprints(self):
    for found in (_results().exercises, _results().slides):
      self.assertFalse(found.printed.any())
      self.assertTrue(found.instead.all())

  def test_loops_visit_all_layers(self):
    self.assertTrue(misprints._visits_all(4, (3, 2), (4, 3, 2)))
    self.assertFalse(misprints._visits_all(4, (2, 3), (4, 3, 2)))
    self.assertFalse(misprints._visits_all(4, (3, 2), (4, 3)))


class RunTest(parameterized.TestCase):
  def test_no_claim_fails(self):
    self.assertEqual(_failed(_results()), set())

  def test_leaves_the_precision_as_it_was(self):
    _results()
    chex.assert_type(jnp.ones(2), jnp.float32)

  def _identities(self):
    with jax.enable_x64(True):
      found = identities.identities(2, np.random.default_rng(0))
    return _failed(_results()._replace(identities=found))

  def test_formulas_gone_wrong_are_noticed(self):
    accumulate, sgd = theory.forward_accumulation, optax.sgd
    printed = functools.partial(accumulate, as_printed=True)

    def not_halved(a, y):
      return jnp.sum((a - y) ** 2)

    with (
      mock.patch.object(
        theory, "forward_accumulation", lambda *args, **_: printed(*args)
      ),
      mock.patch.object(nf.losses, "quadratic", not_halved),
      mock.patch.object(optax, "sgd", lambda rate: sgd(1.001 * rate)),
    ):
      failed = self._identities()
    noticed = {"recurrence", "printed-losses", "step"}
    self.assertContainsSubset(noticed, failed)
    self.assertNoCommonElements({"four-equations", "batch"}, failed)

  def test_backpropagation_without_one_slope_is_noticed(self):
    original = nf.mlp.backpropagation

    def broken(params, x, y, activations, cost):
      first = activations[0]._replace(slope=jnp.ones_like)
      return original(params, x, y, (first, *activations[1:]), cost)

    with mock.patch.object(nf.mlp, "backpropagation", broken):
      failed = self._identities()
      with jax.enable_x64(True):
        steepest = descent.steepest(64, np.random.default_rng(0))
    noticed = {"four-equations", "biases-and-weights", "softmax-layer"}
    self.assertContainsSubset(noticed, failed)
    failed = _failed(_results()._replace(steepest=steepest))
    self.assertContainsSubset({"steepest", "bound"}, failed)

  def test_batches_drawn_with_replacement_are_noticed(self):
    def permutation(key, n):
      return jax.random.randint(key, (n,), 0, n)

    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: leaf[0], training.starts(4, 1, rng))
    few = nf.data.Images(*(leaf[:16] for leaf in nf.data.digits()))
    for patched in (False, True):
      with mock.patch.object(
        jax.random,
        "permutation",
        permutation if patched else jax.random.permutation,
      ):
        noise = training.noise(few, params, (1, 8), 2000, jax.random.key(0))
      failed = _failed(_results()._replace(noise=noise))
      self.assertEqual("noise" in failed, patched)

  def test_costs_exchanged_are_noticed(self):
    costs = _results().costs
    costs = costs._replace(forward=costs.backward, backward=costs.forward)
    self.assertIn("costs", _failed(_results()._replace(costs=costs)))

  def test_sgd_and_batch_exchanged_is_noticed(self):
    curves = _results().batch_sizes
    for train, sign in ((curves.train, 1), (curves.train[:, ::-1], -1)):
      curves = curves._replace(train=train)
      claims = backpropagation.STUDY.claims(
        _results()._replace(batch_sizes=curves)
      )
      (claim,) = [c for c in claims if c.key == "smaller-is-faster"]
      self.assertGreater(sign * claim.measurement.value, 0)

  def test_no_training_is_noticed(self):
    curves = _results().batch_sizes
    start = {
      name: np.repeat(getattr(curves, name)[..., :1], 41, axis=-1)
      for name in ("train", "validation", "test", "accuracy")
    }
    results = _results()._replace(batch_sizes=curves._replace(**start))
    expected = {"smaller-is-faster", "too-few-epochs", "too-many-epochs"}
    self.assertContainsSubset(expected, _unshown(results))

  def test_momentum_needs_two_rates(self):
    learning_rates = np.array([0.01, 0.2])
    results = _results()
    results = results._replace(
      grid=results.grid._replace(learning_rates=learning_rates)
    )
    claims = {c.key: c for c in backpropagation.STUDY.claims(results)}
    self.assertIsNone(claims["momentum"].measurement)

  @parameterized.parameters(
    (dict(num_seeds=1), "num_seeds >= 2"),
    (dict(learning_rates=(0.1, 0.01)), "ascending learning_rates"),
    (dict(num_few=30), "multiple of mini_batch"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**settings)


if __name__ == "__main__":
  absltest.main()
