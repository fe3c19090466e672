"""Backpropagation: the formulas by hand against loops, and a small study."""

import dataclasses
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
from experiments.textbook import backpropagation_descent as descent
from experiments.textbook import backpropagation_exact as exact
from experiments.textbook import backpropagation_grid as grid
from experiments.textbook import backpropagation_optimizers as optimizers
from experiments.textbook import backpropagation_theory as theory
from experiments.textbook import backpropagation_training as training
from experiments.textbook import backpropagation_training_claims as trained

_CONFIG = backpropagation.Config(
  num_networks=2,
  num_directions=256,
  widths=(32, 64),
  num_train=512,
  num_hidden=8,
  num_seeds=3,
  num_epochs=6,
  learning_rates=(0.01, 0.1, 0.3),
  num_few=32,
  few_epochs=100,
  noise_batches=200,
  num_orders=32,
)
# This takes longer training, and more seeds, than there is time for here.
_LATER = "better accuracy"


@functools.cache
def _results():
  return backpropagation.run(_CONFIG)


def _failed(results):
  claims = backpropagation.STUDY.claims(results)
  return [claim.statement for claim in claims if not claim.holds]


def _sigmoid(z):
  return 1 / (1 + np.exp(-z))


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

    @jax.jit
    def gradients(xs, ys):
      args = params, xs, ys, layers, nf.losses.quadratic
      unvisited = theory.batch_gradient(*args, backward=())
      return theory.batch_gradient(*args), unvisited

    full, unvisited = gradients(jnp.array(xs), jnp.array(ys))
    np.testing.assert_allclose(full[0]["w"], expected, rtol=1e-12)
    np.testing.assert_array_equal(unvisited[0]["w"], 0)
    np.testing.assert_array_equal(unvisited[1]["w"], full[1]["w"])

  def test_descend_moves_what_the_loop_visits(self):
    params = ({"w": 1.0}, {"w": 2.0}, {"w": 3.0})
    grads = ({"w": 1.0}, {"w": 1.0}, {"w": 1.0})
    after = theory.descend(params, grads, 0.5, updated=(4, 2))
    self.assertEqual(after, ({"w": 0.5}, {"w": 2.0}, {"w": 2.5}))

  @parameterized.parameters(1, 2, 3, 5)
  def test_noise_over_all_batches(self, size):
    gradients = np.random.default_rng(1).normal(size=(5, 3))
    distances = [
      np.sum((np.mean(gradients[list(batch)], 0) - np.mean(gradients, 0)) ** 2)
      for batch in itertools.combinations(range(5), size)
    ]
    expected = np.mean(distances)
    actual = theory.batch_noise(gradients, size)
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-15)

  @parameterized.parameters(0.0, 0.3, 0.6)
  def test_excess_over_all_orders(self, floor):
    ys = np.array([0.3, -1.0, 2.0, 0.7, 0.1])
    rates = np.maximum(floor, 1 / np.arange(1, 6))
    excess = []
    for order in itertools.permutations(ys):
      w = 10.0
      for rate, y in zip(rates, order, strict=True):
        w -= rate * (w - y)
      excess.append((w - np.mean(ys)) ** 2 / 2)
    expected = theory.excess_after_an_epoch(ys, rates)
    np.testing.assert_allclose(np.mean(excess), expected, atol=1e-14)

  def test_floors_of_a_coin(self):
    expected = [1 / 4, 2 * np.log(2), np.log(2)]
    np.testing.assert_allclose(theory.entropy_floors([0.5, 0.5]), expected)

  @parameterized.parameters(1, 3)
  def test_costs_counted_product_by_product(self, num_layers):
    n = 5
    plain = num_layers * n * n
    pairs = [(k, j) for k in range(num_layers) for j in range(k)]
    products = len(pairs) * n * n * n**2  # [n, n] times [n, n^2]
    self.assertEqual(theory.forward_cost(n, num_layers), products / plain)
    errors = (num_layers - 1) * n * n
    self.assertEqual(
      theory.backward_cost(num_layers),
      (2 * plain + 2 * errors + num_layers * n * n) / (2 * plain),
    )

  def test_softmax_regression_of_no_weights(self):
    params = {"w": jnp.zeros((4, 2)), "b": jnp.zeros(4)}
    actual = jax.jit(theory.softmax_regression)(
      params, jnp.array([1.0, 2.0]), 1
    )
    error = [0.25, -0.75, 0.25, 0.25]
    np.testing.assert_array_equal(actual["a"], [0, -4, 0, 0])
    np.testing.assert_array_equal(actual["z"], error)
    np.testing.assert_array_equal(actual["w"], np.outer(error, [1, 2]))


