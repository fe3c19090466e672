"""Copy curriculum: the task, its rule and training against plain loops."""

import dataclasses
import math

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp
from scipy import special

from experiments.rtrl_vs_tbptt import copy_curriculum
from experiments.rtrl_vs_tbptt.copy_curriculum import (
  claims,
  networks,
  readings,
  run,
)
from tests.experiments import study_case

_SMALL = run.Config(
  num_units=3,
  batch_size=2,
  ranks=(1,),
  windows=(2,),
  num_steps=160,
  start=0.5,
  learning_rate=0.05,
  clip=0.02,
  memory=0.8,
  threshold=1.6,
  max_length=3,
  density=0.2,
  sparse_rates=(0.02, 0.06),
  sparse_windows=(2,),
  sparse_steps=120,
  num_seeds=2,
)


def _sequences(symbols, backs, lengths):
  """Inputs, what is said (-1: nothing) and beginnings, whole ones at a time."""
  t, steps = 0, []
  while t < len(symbols):
    length = max(1, lengths[t] - backs[t])
    shown = list(symbols[t : t + length])
    orders = [5] + [4] * (length - 1)
    said = [-1] * length + shown
    for i, x in enumerate(shown + orders):
      steps.append((x, said[i] if i < len(said) else -1, i == 0))
    t += 2 * length
  return steps[: len(symbols)]


class TaskTest(absltest.TestCase):
  def test_sequences_are_shown_and_then_asked_for(self):
    rng = np.random.default_rng(0)
    symbols, backs = rng.integers(4, size=300), rng.integers(5, size=300)
    lengths = np.sort(rng.integers(1, 8, size=300))  # T may grow in between.
    start = networks.Tape(jnp.zeros(8, int), jnp.array(0), jnp.array(0))
    _, (x, (said, weight), begins) = jax.lax.scan(
      lambda tape, d: networks.advance(tape, *d),
      start,
      (jnp.asarray(lengths), symbols, backs),
    )
    expected = _sequences(symbols, backs, lengths)
    np.testing.assert_array_equal(x.argmax(-1), [e[0] for e in expected])
    np.testing.assert_array_equal(x.sum(-1), 1)
    asked = np.where(weight > 0, said, -1)
    np.testing.assert_array_equal(asked, [e[1] for e in expected])
    np.testing.assert_array_equal(begins, [e[2] for e in expected])

  def test_length_grows_where_the_running_loss_is_small(self):
    rng = np.random.default_rng(1)
    losses = rng.uniform(0.0, 0.25, 400)
    num_said = rng.integers(0, 4, 400)

    def body(old, seen):
      new = networks.grow(old, *seen, 0.9, 0.15, 6)
      return new, new

    start = networks.Curriculum(jnp.array(1), jnp.array(2.0))
    _, found = jax.lax.scan(body, start, (jnp.asarray(losses), num_said))
    length, running, expected = 1, 2.0, []
    for loss, said in zip(losses, num_said, strict=True):
      for _ in range(said):
        running = 0.9 * running + 0.1 * loss
      if running < 0.15 and length < 6:
        length, running = length + 1, 2.0
      expected.append((length, running))
    self.assertEqual(length, 6)  # And had time to stay there.
    np.testing.assert_array_equal(found.length, [e[0] for e in expected])
    np.testing.assert_allclose(found.running, [e[1] for e in expected], 1e-5)


