"""Exactness: references against naive loops, and the study at small size."""

import functools
from unittest import mock

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized

import nnfun as nf
from experiments.rtrl_vs_tbptt import exactness, exactness_lstm
from experiments.rtrl_vs_tbptt import exactness_reference as reference
from tests import oracles

_CONFIG = exactness.Config(
  cells=("vanilla",),
  num_units=3,
  num_steps=6,
  lengths=(1, 3, 6),
  exact_lengths=(3,),
  flush_every=3,
  learning_rates=(1e-5, 1e-4, 1e-3),
  num_seeds=2,
)


@functools.cache
def _results():
  return exactness.run(_CONFIG)


@functools.cache
def _problem(name="vanilla"):
  with jax.enable_x64(True):
    return exactness._problem(_CONFIG, name)


def _at(tree, index):
  return jax.tree.map(lambda leaf: leaf[index], tree)


def _failed(results):
  claims = exactness.STUDY.claims(results)
  return [claim.statement for claim in claims if not claim.holds]


def _row(results, estimator, length, dtype="float64"):
  rows = (results["cell"] == "vanilla") & (results["dtype"] == dtype)
  rows &= (results["estimator"] == estimator) & (results["length"] == length)
  return int(np.flatnonzero(rows)[0])


class ReferenceTest(parameterized.TestCase):
  def test_gradient_is_that_of_a_loop(self):
    with jax.enable_x64(True):
      problem = _problem("elstm")
      _, expected = oracles.whole_gradient(
        problem.cell, problem.loss_fn, *_at(problem[2:], 1)
      )
      actual = reference.gradient(problem)
      oracles.assert_same_gradient(_at(actual, 1), expected)

  def test_shift_gradient_and_online_training_are_the_recursion(self):
    """Steps of a stream which changes its parameters, from a naive loop."""
    with jax.enable_x64(True):
      problem, rate = _problem(), 0.05
      used, grads = reference._train(problem, np.array([rate]))
      weights = np.tile(np.eye(_CONFIG.num_steps)[4], (_CONFIG.num_seeds, 1))
      shift = reference.shift_gradient(
        problem, used, weights, problem.xs, problem.ys
      )
      sequence = [_at(used, (1, t)) for t in range(_CONFIG.num_steps)]
      expected = oracles.online_gradients(
        problem.cell, problem.loss_fn, sequence, problem.xs[1], problem.ys[1]
      )
      for t, gradient in enumerate(expected):
        oracles.assert_same_gradient(_at(grads, (1, t)), gradient)
      oracles.assert_same_gradient(_at(shift, 1), expected[4])
      step = jax.tree.map(lambda p, g: p - rate * g, sequence[2], expected[2])
      chex.assert_trees_all_close(sequence[3], step, rtol=1e-12)

  def test_compare_is_that_of_the_library(self):
    rng = np.random.default_rng(0)
    estimate, exact = (
      {"a": rng.normal(size=(3, 2, 2)), "b": rng.normal(size=(3, 4))}
      for _ in range(2)
    )
    error, cosine = reference.compare(estimate, exact)
    with jax.enable_x64(True):
      expected = nf.diagnostics.estimator_error(
        _at(estimate, np.s_[2:]), _at(exact, 2)
      )
      np.testing.assert_allclose(error[2], expected.relative_bias, rtol=1e-12)
      np.testing.assert_allclose(cosine[2], expected.cosine, rtol=1e-12)