class OptimizerTest(parameterized.TestCase):
  @parameterized.parameters(
    ("SGD", -0.2),
    ("momentum", -0.2),
    ("Nesterov", -0.2 * 1.9),
    ("AdaGrad", -0.1 * 2 / np.sqrt(4.1)),
    ("RMSprop", -0.1 / np.sqrt(0.1)),
    ("Adam", -0.1),
    ("AdamW", -0.1 - 0.1 * 0.01 * 5),
  )
  def test_first_step(self, name, expected):
    formula = optimizers.OPTIMIZERS[name].formula
    theta = formula(np.array([5.0]), np.array([[2.0]]), 0.1)
    np.testing.assert_allclose(theta - 5, [[expected]], rtol=1e-6)

  def test_momentum_ends_at_ten_times_the_speed(self):
    formula = optimizers.OPTIMIZERS["momentum"].formula
    theta = formula(np.zeros(1), np.ones((300, 1)), 0.1)[:, 0]
    np.testing.assert_allclose(theta[-1] - theta[-2], -1.0, rtol=1e-9)

  def test_another_setting_is_noticed(self):
    adam = optimizers.OPTIMIZERS["Adam"]
    other = adam._replace(make=lambda rate: optax.adam(rate, b2=0.99))
    patched = optimizers.OPTIMIZERS | {"Adam": other}
    with mock.patch.object(optimizers, "OPTIMIZERS", patched):
      with jax.enable_x64(True):
        found = descent.formulas(np.random.default_rng(0))
    failed = _failed(_results() | found)
    self.assertIn("Adam of optax takes", "".join(failed))
    self.assertNotIn("AdamW of optax takes", "".join(failed))

  def test_the_one_of_the_index_is_followed(self):
    every = [optax.sgd(1.0), optax.sgd(10.0), optax.adam(0.5)]
    params = {"w": jnp.zeros(2)}
    grads = {"w": jnp.array([1.0, -2.0])}
    for index, expected in enumerate(([-1, 2], [-10, 20], [-0.5, 0.5])):
      chosen = grid._choose(every, jnp.array(index))
      updates, _ = chosen.update(grads, chosen.init(params), params)
      np.testing.assert_allclose(updates["w"], expected, rtol=1e-4)


class TrainingTest(absltest.TestCase):
  def test_digits_are_split(self):
    digits = training.digits(100, np.random.default_rng(0))
    chex.assert_shape(digits.xs, (100, 64))
    chex.assert_shape(digits.held_out_ys, (1697,))
    total = np.sum(digits.xs) + np.sum(digits.held_out_xs)
    np.testing.assert_allclose(total, nf.data.digits().pixels.sum(), rtol=1e-5)

  def test_refuses_to_hold_out_nothing(self):
    with self.assertRaisesRegex(ValueError, "from 1 to 1796"):
      training.digits(1797, np.random.default_rng(0))

  def test_lanes(self):
    lanes = grid.cross((0.1, 1.0), 0.03)
    chex.assert_shape(lanes, (7 * 2 + 6,))
    self.assertEqual(lanes.rate[:4].tolist(), [0.1, 1.0, 0.1, 1.0])
    self.assertEqual(lanes.optimizer[:4].tolist(), [0, 0, 1, 1])
    self.assertEqual(lanes.loss[-6:].tolist(), [0, 0, 1, 1, 2, 2])
    self.assertEqual(lanes.sees[-6:].tolist(), [0, 1, 0, 1, 0, 1])

  def test_lower_is_four_standard_errors_below(self):
    # Mean 2, deviation 2 and standard error 1.
    values = np.array([0.0, 2.0, 2.0, 4.0]) * np.sqrt(1.5) + 2 - 2 * 1.5**0.5
    np.testing.assert_allclose(trained.lower(values), 2 - 4, rtol=1e-12)