class _Learner:
  """The cell, its influence and cross-entropy, in NumPy.

  Of SnAp those entries alone are kept whose weight reaches the unit within so
  many steps; other weights than those of the mask are not there.
  """

  def __init__(self, n, mask=None, order=None):
    self.n, self.h = n, np.zeros(n)
    self.influence = np.zeros((n, 2 * n, n + 7))
    self.mask = np.ones((2 * n, n + 7), bool) if mask is None else mask
    self.kept = np.ones((n, 2 * n), bool)
    if order:
      reads = self.mask[:n, :n] | self.mask[n:, :n] | np.eye(n, dtype=bool)
      reaches = np.linalg.matrix_power(reads.astype(int), order - 1) > 0
      self.kept = np.concatenate([reaches, reaches], axis=1)

  def step(self, params, x, said, begins):
    w, readout = params["cell"] * self.mask, params["weights"]
    if begins:
      self.h, self.influence = np.zeros(self.n), 0 * self.influence
    z = np.concatenate([self.h, np.eye(6)[x], [1]])
    f, g = np.split(special.expit(w @ z), 2)
    by_f, by_g = f * (1 - f) * (self.h - (2 * g - 1)), 2 * (1 - f) * g * (1 - g)
    by_a = np.hstack([np.diag(by_f), np.diag(by_g)])
    transition = np.diag(f) + by_a @ w[:, : self.n]
    self.influence = np.einsum("ij,jrz->irz", transition, self.influence)
    self.influence += by_a[:, :, None] * z
    self.influence *= self.kept[:, :, None] * self.mask
    self.h = f * self.h + (1 - f) * (2 * g - 1)
    grads = {name: np.zeros_like(leaf) for name, leaf in params.items()}
    if said < 0:
      return 0.0, grads
    logits = readout @ self.h + params["bias"]
    delta = special.softmax(logits) - np.eye(4)[said]
    grads["cell"] = np.tensordot(delta @ readout, self.influence, 1)
    grads["weights"], grads["bias"] = np.outer(delta, self.h), delta
    return -special.log_softmax(logits)[said], grads


class _Adam:
  """As published, with the matrix's gradient clipped before."""

  def __init__(self, params, rate, clip):
    self.first = {k: 0 * leaf for k, leaf in params.items()}
    self.second = {k: 0 * leaf for k, leaf in params.items()}
    self.rate, self.clip, self.t = rate, clip, 0

  def step(self, params, grads):
    self.t += 1
    norm = np.linalg.norm(grads["cell"])
    grads = grads | {"cell": grads["cell"] / max(1.0, norm / self.clip)}
    for k, g in grads.items():
      self.first[k] = 0.9 * self.first[k] + 0.1 * g
      self.second[k] = 0.999 * self.second[k] + 0.001 * g**2
      size = np.sqrt(self.second[k] / (1 - 0.999**self.t)) + 1e-8
      params[k] -= self.rate * self.first[k] / (1 - 0.9**self.t) / size


def _course(config, seed, segment, cut, **network):
  """T after every update; `cut` forgets the influence at each segment."""
  drawn, symbols, backs = run.draw(config)
  params = {"cell": drawn["cell"], **drawn["readout"]}
  params = {k: leaf[seed].astype(float) for k, leaf in params.items()}
  adam = _Adam(params, config.learning_rate, config.clip)
  n, learners = config.num_units, range(config.batch_size)
  learners = [_Learner(n, **network) for _ in learners]
  running, lengths = 2.0, [1] * segment
  for t in range(config.num_steps):
    if t % segment == 0:
      total, num_said, grads = 0.0, 0, {k: 0 * v for k, v in params.items()}
      saying = set()
    for b, one in enumerate(learners):
      if cut and t % segment == 0:
        one.influence *= 0
      shown = symbols[seed, : t + 1, b], backs[seed, : t + 1, b]
      step = _sequences(*shown, lengths)[t]
      loss, found = one.step(params, *step)
      total, num_said = total + loss, num_said + (step[1] >= 0)
      saying |= {t} if step[1] >= 0 else set()
      for k, g in found.items():
        grads[k] += g / config.batch_size / segment
    if (t + 1) % segment:
      continue
    adam.step(params, grads)
    for _ in saying:
      bits = total / num_said / math.log(2)
      running = config.memory * running + (1 - config.memory) * bits
    grows = running < config.threshold and lengths[-1] < config.max_length
    running = 2.0 if grows else running
    lengths += [lengths[-1] + grows] * segment
  return lengths[segment::segment]


