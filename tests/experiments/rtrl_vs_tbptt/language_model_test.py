"""Language models: floors against naive counting, models against each other."""

import collections
import dataclasses
import functools
import math
import pathlib
import tempfile

import jax
import numpy as np
import optax
from absl.testing import absltest, parameterized
from scipy import special

import nnfun as nf
from experiments import sweeps
from experiments.rtrl_vs_tbptt import language_model
from experiments.rtrl_vs_tbptt.language_model import (
  claims,
  networks,
  run,
  streams,
)
from tests import oracles
from tests.experiments import study_case

_SMALL = run.Config(
  num_units=5,
  num_symbols=8,
  windows=(2,),
  gaps=(2, 3),
  num_steps=200,
  num_held_out=60,
  num_seeds=2,
)


def _draw(path="", length=261):
  return streams.draw(path, 8, _SMALL.gaps, _SMALL.num_seeds, length, 0)


@functools.cache
def _models():
  return run.models(_SMALL)


class CaseTest(study_case.StudyCase):
  study = language_model.STUDY
  small = _SMALL

  def test_all_learn(self):
    """Better than not knowing anything, log2(8) = 3 bits."""
    results = self.results()
    losses = {n: getattr(results, n) for n in run._EVERYWHERE} | results.online
    self.assertLen(losses, 9)
    for method, bits in losses.items():
      self.assertLess(bits[:, 1:].max(), 3.0, method)

  def test_bits_of_the_ngram_model_are_those_of_a_loop(self):
    seed, text = 1, 1
    params = _models()["ngram", 2].params["cell"]
    w = np.asarray(params[seed], float)
    out, bias, bits = np.zeros((8, 5)), np.zeros(8), []
    seen = np.zeros((2, 8))
    codes = _draw()[seed, text]
    for t in range(260):
      seen = np.stack([seen[1], 4.0 * np.eye(8)[codes[t]]])
      z = np.append(seen.ravel(), 1.0)
      h = np.tanh(w @ z)
      chances = special.softmax(out @ h + bias)
      bits.append(-math.log2(chances[codes[t + 1]]))
      slope = (chances - np.eye(8)[codes[t + 1]]) / math.log(2)
      rate = 0.02 * max(0.0, 1 - t / 200)
      w = w - rate * np.outer((out.T @ slope) * (1 - h**2), z)
      out, bias = out - rate * np.outer(slope, h), bias - rate * slope
    found = self.results().ngram[seed, text, 0]
    np.testing.assert_allclose(found, np.mean(bits[200:]), rtol=1e-4)


class RunTest(parameterized.TestCase):
  @parameterized.parameters(
    ({"num_steps": 201}, "multiples of 2"),
    ({"num_symbols": 5}, "num_symbols"),
    ({"num_steps": 10_000_000}, "num_steps . num_held_out . 1 = 10000061"),
    ({"text_path": "/no/such/file"}, "text_path: .* no such file"),
  )
  def test_refuses(self, change, message):
    with self.assertRaisesRegex(ValueError, message):
      run.run(dataclasses.replace(_SMALL, **change))

  @parameterized.parameters("rolling", "segments")
  def test_gradient_is_that_through_the_steps_it_says(self, method):
    """Through the last 2 steps, or those of the segment of 2."""
    rng = np.random.default_rng(0)
    xs, ys = np.eye(8)[rng.integers(0, 8, 4)], rng.integers(0, 8, 4)
    draw = lambda leaf: rng.normal(size=leaf.shape[1:]) / 2
    model = _models()[method, 2]
    params = jax.tree.map(draw, model.params)
    net = nf.cells.vanilla(num_inputs=8, num_units=5), networks.bits
    with jax.enable_x64(True):
      found = sweeps.quick_jit(
        lambda params: nf.training.episode_gradient(
          model.estimator,
          params,
          jax.random.key(0),
          xs,
          ys,
          segment=model.segment,
        )
      )(params)
      each = (
        oracles.online_gradients(*net, [params] * 4, xs, ys, window=2)
        if method == "rolling"
        else oracles.truncated_gradients(*net, params, xs, ys, segment=2)
      )
      total = jax.tree.map(lambda *leaves: sum(leaves), *each)
      oracles.assert_same_gradient(found.grads, total)

  @parameterized.parameters("eLSTM", "LRU")
  def test_diagonal_gradient_is_the_whole_one(self, method):
    """Through all steps of the stream; SnAp-1 on a dense RNN is not."""
    rng = np.random.default_rng(0)
    xs, ys = np.eye(8)[rng.integers(0, 8, 5)], rng.integers(0, 8, 5)
    cells = {
      "eLSTM": nf.cells.elstm(num_inputs=8, num_units=5),
      "LRU": nf.cells.lru(num_inputs=8, num_units=2),
      "SnAp-1": nf.cells.vanilla(num_inputs=8, num_units=5),
    }
    with jax.enable_x64(True):
      for name, is_exact in ((method, True), ("SnAp-1", False)):
        model = _models()[name, 0]
        params = jax.tree.map(
          lambda leaf: rng.normal(size=leaf.shape[1:]) / 2, model.params
        )
        one = functools.partial(
          nf.training.episode_gradient, model.estimator, segment=1
        )
        found = sweeps.quick_jit(one)(params, jax.random.key(0), xs, ys)
        whole = functools.partial(
          nf.training.exact_gradient, cells[name], networks.bits
        )
        expected = sweeps.quick_jit(whole)(params, xs, ys)
        difference = optax.tree.sub(found.grads, expected.grads)
        error = optax.tree.norm(difference) / optax.tree.norm(expected.grads)
        self.assertEqual(float(error) < 1e-10, is_exact, name)


