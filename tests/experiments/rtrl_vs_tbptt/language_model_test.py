"""Language models: floors against naive counting, models against each other."""

import collections
import dataclasses
import functools
import math
import pathlib
import tempfile

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments.rtrl_vs_tbptt import language_model
from experiments.rtrl_vs_tbptt.language_model import (
  claims,
  networks,
  readings,
  run,
  streams,
  theory,
)
from tests import oracles
from tests.experiments import study_case

_SMALL = run.Config(
  num_units=5,
  num_symbols=8,
  windows=(1, 2),
  gaps=(2, 3),
  num_letters=2,
  num_steps=200,
  num_held_out=60,
  num_seeds=2,
  flush_every=3,
)
_METHODS = ("ngram", "segments", "rolling", "rtrl")


def _small():
  return study_case.results_of(language_model.STUDY, _SMALL)


def _model(method, window):
  return run.models(_SMALL)[method, window]


def _episode(num_steps=6):
  key_x, key_y = jax.random.split(jax.random.key(3))
  codes = jax.random.randint(key_x, (num_steps,), 0, 8)
  targets = jax.random.randint(key_y, (num_steps,), 0, 8)
  return jax.nn.one_hot(codes, 8), targets


def _params(cell):
  keys = jax.random.split(jax.random.key(0), 3)
  w = jax.random.normal(keys[0], (8, 5))
  b = jax.random.normal(keys[1], (8,))
  return {"cell": cell.init(keys[2]), "readout": {"w": w, "b": b}}


def _gradient(estimator, params, segment):
  key = jax.random.key(0)
  estimate = nf.training.episode_gradient(
    estimator, params, key, *_episode(), segment=segment
  )
  return jax.tree.map(np.asarray, estimate.grads)


def _gradient_through(cell, window):
  """By jax.grad: each loss through the last `window` steps, None for all."""

  def loss(params):
    xs, ys = _episode()
    total = 0.0
    for t, y_t in enumerate(ys):
      state = cell.initial_state()
      for u in range(t + 1):
        if window is not None and u == t + 1 - window:
          state = lax.stop_gradient(state)
        state = cell.step(params["cell"], state, xs[u])
      total += networks.bits(params, state, y_t)
    return total

  return loss, jax.tree.map(np.asarray, jax.grad(loss)(_params(cell)))


class CaseTest(study_case.StudyCase):
  study = language_model.STUDY
  small = _SMALL


class RunTest(parameterized.TestCase):
  def test_arrays(self):
    results = _small()
    for method in _METHODS:
      shape = (2, 3) if method == "rtrl" else (2, 3, 2)
      self.assertEqual(getattr(results, method).shape, shape)
      # Better than not knowing anything, log2(8) = 3 bits.
      self.assertLess(getattr(results, method)[:, 1:].max(), 3.0, method)
    np.testing.assert_array_equal(
      results.rolling[..., 0], results.segments[..., 0]
    )

  def test_bits_are_those_of_a_loop(self):
    """Learning rate almost 0: the model is as it was initialised."""
    config = dataclasses.replace(_SMALL, learning_rate=1e-12)
    model = run.models(config)["segments", 1]
    with oracles.float64():
      stream = streams.Stream(
        jnp.asarray(np.random.default_rng(0).integers(0, 8, 201)),
        jnp.asarray(np.random.default_rng(1).integers(0, 8, 61)),
      )
      params = _params(model.cell)
      found = float(run.learn(model, config, params, stream))
    w, readout = np.asarray(params["cell"]), params["readout"]
    h, total = np.zeros(5), 0.0
    text = np.concatenate([stream.train[:-1], stream.held_out])
    for t in range(260):
      x = config.input_scale * np.eye(8)[text[t]]
      h = np.tanh(w @ np.concatenate([h, x, [1.0]]))
      logits = np.asarray(readout["w"]) @ h + np.asarray(readout["b"])
      if t >= 200:
        chances = np.exp(logits) / np.sum(np.exp(logits))
        total -= math.log2(chances[text[t + 1]])
    self.assertAlmostEqual(found, total / 60, places=7)

  @parameterized.parameters(
    ({"num_steps": 210}, "multiple of 40"),
    ({"num_symbols": 5}, "num_symbols >= 6.*num_symbols=5"),
    ({"num_seeds": 1}, "num_seeds >= 2"),
    ({"windows": (2, 1)}, "windows to be ascending"),
    ({"gaps": (3, 3)}, "gaps to be ascending"),
    ({"num_steps": 10_000_000}, "num_steps . num_held_out . 1 = 10000061"),
    ({"text_path": "/no/such/file"}, "text_path: .* no such file"),
  )
  def test_refuses(self, change, message):
    with self.assertRaisesRegex(ValueError, message):
      run.run(dataclasses.replace(_SMALL, **change))

  def test_text_of_ones_own(self):
    folder = self.enter_context(tempfile.TemporaryDirectory())
    path = pathlib.Path(folder) / "text.txt"
    path.write_text("ab" * 1000)
    train, held_out = streams.text(
      jax.random.split(jax.random.key(0), 2),
      path=str(path),
      num_symbols=8,
      num_train=200,
      num_test=60,
      order=0,
    )
    self.assertEqual((train.shape, held_out.shape), ((2, 201), (2, 61)))
    np.testing.assert_array_equal(train[:, -1], held_out[:, 0])
    np.testing.assert_array_equal(np.unique(train), [0, 1])
    self.assertTrue(np.all(np.diff(train, axis=1) != 0))


class NetworksTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.enterContext(jax.enable_x64(True))

  @parameterized.parameters(1, 2)
  def test_ngram_is_a_layer_over_the_last_inputs(self, window):
    cell = _model("ngram", window).cell
    w, (xs, _) = cell.init(jax.random.key(0)), _episode()
    state = cell.initial_state()
    padded = np.concatenate([np.zeros((window - 1, 8)), xs])
    for t, x_t in enumerate(xs):
      state = cell.step(w, state, x_t)
      seen = np.append(padded[t : t + window].ravel(), 1.0)
      np.testing.assert_allclose(state[1], np.tanh(w @ seen), rtol=1e-10)

  @parameterized.parameters(
    ("ngram", 2, None), ("rolling", 2, 2), ("rtrl", 0, None)
  )
  def test_gradient_is_that_through_the_steps_it_says(self, method, n, window):
    model = _model(method, n)
    _, expected = _gradient_through(model.cell, window)
    params = _params(model.cell)
    found = _gradient(model.estimator, params, model.segment)
    chex.assert_trees_all_close(found, expected, rtol=1e-10, atol=1e-13)

  def test_truncations_differ_from_each_other_and_from_the_whole(self):
    segments = _model("segments", 2)
    params = _params(segments.cell)
    found = _gradient(segments.estimator, params, segments.segment)
    for window in (1, 2, 3, None):
      _, other = _gradient_through(segments.cell, window)
      chex.assert_trees_all_close(
        found["readout"], other["readout"], rtol=1e-10, atol=1e-13
      )
      difference = np.abs(found["cell"] - other["cell"]).max()
      self.assertGreater(difference, 1e-3, window)
    _, one = _gradient_through(segments.cell, 1)
    found = _gradient(_model("segments", 1).estimator, params, 1)
    chex.assert_trees_all_close(found, one, rtol=1e-10, atol=1e-13)


class TheoryTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self._codes = np.random.default_rng(0).integers(0, 3, 80)
    self._codes[1::3] = self._codes[::3][: len(self._codes[1::3])]

  @parameterized.parameters(0, 1, 2)
  def test_window_entropy(self, window):
    following = collections.defaultdict(collections.Counter)
    for t in range(window, 80):
      following[tuple(self._codes[t - window : t])][self._codes[t]] += 1
    bits = 0.0
    for counts in following.values():
      total = sum(counts.values())
      bits -= sum(c * math.log2(c / total) for c in counts.values())
    found = theory.window_entropy(self._codes, window)
    self.assertAlmostEqual(found, bits / (80 - window), places=12)
    # No model of a window is below it, not even one that counted this text.
    best = theory.count_bits(self._codes, self._codes, window, 3)
    self.assertGreater(best, found)

  @parameterized.parameters(0, 1, 2)
  def test_count_bits(self, window):
    train, held_out = self._codes[:50], self._codes[50:]
    bits = 0.0
    for t in range(window, 30):
      context = tuple(held_out[t - window : t])
      places = [
        u for u in range(window, 50) if tuple(train[u - window : u]) == context
      ]
      hits = sum(train[u] == held_out[t] for u in places)
      bits -= math.log2((hits + 0.5) / (len(places) + 0.5 * 4))
    found = theory.count_bits(train, held_out, window, num_symbols=4)
    self.assertAlmostEqual(found, bits / (30 - window), places=12)