class CopyCurriculumTest(study_case.StudyCase):
  study = copy_curriculum.STUDY
  small = _SMALL

  @parameterized.parameters(("RTRL", 1, False), ("BPTT(2, 2)", 2, True))
  def test_training_is_that_of_a_loop(self, name, segment, cut):
    lengths = _course(_SMALL, 1, segment, cut)
    self.assertEqual(lengths[-1], 3)
    np.testing.assert_array_equal(self.results().lengths[name][1], lengths)

  @parameterized.parameters(
    ("SnAp-1", 1, False, 1), ("SnAp-2", 1, False, 2), ("BPTT(2, 2)", 2, True, 0)
  )
  def test_training_of_a_sparse_network_too(self, name, segment, cut, order):
    mask = networks.mask(3, 0.2, 0)
    config = dataclasses.replace(_SMALL, learning_rate=0.06)
    network = {"mask": mask, "order": order}
    lengths = _course(config, 1, segment, cut, **network)[: 120 // segment]
    self.assertEqual(lengths[-1], 3)
    found = self.results().sparse[name]
    self.assertEqual(found.shape, (2, 2, 120 // segment))
    np.testing.assert_array_equal(found[1, 1], lengths)
    if order:
      kept = _Learner(3, **network).kept[:, :, None] * mask
      share = kept.sum() / (3 * mask.sum())
      self.assertAlmostEqual(self.results().kept[order - 1], share)
      self.assertLess(share, 1)

  def test_a_mask_has_its_share_of_recurrent_weights(self):
    mask = networks.mask(50, 0.1, 0)
    self.assertEqual(mask.shape, (100, 57))
    # Of 5,000 weights; four standard errors.
    self.assertAlmostEqual(mask[:, :50].mean(), 0.1, delta=0.017)
    self.assertTrue(mask[:, 50:].all())
    np.testing.assert_array_equal(mask, networks.mask(50, 0.1, 0))

  def test_all_methods_are_run_in_their_segments(self):
    lengths = self.results().lengths
    sizes = {name: found.shape for name, found in lengths.items()}
    expected = {"RTRL": 160, "OK, rank 1": 160, "BPTT(2, 2)": 80, "UORO": 160}
    self.assertEqual(sizes, {k: (2, size) for k, size in expected.items()})

  def test_exact_rtrl_can_be_left_out(self):
    config = dataclasses.replace(_SMALL, has_exact=False)
    expected = ["OK, rank 1", "BPTT(2, 2)", "UORO"]
    self.assertEqual(list(run.methods(config)), expected)

  def test_segments_have_to_fit(self):
    with self.assertRaisesRegex(ValueError, "multiple of 12, as"):
      run.Config(windows=(4, 6), num_steps=3004)
    with self.assertRaisesRegex(ValueError, "multiple of 8: see"):
      run.Config(sparse_steps=1204)
    with self.assertRaisesRegex(ValueError, "sparse_steps <= num_steps"):
      run.Config(sparse_steps=2408)


def _lengths(steps, num_updates, num_steps):
  """T is 1, from step 100 on 2, and 3 after the given steps of each network."""
  at = np.arange(1, num_updates + 1) * (num_steps // num_updates)
  return 1 + (at >= 100) + (at >= np.asarray(steps)[:, None])


_SPARSE = (
  ("snap1", "SnAp-1", 1),
  ("snap2", "SnAp-2", 1),
  ("sparse4", "BPTT(4, 4)", 4),
  ("sparse8", "BPTT(8, 8)", 8),
)


def _judged(num_steps=3000, rank=2, sizes=(16, 4, 0.98), **changes):
  """Verdicts on results as a run would store them; 99_999 is never."""
  spread = np.exp(np.linspace(-0.05, 0.05, 8))
  means = {"rtrl": 900, "ok": 920, "bptt2": 1100, "bptt4": 1800, "uoro": 2200}
  # Of sparse networks, at the second of two rates for BPTT.
  means |= {"snap1": 730, "snap2": 600, "sparse4": 700, "sparse8": 720}
  means |= changes
  means = {key: mean for key, mean in means.items() if mean is not None}
  steps = {
    k: mean * np.roll(spread, i) for i, (k, mean) in enumerate(means.items())
  }
  names = dict(
    rtrl="RTRL",
    ok=readings.ok(rank),
    bptt2="BPTT(2, 2)",
    bptt4="BPTT(4, 4)",
    uoro="UORO",
  )
  updates = {"bptt2": num_steps // 2, "bptt4": num_steps // 4}
  lengths = {
    names[k]: _lengths(steps[k], updates.get(k, num_steps), num_steps)
    for k in steps
    if k in names
  }
  sparse = {}
  for k, name, segment in _SPARSE:
    found = [2 * steps[k], steps[k]][:: 1 if segment > 1 else -1]
    updates = 1200 // segment
    found = [_lengths(of_rate, updates, 1200) for of_rate in found]
    sparse[name] = np.stack(found, axis=1)
  results = run.Results(
    lengths,
    ranks=np.array([rank]),
    windows=np.array([2, 4]),
    num_steps=np.array(num_steps),
    sizes=np.array(sizes),
    sparse=sparse,
    sparse_rates=np.array([0.03, 0.1]),
    sparse_steps=np.array(1200),
    kept=np.array([0.06, 0.26]),
  )
  return {claim.key: claim for claim in claims.claims(results)}


class ClaimsTest(parameterized.TestCase):
  def test_hold_for_what_is_measured(self):
    found = {key: claim.holds for key, claim in _judged().items()}
    self.assertIsNone(found.pop("published"))
    self.assertIsNone(found.pop("two-million"))
    self.assertTrue(all(found.values()), found)
    self.assertLen(found, 5)

  @parameterized.parameters(
    ("online", dict(bptt2=800)),
    ("online", dict(bptt4=650)),
    ("online", dict(ok=99_999)),
    ("noise", dict(ok=1300)),
    ("noise", dict(ok=600)),
    ("noise", dict(ok=99_999)),
    ("uoro", dict(uoro=650)),
    ("uoro", dict(uoro=800, rtrl=99_999)),
    ("snap-2", dict(sparse4=480)),
    ("snap-2", dict(sparse8=480)),
    ("snap-2", dict(snap2=99_999)),
    ("snap-2", dict(snap2=99_999, snap1=99_999, sparse4=99_999)),
    ("snap-1", dict(snap1=480)),
    ("snap-1", dict(snap2=99_999)),
  )
  def test_do_not_hold_for_anything_else(self, key, changes):
    self.assertIs(_judged(**changes)[key].holds, False)

  def test_without_noise_none_is_found(self):
    # Two sequences of 2 symbols have 4 products; and nothing learned, none.
    self.assertEqual(_judged(rank=4)["noise"].kind, "not run here")
    never = dict(rtrl=99_999, ok=99_999)
    self.assertEqual(_judged(**never)["noise"].kind, "not run here")

  def test_without_exact_rtrl_ok_is_compared(self):
    found = _judged(rtrl=None)
    self.assertEqual(found["noise"].kind, "not run here")
    self.assertTrue(found["online"].holds)
    self.assertTrue(found["uoro"].holds)
    self.assertIs(_judged(rtrl=None, bptt2=800)["online"].holds, False)

  def test_sparse_methods_are_judged_at_their_best_rates(self):
    found = _judged()["snap-2"]
    self.assertIn("SnAp-2 at 0.03 by 8 of 8", found.note)
    self.assertIn("BPTT(4, 4) at 0.1 by 8 of 8", found.note)
    self.assertAlmostEqual(found.measurement.value, np.log(700 / 600), 2)

  def test_where_nothing_is_learned_none_is_faster(self):
    names = "snap1", "snap2", "sparse4", "sparse8"
    found = _judged(**dict.fromkeys(names, 99_999))
    self.assertIs(found["snap-1"].holds, False)
    self.assertIs(found["snap-2"].holds, False)

  def test_published_row_needs_the_published_sizes(self):
    sizes = 128, 16, 0.999
    found = _judged(10_000, 16, sizes)["published"]
    self.assertIs(found.holds, False)  # Length 3 is not 4.
    self.assertEqual(found.kind, "published")
    self.assertIsNone(_judged(9_996, 16, sizes)["published"].holds)
    self.assertIsNone(_judged(10_000, 8, sizes)["published"].holds)

  def test_steps_are_those_of_the_stream(self):
    lengths = np.array([[1, 1, 2, 3], [1, 1, 1, 2]])
    found = {"RTRL": lengths, "OK, rank 2": lengths + 1}
    self.assertEqual(readings.goal(found, 2), ("RTRL", 2))
    del found["RTRL"]
    self.assertEqual(readings.goal(found, 2), ("OK, rank 2", 3))
    steps, reached = readings.steps_to(3, lengths, num_steps=8)
    np.testing.assert_array_equal(steps, [8, 8])
    np.testing.assert_array_equal(reached, [True, False])
    steps, _ = readings.steps_to(2, lengths, num_steps=8)
    np.testing.assert_array_equal(steps, [6, 8])


if __name__ == "__main__":
  absltest.main()
