"""Long lags: training against a loop, influences against their products."""

import numpy as np
from absl.testing import absltest, parameterized
from scipy import special

from experiments import measure
from experiments.rtrl_vs_tbptt import long_lag
from experiments.rtrl_vs_tbptt.long_lag import claims, networks, readings, run
from tests.experiments import study_case

_SMALL = run.Config(
  learning_rates=(8.0, 6.0),
  long_rates=(4.0,),
  memory_rate=2.0,
  long_lag=6,
  num_between=1,
  num_long_between=1,
  num_trials=3,
)


class _Unit:
  """h = sigmoid(w h + u x), its influence by the textbook's recursion."""

  def __init__(self, kernel):
    self.kernel, self.influence = kernel.astype(float), 0.0
    self.state = 0.0

  def step(self, symbol, carries):
    old, (self.state, slope) = self.state, self._next(symbol)
    immediate = np.zeros_like(self.kernel)
    immediate[0, symbol], immediate[0, -1] = slope, slope * old
    factor = slope * self.kernel[0, -1] * carries
    self.influence = factor * self.influence + immediate

  def _next(self, symbol):
    a = self.kernel[0, symbol] + self.kernel[0, -1] * self.state
    return special.expit(a), special.expit(a) * special.expit(-a)

  def seen(self):
    return self.state, 1.0


class _Memory(_Unit):
  """c = c + sigmoid(u x) tanh(v x / 2)."""

  def step(self, symbol, carries):
    gate, candidate = self.kernel[:, symbol]
    i, g = special.expit(gate), np.tanh(candidate / 2)
    self.state += i * g
    immediate = np.zeros_like(self.kernel)
    immediate[:, symbol] = i * (1 - i) * g, i * (1 - g**2) / 2
    self.influence = carries * self.influence + immediate

  def seen(self):
    h = np.tanh(self.state / 2)
    return h, (1 - h**2) / 2


def _symbols(lag, shown):
  return [lag - 1 + shown, *range(lag - 1), lag - 1 + shown]


def _trained_by_hand(make_cell, kind, lag, rate, trial, carries=1.0):
  """Largest errors after each of 200 sequences, by a loop over its steps."""
  rng = np.random.default_rng(_SMALL.seed)
  params = networks.draw(make_cell(lag + 1), lag, rng, _SMALL.num_trials)
  unit = kind(params["cell"][trial])
  hidden = params["readout"]["hidden"][trial, :, 0].astype(float)
  direct = params["readout"]["direct"][trial].astype(float)
  errors = []
  for _ in range(200):
    shown = rng.integers(2, size=(_SMALL.num_trials, 1))[trial, 0]
    unit.state, unit.influence = 0.0, 0.0
    symbols = _symbols(lag, shown)
    for symbol, target in zip(symbols[:-1], symbols[1:], strict=True):
      unit.step(symbol, carries)
      h, slope = unit.seen()
      y = special.expit(hidden * h + direct[:, symbol])
      delta = (y - np.eye(lag + 1)[target]) * y * (1 - y)
      unit.kernel -= rate * (delta @ hidden) * slope * unit.influence
      hidden, direct[:, symbol] = (
        hidden - rate * delta * h,
        direct[:, symbol] - rate * delta,
      )
    largest = 0.0
    for shown in (0, 1):
      unit.state = 0.0
      symbols = _symbols(lag, shown)
      for symbol, target in zip(symbols[:-1], symbols[1:], strict=True):
        unit.step(symbol, carries)
        y = special.expit(hidden * unit.seen()[0] + direct[:, symbol])
        largest = max(largest, np.abs(y - np.eye(lag + 1)[target]).max())
    errors.append(largest)
  return np.array(errors)


