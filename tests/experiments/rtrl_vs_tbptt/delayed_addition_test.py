"""Delayed addition: floors against data, training against a loop."""

import itertools

import jax
import numpy as np
from absl.testing import absltest, parameterized
from scipy import special

import nnfun as nf
from experiments.rtrl_vs_tbptt import delayed_addition
from experiments.rtrl_vs_tbptt.delayed_addition import claims, readings, run
from tests.experiments import study_case

_SMALL = run.Config(
  num_units=6,
  num_steps=50,
  learning_rate=0.3,
  delays=(2, 3, 2, 5),
  windows=(50,),
  segments=(1,),
  num_seeds=3,
)


class CaseTest(study_case.StudyCase):
  study = delayed_addition.STUDY
  small = _SMALL

  def test_limits(self):
    curves = self.results().curves
    # A window over the whole stream is exact; one step is not.
    whole, exact = curves["BPTT(1, 50)"], curves[readings.RTRL]
    np.testing.assert_allclose(whole, exact, rtol=1e-4)
    self.assertGreater(np.abs(curves["BPTT(1, 1)"] - exact).max(), 1e-2)

  def test_frozen_recurrence_is_a_loop_over_a_readout(self):
    cell = nf.cells.vanilla(num_inputs=2, num_units=_SMALL.num_units)
    params, streams = run.draw(_SMALL, cell)
    d, seed = 1, 2
    kernel = params["cell"][seed].astype(float)
    weights = params["readout"]["weights"][seed].astype(float)
    bias, state = np.zeros(2), np.zeros(_SMALL.num_units)
    losses = []
    for x_t, y_t in zip(streams.x[seed, d], streams.y[seed, d], strict=True):
      state = np.tanh(kernel @ np.concatenate([state, x_t, [1.0]]))
      p = special.softmax(weights @ state + bias)
      losses.append(special.rel_entr(y_t, p).sum())
      step = _SMALL.learning_rate * (p - y_t)
      weights, bias = weights - np.outer(step, state), bias - step
    actual = self.results().curves[readings.FROZEN][seed, d]
    np.testing.assert_allclose(actual - 0.4545, losses, rtol=1e-3, atol=1e-5)


class FloorsTest(parameterized.TestCase):
  @parameterized.parameters(
    ("knows nothing", ()),
    ("knows t1", (4,)),
    ("knows t2", (6,)),
    ("knows both", (4, 6)),
  )
  def test_best_table_on_a_stream_of_the_task(self, name, known):
    """And, exactly, the entropy of the mean target given what is known."""
    num_steps = 100_000
    task = nf.tasks.delayed_addition(num_steps=num_steps, delays=(4, 6))
    x, y = map(np.asarray, task.sample(jax.random.key(0)))
    steps = np.arange(10, num_steps)
    rows = np.zeros(len(steps), int)
    for delay in known:
      rows = 2 * rows + x[steps - delay, 0].astype(int)
    losses = np.empty(len(steps))
    for row in np.unique(rows):
      target = y[steps[rows == row]]
      guess = target.mean(axis=0)
      losses[rows == row] = -special.xlogy(target, guess).sum(axis=1)
    error = losses.std() / np.sqrt(len(losses))
    distance = abs(losses.mean() - readings.FLOORS[name])
    self.assertLess(distance, 4 * error + 1e-4)

    groups = {}
    for coins in itertools.product((0, 1), repeat=2):
      of_delay = dict(zip((4, 6), coins, strict=True))
      group = groups.setdefault(tuple(of_delay[d] for d in known), [])
      group.append(0.5 + 0.5 * coins[0] - 0.25 * coins[1])
    means = np.array([np.mean(group) for group in groups.values()])
    entropies = special.entr(means) + special.entr(1 - means)
    self.assertAlmostEqual(readings.FLOORS[name], entropies.mean(), 4)


def _curve(losses, start=None):
  """Curves by task, the seeds a little apart; they begin at `start`."""
  noise = 1e-4 * np.arange(4)[:, None]
  curves = np.repeat((np.array(losses) + noise)[..., None], 50, axis=-1)
  if start is not None:
    curves[..., :25] = start
  return curves


# Mean losses for (4, 6) and (6, 10): as measured, and as the floors would have
# it if a window knew what it holds and nothing else.
_AS_MEASURED = {
  "BPTT(1, 1)": (0.47, 0.54),
  "BPTT(1, 3)": (0.64, 0.62),
  "BPTT(1, 5)": (0.455, 0.67),
  "BPTT(1, 7)": (0.455, 0.458),
}
_STAIRCASE = {
  "BPTT(1, 1)": (0.662, 0.662),
  "BPTT(1, 3)": (0.662, 0.662),
  "BPTT(1, 5)": (0.52, 0.662),
  "BPTT(1, 7)": (0.455, 0.52),
}


def _judged(curves=_AS_MEASURED, start=0.46, **changes):
  """Verdicts on results as a run would store them."""
  curves = {name: _curve(losses, start) for name, losses in curves.items()} | {
    readings.FROZEN: _curve((0.49, 0.56)),
    "BPTT(5, 5)": _curve((0.455, 0.62)),
    readings.RTRL: _curve((0.455, 0.457)),
  }
  for name, losses in changes.items():
    curves[name] = _curve(losses)
  results = run.Results(
    curves=curves,
    windows=np.array([3, 5, 7]),
    segments=np.array([1, 5]),
    delays=np.array([[4, 6], [6, 10]]),
    num_steps=np.array(1000),
  )
  return {claim.key: claim.holds for claim in claims.claims(results)}


class ClaimsTest(parameterized.TestCase):
  def test_hold_for_what_is_measured(self):
    found = _judged()
    self.assertTrue(all(found.values()), found)
    self.assertLen(found, 5)

  def test_fail_for_a_staircase(self):
    found = _judged(_STAIRCASE, start=None)
    failed = {key for key, holds in found.items() if holds is False}
    self.assertEqual(failed, {"immediate", "unlearns", "beyond-the-window"})

  @parameterized.parameters(
    (readings.RTRL, (0.455, 0.47), "exact-credit"),
    (readings.FROZEN, (0.49, 0.67), "state-carries"),
    (readings.FROZEN, (0.49, 0.68), "unlearns"),
    ("BPTT(1, 1)", (0.53, 0.54), "immediate"),
    ("BPTT(5, 5)", (0.52, 0.62), "beyond-the-window"),
    # A window one too long holds t1 in the state from which it starts.
    ("BPTT(1, 3)", (0.455, 0.62), "unlearns"),
  )
  def test_fail_one_by_one(self, name, losses, key):
    self.assertIs(_judged(**{name: losses})[key], False)


class ConfigTest(parameterized.TestCase):
  @parameterized.parameters(
    (dict(delays=(4, 6, 6)), "in pairs"),
    (dict(delays=(6, 4)), "t1 < t2"),
    (dict(segments=(7,)), "multiple of 350"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**settings)


if __name__ == "__main__":
  absltest.main()
