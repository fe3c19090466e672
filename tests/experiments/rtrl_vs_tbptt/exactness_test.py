"""Exactness: references against naive loops, and the study at small size."""

import functools
from unittest import mock

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized

import nnfun as nf
from experiments.rtrl_vs_tbptt import exactness
from experiments.rtrl_vs_tbptt.exactness import (
  claims,
  lstm,
  readings,
  reference,
  run,
)
from tests import oracles
from tests.experiments import study_case

_SMALL = run.Config(
  cells=("vanilla",),
  num_units=3,
  num_steps=6,
  lengths=(1, 3, 6),
  exact_lengths=(2,),
  flush_every=3,
  learning_rates=(1e-5, 1e-4, 1e-3),
  num_seeds=3,
)


def _small():
  return study_case.results_of(exactness.STUDY, _SMALL)


@functools.cache
def _problem(name="vanilla"):
  with jax.enable_x64(True):
    return run.make_problem(_SMALL, name)


def _at(tree, index):
  return jax.tree.map(lambda leaf: leaf[index], tree)


def _failing(results):
  found = claims.claims(results)
  return {claim.key for claim in found if claim.holds is False}


class CaseTest(study_case.StudyCase):
  study = exactness.STUDY
  small = _SMALL

  def test_leaves_the_precision_as_it_was(self):
    self.results()
    chex.assert_type(jax.numpy.ones(2), jax.numpy.float32)


class ReferenceTest(parameterized.TestCase):
  def test_gradient_is_that_of_a_loop(self):
    with jax.enable_x64(True):
      problem = _problem("elstm")
      _, expected = oracles.whole_gradient(
        problem.cell, problem.loss_fn, *_at(problem[2:], 1)
      )
      actual = reference.gradient(problem)
      oracles.assert_same_gradient(_at(actual, 1), expected)

  @parameterized.parameters(True, False)
  def test_a_window_is_a_loop_that_starts_late(self, rolls):
    """Loss t through its last 2 steps, or those of its segment of 2."""
    length, problem = 2, _problem()
    cell, loss_fn = problem.cell, problem.loss_fn
    params, xs, ys = _at(problem[2:], 1)
    with jax.enable_x64(True):
      states = [nf.base.initial_state(cell, params["cell"])]
      for x_t in xs:
        states.append(cell.step(params["cell"], states[-1], x_t))

      def loss(params, t):
        first = max(t - length + 1, 0) if rolls else t // length * length
        s_t = states[first]
        for u in range(first, t + 1):
          s_t = cell.step(params["cell"], s_t, xs[u])
        return loss_fn(params, s_t, ys[t])

      total = lambda params: sum(loss(params, t) for t in range(len(xs)))
      windows = reference.window(length, len(xs), rolls=rolls)[None]
      actual = reference.windowed(problem, windows)
      oracles.assert_same_gradient(_at(actual, (1, 0)), jax.grad(total)(params))

  def test_shift_gradient_and_online_training_are_the_recursion(self):
    """Steps of a stream which changes its parameters, from a naive loop."""
    with jax.enable_x64(True):
      problem, rate = _problem(), 0.05
      used, grads = reference.train(problem, np.array([rate]))
      losses = np.tile(np.eye(_SMALL.num_steps)[4], (_SMALL.num_seeds, 1))
      shift = reference.shift_gradient(
        problem, used, losses, problem.xs, problem.ys
      )
      sequence = [_at(used, (1, t)) for t in range(_SMALL.num_steps)]
      expected = oracles.online_gradients(
        problem.cell, problem.loss_fn, sequence, problem.xs[1], problem.ys[1]
      )
      for t, gradient in enumerate(expected):
        oracles.assert_same_gradient(_at(grads, (1, t)), gradient)
      oracles.assert_same_gradient(_at(shift, 1), expected[4])
      step = jax.tree.map(lambda p, g: p - rate * g, sequence[2], expected[2])
      chex.assert_trees_all_close(sequence[3], step, rtol=1e-12)

  def test_errors_are_those_of_the_library(self):
    rng = np.random.default_rng(0)
    estimate, exact = (
      {"a": rng.normal(size=(3, 2, 2)), "b": rng.normal(size=(3, 4))}
      for _ in range(2)
    )
    errors = reference.errors(estimate, exact)
    with jax.enable_x64(True):
      expected = nf.diagnostics.estimator_error(
        _at(estimate, np.s_[2:]), _at(exact, 2)
      )
    np.testing.assert_allclose(errors[2], expected.relative_bias, rtol=1e-12)


