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
from jax import numpy as jnp

import nnfun as nf
from experiments.rtrl_vs_tbptt import language_model
from experiments.rtrl_vs_tbptt import language_model_claims as claims_lib
from experiments.rtrl_vs_tbptt import language_model_networks as networks
from experiments.rtrl_vs_tbptt import language_model_streams as streams_lib
from experiments.rtrl_vs_tbptt import language_model_theory as theory_lib

_SMALL = language_model.Config(
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


@functools.cache
def _small():
  return language_model.run(_SMALL)


def _model(method, window):
  return language_model.models(_SMALL)[method, window]


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


class RunTest(parameterized.TestCase):
  def test_arrays(self):
    results = _small()
    for method in ("ngram_sgd", "ngram", "segments", "rolling"):
      self.assertEqual(results[method].shape, (3, 2, 2))
    self.assertEqual(results["rtrl"].shape, (3, 2))
    self.assertEqual(results["text_floors"].shape, (2, 2))
    self.assertEqual(results["text_counts"].shape, (2, 2))
    for name, array in results.items():
      self.assertTrue(np.all(np.isfinite(array)), name)
    np.testing.assert_array_equal(
      results["rolling"][:, 0], results["segments"][:, 0]
    )

  def test_models_learn(self):
    """They do better than not knowing anything, log2(8) = 3 bits."""
    for method in ("ngram_sgd", "ngram", "segments", "rolling", "rtrl"):
      self.assertLess(np.max(_small()[method][1:]), 3.0, method)

  def test_claims_and_figure(self):
    claims = claims_lib.all_claims(_small())
    self.assertEqual({claim.id for claim in claims}, {"S4-5.1"})
    self.assertLen(claims, 4 + 1 + 3 + 4)
    fig = language_model.STUDY.plot(_small())
    titles = [axes.get_title(loc="left") for axes in fig.axes]
    self.assertEqual(
      titles,
      ["English", "Brackets that match over 2", "Brackets that match over 3"],
    )

  def test_bits_are_those_of_a_loop(self):
    """Learning rate almost 0: the model is as it was initialised."""
    self.enterContext(jax.enable_x64(True))
    config = dataclasses.replace(_SMALL, learning_rate=1e-12)
    model = language_model.models(config)["segments", 1]
    stream = streams_lib.Stream(
      jnp.asarray(np.random.default_rng(0).integers(0, 8, 201)),
      jnp.asarray(np.random.default_rng(1).integers(0, 8, 61)),
    )
    params = _params(model.cell)
    found = language_model.learn(model, params, stream, config)
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
    self.assertAlmostEqual(float(found), total / 60, places=7)

  @parameterized.parameters(
    ({"num_steps": 210}, "positive multiple of 40"),
    ({"num_symbols": 5}, "num_symbols >= 6, got 5"),
    ({"num_seeds": 1}, "num_seeds >= 2, got 1"),
    ({"windows": (2, 1)}, "windows to be ascending"),
    ({"gaps": ()}, "gaps to be ascending"),
    ({"learning_rate": 0.0}, "expected learning_rate > 0, got 0.0"),
    ({"sgd_learning_rate": -1.0}, "sgd_learning_rate > 0, got -1.0"),
    ({"num_steps": 10_000_000}, "num_steps . num_held_out . 1 = 10000061"),
    ({"text_path": "/no/such/file"}, "text_path: .* no such file"),
  )
  def test_errors(self, change, message):
    with self.assertRaisesRegex(ValueError, message):
      language_model.run(dataclasses.replace(_SMALL, **change))

  def test_text_of_ones_own(self):
    folder = self.enter_context(tempfile.TemporaryDirectory())
    path = pathlib.Path(folder) / "text.txt"
    path.write_text("ab" * 1000)
    train, held_out = streams_lib.text(
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


class NgramCellTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.enterContext(jax.enable_x64(True))

  @parameterized.parameters(1, 2)
  def test_is_a_layer_over_the_last_inputs(self, window):
    cell = _model("ngram", window).cell
    w, (xs, _) = cell.init(jax.random.key(0)), _episode()
    state = cell.initial_state()
    padded = np.concatenate([np.zeros((window - 1, 8)), xs])
    for t, x_t in enumerate(xs):
      state = cell.step(w, state, x_t)
      seen = np.append(padded[t : t + window].ravel(), 1.0)
      np.testing.assert_allclose(state[1], np.tanh(w @ seen), rtol=1e-10)

  def test_one_step_is_the_whole_gradient_of_it_but_not_of_the_rnn(self):
    for method, same in (("ngram", True), ("segments", False)):
      cell = _model(method, 2).cell
      params = _params(cell)
      cut = nf.estimators.truncated_bptt(cell, networks.bits)
      one, whole = _gradient(cut, params, 1), _gradient(cut, params, 6)
      difference = np.max(np.abs(one["cell"] - whole["cell"]))
      self.assertEqual(difference < 1e-12, same)

  def test_sees_no_further_than_the_window_but_the_rnn_does(self):
    """One input changed: how many steps later it is still noticed."""
    (xs, _) = _episode(7)
    changed = xs.at[0].set(jnp.roll(xs[0], 1))
    for method, last in (("ngram", 1), ("segments", 6)):
      cell = _model(method, 2).cell
      w = cell.init(jax.random.key(0))
      states = [cell.initial_state()] * 2
      noticed = []
      for t in range(7):
        states = [
          cell.step(w, s, x[t])
          for s, x in zip(states, (xs, changed), strict=True)
        ]
        h = [np.asarray(jax.tree.leaves(s)[-1]) for s in states]
        noticed.append(bool(np.any(h[0] != h[1])))
      self.assertEqual(noticed, [t <= last for t in range(7)])


class ModelsTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    self.enterContext(jax.enable_x64(True))

  def test_methods_are_what_they_are_called(self):
    """By their gradients, against the exact one and each other."""
    rnn = _model("rtrl", 0).cell
    params = _params(rnn)
    loss_fn = networks.bits

    def loss(params):
      states, (xs, ys) = [rnn.initial_state()], _episode()
      for x_t in xs:
        states.append(rnn.step(params["cell"], states[-1], x_t))
      return sum(
        loss_fn(params, *sy) for sy in zip(states[1:], ys, strict=True)
      )

    exact = jax.tree.map(np.asarray, jax.grad(loss)(params))
    rtrl = _gradient(_model("rtrl", 0).estimator, params, 1)
    chex.assert_trees_all_close(rtrl, exact, rtol=1e-10, atol=1e-13)
    segments = _model("segments", 2)
    rolling = _model("rolling", 2)
    self.assertEqual((segments.segment, rolling.segment), (2, 1))
    found = [_gradient(m.estimator, params, m.segment) for m in
             (segments, rolling)]  # fmt: skip
    for one, other in (found, (found[0], exact), (found[1], exact)):
      chex.assert_trees_all_close(
        one["readout"], other["readout"], rtol=1e-10, atol=1e-13
      )
      self.assertGreater(np.max(np.abs(one["cell"] - other["cell"])), 1e-3)

  def test_rolling_over_one_step_is_a_segment_of_one(self):
    rnn = _model("segments", 1).cell
    rolling = nf.estimators.rolling_bptt(rnn, networks.bits, window=1)
    params = _params(rnn)
    chex.assert_trees_all_close(
      _gradient(rolling, params, 1),
      _gradient(_model("segments", 1).estimator, params, 1),
      rtol=1e-10,
      atol=1e-13,
    )


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
    found = theory_lib.window_entropy(self._codes, window)
    self.assertAlmostEqual(found, bits / (80 - window), places=12)

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
    found = theory_lib.count_bits(train, held_out, window, num_symbols=4)
    self.assertAlmostEqual(found, bits / (30 - window), places=12)

  def test_no_model_of_a_window_is_below_the_window_entropy(self):
    """Not even one that counted the very text it is tested on."""
    for window in (0, 1, 2):
      best = theory_lib.count_bits(self._codes, self._codes, window, 3)
      self.assertGreater(best, theory_lib.window_entropy(self._codes, window))


def _results(**changes):
  """Results as a run would store them: what the question is about is true."""
  seeds = 1e-3 * np.arange(4)
  floors = np.array([[2.2299], [2.1779], [1.5714]])
  wide = np.array([[2.2180], [2.2069], [2.1473]])
  text = np.array([[3.6], [3.1], [3.0]])
  results = {
    "windows": np.array([1, 2, 6]),
    "gaps": np.array([6, 12]),
    "num_kinds": np.array(2),
    "num_letters": np.array(4),
    "ngram_sgd": np.stack([text, floors + 0.006, wide + 0.006]) + seeds,
    "ngram": np.stack([text, floors + 0.005, wide + 0.005]) + seeds,
    "segments": np.stack([text - 0.1, floors * 0 + 1.7, wide - 0.1]) + seeds,
    "rolling": np.stack([text - 0.1, floors * 0 + 1.6, wide - 0.2]) + seeds,
    "rtrl": np.array([[2.9], [1.575], [1.85]]) + seeds,
    "text_floors": np.array([[3.52], [2.2], [0.3]]) + seeds,
    "text_counts": np.array([[4.4], [3.6]]) + seeds,
  }
  return results | changes


def _verdicts(results):
  return [claim.holds for claim in claims_lib.all_claims(results)]


class ClaimsTest(parameterized.TestCase):
  def test_all_can_hold(self):
    self.assertTrue(all(_verdicts(_results())))

  def test_an_rnn_that_is_an_ngram_model_fails(self):
    """All about state, its fading and English, but not about RTRL."""
    noise = 0.01 * np.array([1, -1, 1, -1])
    ngram = _results()["ngram"] + noise
    verdicts = _verdicts(_results(segments=ngram, rolling=ngram))
    failed = [i for i, holds in enumerate(verdicts) if not holds]
    self.assertEqual(failed, [6, 7, 10, 11, 12, 13])

  @parameterized.product(method=("ngram_sgd", "ngram"), change=(-0.02, 0.1))
  def test_an_ngram_model_below_or_far_above_its_floor_fails(
    self, method, change
  ):
    verdicts = _verdicts(_results(**{method: _results()[method] + change}))
    own = 0 if method == "ngram_sgd" else 1
    self.assertEqual(verdicts[own:6:2], [False] * 3)
    self.assertEqual(verdicts[1 - own : 6 : 2], [True] * 3)

  def test_an_exact_gradient_that_does_not_learn_fails(self):
    verdicts = _verdicts(_results(rtrl=_results()["rtrl"] + 0.5))
    self.assertEqual([verdicts[i] for i in (8, 9, 14)], [False] * 3)

  def test_differences_within_the_noise_do_not_count(self):
    noise = np.array([-0.5, 0.5, -0.5, 0.5])
    results = _results()
    verdicts = _verdicts(results | {"segments": results["segments"] + noise})
    self.assertEqual([verdicts[i] for i in (6, 7, 9, 11)], [False] * 4)

  def test_share(self):
    results = _results()
    rate = claims_lib.entropy(results, 6, None)
    floor = claims_lib.entropy(results, 6, 1)
    losses = results["segments"].copy()
    losses[1, 0], losses[1, 1] = floor, rate
    found = claims_lib.share(results | {"segments": losses}, 0)
    np.testing.assert_allclose(found[:2], [[0.0] * 4, [1.0] * 4], atol=1e-12)
    self.assertTrue(np.all(np.isnan(found[2])))  # n = 6 reaches the partner.


if __name__ == "__main__":
  absltest.main()