class RunTest(parameterized.TestCase):
  def test_claims_hold(self):
    failed = [
      statement for statement in _failed(_results()) if _LATER not in statement
    ]
    self.assertEqual(failed, [])

  def test_every_row_is_claimed(self):
    claims = backpropagation.STUDY.claims(_results())
    self.assertContainsSubset(
      {
        *("S0-1.4", "S1-P4", "S0-2.1", "S1-P5", "S2-backprop", "S0-2.2"),
        *("S2-training", "S3-1.4-sgd", "S3-1.5.1", "S4-1", "S0-3.2"),
        "S2-losses",
      },
      {claim.id for claim in claims},
    )

  def test_leaves_the_precision_as_it_was(self):
    _results()
    chex.assert_type(jnp.ones(2), jnp.float32)

  def test_the_printed_base_case_is_noticed(self):
    original = theory.forward_accumulation

    def printed(*args, base=None):
      del base
      return original(*args, base=lambda slope, h: h)

    networks = {"_AS_WHOLE": (), "_IN_BATCHES": ()}
    with mock.patch.multiple(exact, **networks):
      with mock.patch.object(theory, "forward_accumulation", printed):
        with jax.enable_x64(True):
          found = exact.identities(2, np.random.default_rng(0))
    for name in ("vector_error", "batch_error"):
      del found[name]
    failed = "".join(_failed(_results() | found))
    self.assertIn("The forward recurrence gives", failed)
    self.assertIn("Times dL / dh it gives", failed)

  @parameterized.parameters(
    ("gradient_cosine", "A step of length eps"),
    ("printed_change", "Erratum. The loops"),
    ("step_error", "down to 2"),
    ("noise_theory", "E norm"),
    ("rate_theory", "ends in the minimum"),
    ("regression_error", "one minimum"),
    ("softmax_error", "dl/dz"),
    ("loss_error", "Squared error: dJ"),
  )
  def test_a_wrong_number_is_noticed(self, name, statement):
    results = dict(_results())
    results[name] = 1.5 * results[name] + 1e-3
    self.assertIn(statement, "".join(_failed(results)))

  def test_costs_exchanged_are_noticed(self):
    results = dict(_results())
    results["operations"] = results["operations"][:, [0, 2, 1]]
    failed = "".join(_failed(results))
    self.assertIn("multiplies P", failed)
    self.assertIn("plain passes", failed)

  def test_sgd_and_batch_exchanged_is_noticed(self):
    results = dict(_results())
    results["batch_curves"] = results["batch_curves"][::-1]
    self.assertIn("SGD is ahead", "".join(_failed(results)))

  def test_noise_that_falls_like_one_over_b_is_noticed(self):
    results = dict(_results())
    sizes = results["noise_sizes"][:, np.newaxis]
    results["noise_squared"] = results["noise_squared"] / sizes
    self.assertIn("falls like", "".join(_failed(results)))

  def test_draws(self):
    self.assertLen(backpropagation.STUDY.plot(_results()).axes, 6)

  @parameterized.parameters(
    (dict(num_networks=0), "num_networks >= 1"),
    (dict(num_seeds=1), "num_seeds >= 2"),
    (dict(num_directions=8), "num_directions >= 16"),
    (dict(widths=(8,)), "two or more widths"),
    (dict(learning_rates=(0.1, 0.01)), "two or more learning_rates"),
    (dict(num_few=30), "multiple of mini_batch"),
    (dict(num_few=2048), "up to 1024"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      dataclasses.replace(backpropagation.Config(), **settings)


if __name__ == "__main__":
  absltest.main()