class LongLagTest(study_case.StudyCase):
  study = long_lag.STUDY
  small = _SMALL

  @parameterized.parameters(
    ("rtrl", networks.logistic_unit, _Unit, 4, 6.0, 1.0),
    ("truncated", networks.logistic_unit, _Unit, 4, 8.0, 0.0),
    ("long_rtrl", networks.logistic_unit, _Unit, 6, 4.0, 1.0),
    ("memory_cell", networks.memory_cell, _Memory, 6, 2.0, 1.0),
  )
  def test_training_is_that_of_a_loop(
    self, name, make_cell, kind, lag, rate, c
  ):
    found = getattr(self.results(), name)[2]
    if found.ndim == 2:
      found = found[-1]
    expected = _trained_by_hand(make_cell, kind, lag, rate, 2, c)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    # And the influence that is carried matters to it.
    other = _trained_by_hand(make_cell, kind, lag, rate, 2, 1 - c)
    self.assertGreater(np.abs(found - other).max(), 4e-4)

  def test_influence_is_a_product_of_slopes(self):
    rng = np.random.default_rng(_SMALL.seed)
    params = networks.draw(networks.logistic_unit(7), 6, rng, _SMALL.num_trials)
    for kernel, carried, bound in zip(
      params["cell"], self.results().carried, self.results().bound, strict=True
    ):
      *u, w = kernel[0].astype(float)
      h, product, expected = special.expit(u[5]), 1.0, [1.0]
      for symbol in range(5):
        h = special.expit(w * h + u[symbol])
        product *= abs(w) * h * (1 - h)
        expected.append(product)
      np.testing.assert_allclose(carried, expected, rtol=1e-9)
      self.assertAlmostEqual(bound, abs(w) / 4, 12)

  def test_theory_holds(self):
    found = self.judged()
    self.assertTrue(found["decay"].holds and found["carousel"].holds)

  @parameterized.parameters(
    ("decay", dict(carried=1.2)),  # To the power of 5, above 1 / 0.998.
    ("decay", dict(carried=0.8)),
    ("carousel", dict(memory_carried=0.999)),
  )
  def test_another_influence_is_noticed(self, key, factors):
    results = self.results()
    changed = {
      name: factor * getattr(results, name) for name, factor in factors.items()
    }
    found = self.study.claims(results._replace(**changed))
    self.assertIs({c.key: c.holds for c in found}[key], False)


def _errors(share, num_trials=60):
  """Errors of trials of which a share succeeds, half-way and for good."""
  hits = np.arange(num_trials) < share * num_trials
  errors = np.full((num_trials, 4), 0.7)
  errors[hits, 2:] = 0.1
  return errors


def _judged(
  rates=(30.0, 60.0), num_sequences=1000, shares=(0.5, 0.0), **kwargs
):
  """Verdicts on results as a run would store them."""
  shares_of = {"truncated": 0.0, "long_rtrl": 0.0, "memory_cell": 1.0} | kwargs
  fields = {name: _errors(share) for name, share in shares_of.items()}
  results = run.Results(
    lags=np.array([4, 10]),
    num_sequences=np.array([num_sequences] * 2),
    learning_rates=np.array(rates),
    long_rates=np.array([10.0]),
    rtrl=np.stack([_errors(share) for share in shares], axis=1),
    carried=np.full((60, 10), 0.04 ** np.arange(10)),
    bound=np.full(60, 0.0405),
    memory_carried=np.ones((60, 10)),
    **{**fields, "long_rtrl": fields["long_rtrl"][:, None]},
  )
  return {claim.key: claim for claim in claims.claims(results)}


class ClaimsTest(parameterized.TestCase):
  def test_hold_for_what_is_measured(self):
    found = {key: claim.holds for key, claim in _judged().items()}
    self.assertIsNone(found.pop("lag-4"))
    self.assertIsNone(found.pop("lag-100"))
    self.assertTrue(all(found.values()), found)
    self.assertLen(found, 6)

  @parameterized.parameters(
    ("truncated", dict(truncated=0.5)),
    ("truncated", dict(truncated=0.45)),
    ("too-fast", dict(shares=(0.5, 0.5))),
    ("too-fast", dict(shares=(0.0, 0.0))),
    ("long-lag", dict(long_rtrl=0.2)),
    ("memory-cell", dict(memory_cell=0.8)),
  )
  def test_do_not_hold_for_anything_else(self, key, changes):
    self.assertIsNot(_judged(**changes)[key].holds, True)

  def test_published_rows_need_the_published_budget(self):
    five_million, rates = 5_000_000, (1.0, 4.0)
    found = _judged(rates, five_million, (0.75, 0.5))
    self.assertTrue(found["lag-4"].holds)
    self.assertEqual(found["long-lag"].kind, "published")
    found = _judged(rates, five_million, (0.1, 0.5))
    self.assertIs(found["lag-4"].holds, False)
    found = _judged(rates, five_million - 200, (0.75, 0.5))
    self.assertIsNone(found["lag-4"].holds)
    self.assertEqual(found["long-lag"].kind, "conjecture")

  def test_shares_only_grow(self):
    errors = np.array([[0.7, 0.2, 0.7], [0.7, 0.7, 0.25]])
    np.testing.assert_array_equal(readings.shares(errors), [0, 0.5, 0.5])
    self.assertEqual(measure.share(readings.succeeds(errors)), (1, 2))


if __name__ == "__main__":
  absltest.main()