class ClaimsTest(parameterized.TestCase):
  def test_all_hold(self):
    self.assertEmpty(_failing(_small()))

  def test_number_formats_differ_by_rounding(self):
    _, single = readings.by_length(_small(), readings.RTRL, "float32")
    _, double = readings.by_length(_small(), readings.RTRL)
    self.assertTrue(np.all(single > 1e5 * double))
    self.assertTrue(np.all(single < 1e-5))

  def wrong(self, name, length, estimator):
    """Results in which a comparison was made with another estimator."""
    case = run.Case(name, length, "float64")
    with jax.enable_x64(True), mock.patch.dict(run.ESTIMATORS, estimator):
      problem = _problem()
      estimates = run.estimate(_SMALL, problem, case)
      exact = run._expected(_SMALL, problem, [case])
      error = reference.errors(estimates, exact[run._sees(_SMALL, case)])
    found = _small().comparisons
    (row,) = np.flatnonzero(
      (found.estimator == name)
      & (found.length == length)
      & (found.dtype == "float64")
    )
    own_error = np.copy(found.own_error)
    own_error[:, row] = error
    return _small()._replace(comparisons=found._replace(own_error=own_error))

  def test_a_truncation_passed_off_as_rtrl_is_noticed(self):
    broken = run.ESTIMATORS[readings.TRUNCATED]
    results = self.wrong(readings.RTRL, 2, {readings.RTRL: broken})
    self.assertEqual(_failing(results), {"exact"})

  @parameterized.parameters(-1, 1)
  def test_a_window_of_one_step_more_or_less_is_noticed(self, change):
    def broken(cell, loss, length, config):
      del config
      return nf.estimators.rolling_bptt(cell, loss, window=length + change)

    results = self.wrong(readings.ROLLING, 3, {readings.ROLLING: broken})
    self.assertEqual(_failing(results), {"truncations"})

  def test_segments_that_are_joined_are_noticed(self):
    broken = run.ESTIMATORS[readings.RTRL]
    results = self.wrong(readings.TRUNCATED, 3, {readings.TRUNCATED: broken})
    self.assertEqual(_failing(results), {"truncations"})

  @parameterized.parameters(
    ("stale_error", lambda e: e**2, "staleness"),
    ("shift_error", lambda e: e + 1e-9, "each-step"),
  )
  def test_wrong_online_errors_are_noticed(self, name, change, key):
    online = _small().online
    online = online._replace(**{name: change(getattr(online, name))})
    self.assertEqual(_failing(_small()._replace(online=online)), {key})

  def test_wrong_errors_are_noticed(self):
    results = _small()
    wrong = results._replace(step_error=results.step_error + 1e-9)
    self.assertEqual(_failing(wrong), {"each-step"})
    found = results.comparisons
    for error, keys in (
      (0.01 * found.error, {"first-term"}),
      (np.ones_like(found.error), {"decay"}),
    ):
      wrong = results._replace(comparisons=found._replace(error=error))
      self.assertEqual(_failing(wrong), keys)

  @parameterized.parameters("_library", "_flax")
  def test_exchanged_gates_are_noticed(self, name):
    cell = getattr(lstm, name)

    def exchanged(w, u, b, xs):
      swap = {"r": "s", "s": "r", "l": "l", "f": "f"}
      w, u, b = ({k: d[swap[k]] for k in d} for d in (w, u, b))
      return cell(w, u, b, xs)

    with mock.patch.object(lstm, name, exchanged):
      wrong = lstm.compare(3, 4, 6, 0)
    self.assertEqual(_failing(_small()._replace(lstm=wrong)), {"lstm"})


class ConfigTest(parameterized.TestCase):
  def test_exhaustive_means_everything_everywhere(self):
    config = exactness.STUDY.full
    for cell in config.cells:
      cases = run.cases(config, cell)
      diagonal = cell in run.DIAGONAL_CELLS
      self.assertLen(set(cases), len(cases))
      self.assertLen(cases, 2 * 6 * (4 + diagonal))

  @parameterized.parameters(*run.CELLS)
  def test_every_cell_has_an_exact_estimator(self, cell):
    found = run.cases(run.Config(), cell)
    self.assertTrue({c.estimator for c in found} & {*readings.EXACT})

  @parameterized.parameters(
    (dict(cells=("rnn",)), "expected cells from"),
    (dict(num_seeds=1), "num_seeds >= 2"),
    (dict(lengths=(1, 3, 32)), "lengths and exact_lengths which divide"),
    (dict(exact_lengths=(3,)), "lengths and exact_lengths which divide"),
    (dict(lengths=(4, 2, 32)), "three or more lengths, ascending"),
    (dict(lengths=(1, 2, 4)), "from 1 to 32"),
    (dict(learning_rates=(1e-3, 1e-2)), "three or more learning_rates"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**settings)


if __name__ == "__main__":
  absltest.main()