_ENTROPY = functools.partial(
  nf.tasks.brackets_entropy, num_kinds=2, num_letters=4
)


def _results(**changes):
  """Results as a run would store them: what the question is about is true."""
  seeds = 1e-3 * np.arange(4)[:, None, None]
  windows, gaps = (1, 2, 6), (6, 12)
  floors = np.array([[_ENTROPY(n, gap=g) for n in windows] for g in gaps])
  text = np.array([[3.6, 3.1, 3.0]])
  ngram = np.concatenate([text, floors + 0.005]) + seeds
  rnn = np.array([[3.1, 3.0, 2.95], [1.7, 1.7, 1.7], [2.1, 2.1, 2.1]]) + seeds
  results = run.Results(
    ngram=ngram,
    segments=rnn,
    rolling=rnn,
    rtrl=np.array([2.97, 1.575, 1.85]) + seeds[..., 0],
    text_floors=np.array([3.52, 2.2, 0.3]) + seeds[..., 0],
    text_counts=np.array([4.4, 3.6]) + seeds[..., 0],
    floors=floors,
    short_floors=np.array([_ENTROPY(g - 1, gap=g) for g in gaps]),
    entropies=np.array([_ENTROPY(None, gap=g) for g in gaps]),
    windows=np.array(windows),
    gaps=np.array(gaps),
  )
  return results._replace(**changes)


def _failed(results):
  """Keys of the claims that do not hold."""
  return {c.key for c in claims.claims(results) if c.holds is not True}


class ClaimsTest(parameterized.TestCase):
  def test_all_can_hold(self):
    self.assertEmpty(_failed(_results()))
    self.assertLen(claims.claims(_results()), 7)

  def test_an_rnn_that_is_an_ngram_model_fails(self):
    noise = 0.01 * np.array([1, -1, 1, -1])[:, None, None]
    ngram = _results().ngram + noise
    self.assertEqual(
      _failed(_results(segments=ngram, rolling=ngram)),
      {"truncated-is-no-ngram", "memory-fades", "english-ngram"},
    )

  @parameterized.parameters(-0.02, 0.1)
  def test_an_ngram_model_below_or_far_above_its_floor_fails(self, change):
    bits = _results().ngram + change
    self.assertIn("ngram-floor", _failed(_results(ngram=bits)))

  def test_an_exact_gradient_that_does_not_learn_fails(self):
    failed = _failed(_results(rtrl=_results().rtrl + 0.5))
    self.assertEqual(
      failed, {"exact-learns", "truncation-costs", "english-exact"}
    )

  def test_differences_within_the_noise_do_not_count(self):
    noise = np.array([-0.5, 0.5, -0.5, 0.5])[:, None, None]
    failed = _failed(_results(segments=_results().segments + noise))
    self.assertContainsSubset(
      {"truncated-is-no-ngram", "truncation-costs", "english-ngram"}, failed
    )

  def test_share(self):
    segments = _results().segments.copy()
    segments[:, 1, 0] = _ENTROPY(1, gap=6)
    segments[:, 1, 1] = _ENTROPY(None, gap=6)
    found = readings.share(_results(segments=segments), 0)
    np.testing.assert_allclose(found[:, :2], [[0, 1]] * 4, atol=1e-12)
    self.assertTrue(np.all(np.isnan(found[:, 2])))  # n = 6 reaches the partner.


if __name__ == "__main__":
  absltest.main()