class StreamsTest(parameterized.TestCase):
  def test_text_of_ones_own(self):
    folder = self.enter_context(tempfile.TemporaryDirectory())
    path = pathlib.Path(folder) / "text.txt"
    path.write_text("ab" * 1000)
    text = _draw(str(path))[:, 0]
    np.testing.assert_array_equal(np.unique(text), [0, 1])
    self.assertTrue(np.all(np.diff(text, axis=1) != 0))

  @parameterized.parameters(0, 1, 2)
  def test_window_entropy(self, window):
    codes = np.random.default_rng(0).integers(0, 3, 80)
    codes[1::3] = codes[::3][: len(codes[1::3])]
    following = collections.defaultdict(collections.Counter)
    for t in range(window, 80):
      following[tuple(codes[t - window : t])][codes[t]] += 1
    bits = 0.0
    for counts in following.values():
      total = sum(counts.values())
      bits -= sum(c * math.log2(c / total) for c in counts.values())
    found = streams.window_entropy(codes, window)
    self.assertAlmostEqual(found, bits / (80 - window), places=12)


_ENTROPY = functools.partial(
  nf.tasks.brackets_entropy, num_kinds=2, num_letters=4
)


def _results(**changes):
  """Results as a run would store them: what the question is about is true."""
  seeds = 1e-3 * np.arange(4)[:, None, None]
  windows, gaps = (1, 2, 6), (6, 12)
  floors = np.array([[_ENTROPY(n, gap=g) for n in windows] for g in gaps])
  text = np.array([[3.6, 3.1, 3.0]])
  rnn = np.array([[3.1, 3.0, 2.95], [1.7, 1.7, 1.7], [2.1, 2.1, 2.1]]) + seeds
  results = run.Results(
    ngram=np.concatenate([text, floors + 0.005]) + seeds,
    segments=rnn,
    rolling=rnn,
    rtrl=np.array([2.97, 1.575, 1.85]) + seeds[..., 0],
    online={
      name: np.array(bits) + seeds[..., 0]
      for name, bits in (
        ("SnAp-1", (3.0, 2.0)),
        ("UORO", (3.3, 2.0)),
        ("e-prop", (3.1, 2.05)),
        ("eLSTM", (3.0, _ENTROPY(None, gap=12) + 0.005)),
        ("LRU", (3.0, _ENTROPY(None, gap=12) + 0.005)),
      )
    },
    text_floors=np.array([3.52, 2.2, 0.3]) + seeds[..., 0],
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

  @parameterized.parameters(0, 1)
  def test_an_rnn_that_is_an_ngram_model_fails(self, text):
    """On English as well as on brackets."""
    segments = _results().segments.copy()
    noise = 0.01 * np.array([1, -1, 1, -1])[:, None]
    segments[:, text] = _results().ngram[:, text] + noise
    failed = _failed(_results(segments=segments))
    self.assertEqual(failed, {"truncated-is-no-ngram"})

  @parameterized.parameters(-0.02, 0.1)
  def test_an_ngram_model_below_or_far_above_its_floor_fails(self, change):
    bits = _results().ngram + change
    self.assertIn("ngram-floor", _failed(_results(ngram=bits)))

  def test_an_exact_gradient_that_does_not_learn_fails(self):
    failed = _failed(_results(rtrl=_results().rtrl + 0.5))
    self.assertEqual(
      failed, {"exact-learns", "truncation-costs", "approximations-cost"}
    )

  @parameterized.parameters(
    ("UORO", 0, -0.4, {"snap-or-uoro"}),
    ("SnAp-1", 0, 0.4, {"snap-or-uoro"}),
    ("e-prop", 1, -0.3, {"approximations-cost"}),
    ("eLSTM", 1, 0.03, {"diagonal"}),
    ("LRU", 1, 0.03, {"diagonal"}),
  )
  def test_online_methods_can_fail(self, method, text, change, expected):
    online = _results().online
    online[method][:, text] += change
    self.assertEqual(_failed(_results(online=online)), expected)

  def test_differences_within_the_noise_do_not_count(self):
    noise = np.array([-0.5, 0.5, -0.5, 0.5])[:, None, None]
    failed = _failed(_results(segments=_results().segments + noise))
    self.assertEqual(failed, {"truncated-is-no-ngram", "truncation-costs"})


if __name__ == "__main__":
  absltest.main()