class RunTest(parameterized.TestCase):
  def test_all_claims_hold(self):
    self.assertEmpty(_failed(_results()))

  def test_number_formats_differ_by_rounding(self):
    results = _results()
    single = results["error"][_row(results, "RTRL", 3, "float32")]
    double = results["error"][_row(results, "RTRL", 3)]
    self.assertTrue(np.all(single > 1e5 * double))
    self.assertTrue(np.all(single < 1e-5))

  def test_leaves_the_precision_as_it_was(self):
    _results()
    chex.assert_type(jax.numpy.ones(2), jax.numpy.float32)

  def test_a_truncation_passed_off_as_rtrl_is_noticed(self):
    results = {k: np.copy(v) for k, v in _results().items()}
    broken = exactness.ESTIMATORS["truncated BPTT"]
    with (
      jax.enable_x64(True),
      mock.patch.dict(exactness.ESTIMATORS, {"RTRL": broken}),
    ):
      problem = _problem()
      case = exactness.Case("RTRL", 3, "float64")
      estimates = exactness._estimate(_CONFIG, problem, case)
      error, _ = reference.compare(estimates, reference.gradient(problem))
    results["error"][_row(results, "RTRL", 3)] = error
    failed = _failed(results)
    self.assertLen(failed, 1)
    self.assertStartsWith(failed[0], "RTRL, for every segment length")

  @parameterized.parameters(
    ("stale_error", lambda e: e**2, "first order"),
    ("shift_error", lambda e: e + 1e-9, "common shift"),
    ("step_error", lambda e: e + 1e-9, "own loss"),
    ("error", lambda e: 1.0 - e, "falls with each increase"),
    ("cosine", lambda e: 1.0 - e, "rises with each increase"),
    ("error", lambda e: 0.1 * e, "first term is needed"),
    ("lstm_printed_defined", lambda n: n + 1, "Erratum"),
  )
  def test_wrong_numbers_are_noticed(self, name, change, statement):
    results = _results() | {name: change(_results()[name])}
    self.assertTrue(any(statement in s for s in _failed(results)))

  @parameterized.parameters(0, 1)
  def test_exchanged_gates_are_noticed(self, whose):
    name = ("_library", "_flax")[whose]
    cell = getattr(exactness_lstm, name)

    def exchanged(w, u, b, xs):
      swap = {"r": "s", "s": "r", "l": "l", "f": "f"}
      w, u, b = ({k: d[swap[k]] for k in d} for d in (w, u, b))
      return cell(w, u, b, xs)

    with mock.patch.object(exactness_lstm, name, exchanged):
      wrong = exactness_lstm.compare(3, 4, 6, 0)
    failed = _failed(_results() | wrong)
    self.assertLen(failed, 1)
    self.assertIn(("used here", "Flax's")[whose], failed[0])

  def test_printed_shape_is_right_if_p_is_d(self):
    with self.assertRaisesRegex(ValueError, "expected p and d to differ"):
      exactness_lstm.compare(4, 4, 6, 0)

  def test_draws(self):
    self.assertLen(exactness.STUDY.plot(_results()).axes, 2)


class ConfigTest(parameterized.TestCase):
  def test_exhaustive_means_everything_everywhere(self):
    config = exactness.STUDY.full
    for cell in config.cells:
      cases = exactness.cases(config, cell)
      diagonal = cell in exactness.DIAGONAL_CELLS
      self.assertLen(set(cases), len(cases))
      self.assertLen(cases, 2 * 6 * (4 + diagonal))

  @parameterized.parameters(*exactness.CELLS)
  def test_every_cell_has_an_exact_estimator(self, cell):
    found = exactness.cases(exactness.Config(), cell)
    self.assertTrue({c.estimator for c in found} - {*exactness.TRUNCATED})

  @parameterized.parameters(
    (dict(cells=("rnn",)), "expected cells from"),
    (dict(cells=()), "expected cells from"),
    (dict(num_seeds=0), "num_seeds >= 1, got 0"),
    (dict(lengths=(1, 3, 32)), "expected lengths"),
    (dict(lengths=(4, 2, 32)), "expected lengths"),
    (dict(exact_lengths=()), "expected exact_lengths"),
    (dict(lengths=(1, 2, 4)), "up to 32"),
    (dict(learning_rates=(1e-3, 0.0)), "positive learning_rates"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      exactness.run(exactness.Config(**settings))


if __name__ == "__main__":
  absltest.main()
