"""Exactness: references against naive loops, and the study at small size."""

import functools
from unittest import mock

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized

import nnfun as nf
from experiments import sweeps
from experiments.rtrl_vs_tbptt import exactness
from experiments.rtrl_vs_tbptt.exactness import (
  family,
  lstm,
  readings,
  reference,
  run,
)
from tests import oracles
from tests.experiments import study_case

_SMALL = run.Config(
  cells=("vanilla", "lru"),
  num_units=3,
  num_steps=6,
  lengths=(1, 3),
  exact_lengths=(2,),
  num_seeds=5,
)
# Cases in which another estimator is run than the one that is named.
_EXCHANGED = (
  (readings.RTRL, 2),
  (readings.TRUNCATED, 3),
  (readings.ROLLING, 1),
  (readings.ROLLING, 3),
)


def _at(tree, index):
  return jax.tree.map(lambda leaf: leaf[index], tree)


def _problem():
  """The network and the sequence of one seed."""
  problem = run.make_problem(_SMALL, "vanilla")
  return reference.Problem(*problem[:2], *_at(problem[2:], 1))


def _failing(results):
  return {c.key for c in exactness.STUDY.claims(results) if c.holds is False}


class CaseTest(study_case.StudyCase):
  study = exactness.STUDY
  small = _SMALL

  def test_all_hold_and_leave_the_precision_as_it_was(self):
    self.assertEmpty(_failing(self.results()))
    chex.assert_type(jax.numpy.ones(2), jax.numpy.float32)

  @parameterized.parameters(
    ("stale_error", lambda e: e**2, "staleness"),
    ("shift_error", lambda e: e + 1e-9, "each-step"),
    ("lstm", lambda e: e + 1e-9, "lstm"),
  )
  def test_wrong_errors_are_noticed(self, name, change, key):
    wrong = {name: change(getattr(self.results(), name))}
    self.assertEqual(_failing(self.results()._replace(**wrong)), {key})

  @parameterized.parameters(*_EXCHANGED)
  def test_another_estimator_is_noticed(self, name, length):
    results = self.results()
    key = "exact" if name == readings.RTRL else "truncations"
    row = np.argmax((results.estimator == name) & (results.length == length))
    own_error = results.own_error.copy()
    own_error[:, row] = _broken()[name, length]
    self.assertEqual(_failing(results._replace(own_error=own_error)), {key})

  @parameterized.parameters(*range(11))
  def test_an_error_in_the_family_is_noticed(self, row):
    found = self.results().family
    self.assertLen(found.name, 11)
    error = found.error.copy()
    error[2, row] = 1e-9
    wrong = self.results()._replace(family=found._replace(error=error))
    self.assertEqual(
      _failing(wrong), {"limits" if found.is_limit[row] else "rules"}
    )


@functools.cache
def _broken():
  """Errors of estimators in place of which others are run."""

  def window_of_one_step_more_or_less(cell, loss_fn, window):
    window = {1: 2, 3: 2}[window]
    return nf.estimators.rolling_bptt(cell, loss_fn, window=window)

  wrong = {
    readings.RTRL: nf.estimators.truncated_bptt,
    readings.TRUNCATED: nf.estimators.rtrl,  # Joins the segments.
    readings.ROLLING: window_of_one_step_more_or_less,
  }
  with jax.enable_x64(True), mock.patch.dict(run.ESTIMATORS, wrong):
    problem = run.make_problem(_SMALL, "vanilla")
    _, own_errors = run._compare(problem, _EXCHANGED)
  return dict(zip(_EXCHANGED, own_errors.T, strict=True))


class ReferenceTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.enterContext(jax.enable_x64(True))

  def test_windows_are_loops(self):
    """Each loss through its last 2 steps, or those of its segment of 2."""
    problem = _problem()
    params, *data = problem[2:]
    net = problem.cell, problem.loss_fn
    loops = {
      readings.ROLLING: oracles.online_gradients(
        *net, [params] * len(problem.xs), *data, window=2
      ),
      readings.TRUNCATED: oracles.truncated_gradients(
        *net, params, *data, segment=2
      ),
    }
    windowed = sweeps.quick_jit(lambda w: reference.windowed(problem, w))
    for name, grads in loops.items():
      window = run._window(name, 2, len(problem.xs)).astype(float)
      expected = jax.tree.map(lambda *leaves: sum(leaves), *grads)
      oracles.assert_same_gradient(windowed(window), expected)

  def test_shift_gradient_and_online_training_are_the_recursion(self):
    """Steps of a stream which changes its parameters, from a naive loop."""
    problem, rate = _problem(), 0.05
    each = np.eye(len(problem.xs))

    @sweeps.quick_jit
    def online(rate):
      used, grads = reference.train(problem, rate)
      moves = np.ones_like(each)
      return used, grads, reference.gradients(problem, used, each, moves)

    used, grads, shift = online(rate)
    sequence = [_at(used, t) for t in range(len(each))]
    expected = oracles.online_gradients(
      problem.cell, problem.loss_fn, sequence, problem.xs, problem.ys
    )
    for t, gradient in enumerate(expected):
      oracles.assert_same_gradient(_at(grads, t), gradient)
      oracles.assert_same_gradient(_at(shift, t), gradient)
    step = jax.tree.map(lambda p, g: p - rate * g, sequence[2], expected[2])
    chex.assert_trees_all_close(sequence[3], step, rtol=1e-12)

  @parameterized.parameters(*family.RULES)
  def test_rules_are_loops(self, name):
    cell_name, _, carry = family.RULES[name]
    problem = run.make_problem(_SMALL, cell_name)
    cell, data = problem.cell, _at(problem[3:], 0)
    loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
    problem = reference.Problem(cell, loss_fn, params, *data)
    oracle = {
      "SnAp-1": functools.partial(oracles.sparse_gradients, order=1),
      "SnAp-2 of a ring": functools.partial(oracles.sparse_gradients, order=2),
      "e-prop": functools.partial(oracles.leaky_gradients, leak_fn=lambda d: d),
      "RFLO": functools.partial(
        oracles.leaky_gradients, leak_fn=lambda d: np.diag(np.diag(d))
      ),
    }[name]
    expected = jax.tree.map(lambda *leaves: sum(leaves), *oracle(*problem))
    found = sweeps.quick_jit(lambda: family.carried(problem, carry))()
    oracles.assert_same_gradient(found, expected)

  def test_an_order_too_low_and_a_rank_too_small_are_noticed(self):
    problem = _problem()
    make = functools.partial(run.make_problem, _SMALL)
    snap_1 = nf.estimators.snap(*problem[:2], order=1)
    ok_1 = nf.estimators.ok_rtrl(*problem[:2], rank=1)
    wrong = {
      name: ("vanilla", lambda _, estimator=estimator: estimator, False)
      for name, estimator in (("SnAp", snap_1), ("OK", ok_1))
    }
    with (
      mock.patch.object(family, "LIMITS", wrong),
      mock.patch.object(family, "RULES", {}),
    ):
      found = family.compare(make, run._sweep)
    self.assertGreater(found.error.min(), 1e-3)

  def test_exchanged_gates_are_noticed(self):
    self.assertLess(lstm.difference(4, 6, 0), 1e-13)
    with mock.patch.object(lstm, "_ROWS", "rslf"):
      self.assertGreater(lstm.difference(4, 6, 0), 0.1)


class ConfigTest(parameterized.TestCase):
  @parameterized.parameters(
    (dict(cells=("rnn",)), "expected cells from"),
    (dict(lengths=(1, 3, 32)), "lengths and exact_lengths which divide"),
    (dict(exact_lengths=(3,)), "lengths and exact_lengths which divide"),
    (dict(lengths=(2, 4)), "lengths from 1"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**settings)


if __name__ == "__main__":
  absltest.main()
