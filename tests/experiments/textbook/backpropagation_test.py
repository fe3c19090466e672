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
from scipy import special

import nnfun as nf
from experiments.textbook import backpropagation
from experiments.textbook.backpropagation import identities, networks, run
from tests.experiments import study_case

_SIGMOIDS = networks.Network(
  "", (), (nf.activations.sigmoid,) * 2, nf.losses.quadratic
)


class NetworksTest(absltest.TestCase):
  def test_forward_accumulation_of_a_chain(self):
    w, b, x = (0.7, -1.3), (0.2, 0.4), 0.9
    params = tuple(
      {"w": np.full((1, 1), w_l), "b": np.full(1, b_l)}
      for w_l, b_l in zip(w, b, strict=True)
    )
    h_1 = special.expit(w[0] * x + b[0])
    h_2 = special.expit(w[1] * h_1 + b[1])
    slope_1, slope_2 = h_1 * (1 - h_1), h_2 * (1 - h_2)
    accumulate = functools.partial(networks.forward_accumulation, _SIGMOIDS)
    with jax.enable_x64(True):
      h, (first, second) = jax.jit(accumulate)(params, np.array([x]))
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
      a_1 = special.expit(w_1 @ x)
      a_2 = special.expit(w_2 @ a_1)
      delta_2 = (a_2[0] - y[0]) * a_2[0] * (1 - a_2[0])
      for j, k in itertools.product(range(3), range(2)):
        delta_1 = w_2[0, j] * delta_2 * a_1[j] * (1 - a_1[j])
        expected[j, k] += delta_1 * x[k] / 4
    params = {"w": w_1, "b": np.zeros(3)}, {"w": w_2, "b": np.zeros(1)}
    gradient = functools.partial(networks.batch_gradient, _SIGMOIDS)
    with jax.enable_x64(True):
      actual = jax.jit(gradient)(params, xs, ys)
    np.testing.assert_allclose(actual[0]["w"], expected, rtol=1e-12)


class StudyTest(study_case.StudyCase):
  study = backpropagation.STUDY
  small = run.Config(
    num_hidden=8,
    num_seeds=3,
    num_epochs=2,
    learning_rates=(0.01, 0.1),
    few_epochs=20,
    few_seeds=3,
  )

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    fewer = dict(_OPTIMIZERS={"SGD": optax.sgd}, _BATCH_SIZES=(1, 64))
    cls.enterClassContext(mock.patch.multiple(run, _NOISE_SIZES=(8,), **fewer))

  def _failed(self, **broken):
    """Claims which do not hold of results of which some are replaced."""
    claims = self.study.claims(self.results()._replace(**broken))
    return {claim.key for claim in claims if not claim.holds}

  def test_formulas_hold_and_leave_the_precision_as_it_was(self):
    # With three seeds what is trained is rarely certain.
    trained = {"smaller-is-faster", "epochs", "better-than-linear"}
    self.assertContainsSubset(self._failed(), trained)
    chex.assert_type(jnp.ones(2), jnp.float32)

  def test_formulas_gone_wrong_are_noticed(self):
    original, accumulate = nf.mlp.backpropagation, networks.forward_accumulation

    def broken(params, x, y, activations, cost):
      first = activations[0]._replace(slope=jnp.ones_like)
      return original(params, x, y, (first, *activations[1:]), cost)

    def printed(network, params, x, as_printed=False):
      return accumulate(network, params, x, True)

    jobs = {job[0]: job for job in reversed(identities._JOBS)}
    jobs = {key: jobs[key] for key in ("four-equations", "recurrence", "step")}
    with (
      jax.enable_x64(True),
      mock.patch.object(nf.mlp, "backpropagation", broken),
      mock.patch.object(networks, "forward_accumulation", printed),
      mock.patch.object(optax, "sgd", lambda rate: optax.scale(-1.001 * rate)),
      mock.patch.object(identities, "_JOBS", list(jobs.values())),
    ):
      found = identities.identities(np.random.default_rng(0))
    self.assertGreater(found["recurrence"]["dh/dw by autodiff"], 0.1)
    errors = self.results().identities | found
    self.assertContainsSubset(set(jobs), self._failed(identities=errors))

  def test_another_direction_is_noticed(self):
    def of_the_first_layer(network, params, xs, ys):
      grads = jax.grad(network.mean_cost)(params, xs, ys)
      return grads[0], *jax.tree.map(jnp.zeros_like, grads[1:])

    with (
      jax.enable_x64(True),
      mock.patch.object(networks, "batch_gradient", of_the_first_layer),
    ):
      steepest = identities.steepest(np.random.default_rng(0))
    self.assertIn("steepest", self._failed(steepest=steepest))
    steepest = self.results().steepest | {"norm": np.ones([])}
    self.assertIn("bound", self._failed(steepest=steepest))

  def test_batches_drawn_with_replacement_are_noticed(self):
    def permutation(key, n):
      return jax.random.randint(key, (n,), 0, n)

    few = nf.data.Images(*(leaf[:64] for leaf in nf.data.digits()))
    with mock.patch.object(jax.random, "permutation", permutation):
      noise = run.noise(few, jax.random.key(0))
    self.assertIn("noise", self._failed(noise=noise))

  def test_other_numbers_are_noticed(self):
    costs, regression = self.results().costs, self.results().regression
    costs = costs._replace(forward=costs.backward, backward=costs.forward)
    self.assertIn("costs", self._failed(costs=costs))
    steep = regression | {"by b": 1e-3 * regression["norm of W"]}
    self.assertIn("one-minimum", self._failed(regression=steep))

  @parameterized.product(i=(0, 1), cite=("S0", "S2"))
  def test_a_passage_without_a_misprint_is_noticed(self, i, cite):
    misprints = self.results().misprints
    for name, holds in misprints[cite].items():
      turned = misprints[cite] | {name: holds ^ (np.arange(2) == i)}
      failed = self._failed(misprints=misprints | {cite: turned})
      self.assertIn(f"misprints-{cite.lower()}", failed)

  def test_training_gone_wrong_is_noticed(self):
    curves, grid = self.results().batch_sizes, self.results().grid
    start = {name: np.ones_like(curves.train) for name in curves._fields[2:]}
    failed = self._failed(
      batch_sizes=curves._replace(**start),
      grid=grid._replace(test=0.9 * np.ones_like(grid.test)),
    )
    trained = {"smaller-is-faster", "epochs", "better-than-linear"}
    self.assertContainsSubset(trained, failed)


if __name__ == "__main__":
  absltest.main()
