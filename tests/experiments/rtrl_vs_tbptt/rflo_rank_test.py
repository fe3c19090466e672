"""The rank of what RFLO learns: training against loops, and its claims."""

import jax
import numpy as np
from absl.testing import absltest, parameterized

from experiments.rtrl_vs_tbptt import rflo_rank
from experiments.rtrl_vs_tbptt.rflo_rank import claims, readings, run
from tests.experiments import study_case

_SMALL = run.Config(
  num_units=5,
  num_outputs=(1, 2),
  num_steps=4,
  num_episodes=2,
  num_updates=12,
  num_seeds=2,
)


def _trained_by_hand(config, method, key, num_outputs):
  """Singular values of the change, and the losses, by loops in NumPy."""
  with jax.enable_x64(True):
    params, (xs, (values, weights)) = run.draw(config, key, num_outputs, False)
    readout = params["readout"]
    feedback = run.methods(config)[readings.RANDOM].estimator.init(
      params, jax.random.fold_in(key, 1)
    )
    feedback = np.asarray(feedback.feedback)
  w, c = np.array(params["cell"]), np.array(readout)
  if method != readings.SYMMETRIC:
    c *= 0
  n, start, losses = len(w), w.copy(), []
  scale = 1 / config.num_steps / config.num_episodes
  for _ in range(config.num_updates):
    loss, grad_w, grad_c = 0.0, np.zeros_like(w), np.zeros_like(c)
    carry = {
      readings.RANDOM: config.decay * np.eye(n),
      readings.SYMMETRIC: config.decay * np.eye(n),
      readings.BPTT: w[:, :n],
      readings.ONE_STEP: np.zeros((n, n)),
    }[method]
    back = feedback if method == readings.RANDOM else c
    for x, y, weight in zip(
      *map(np.asarray, (xs, values, weights)), strict=True
    ):
      h, influence = np.zeros(n), np.zeros((n, *w.shape))
      for t in range(config.num_steps):
        z = np.concatenate([h, x[t], [1]])
        influence = np.einsum("ij,jkl->ikl", carry, influence)
        influence[np.arange(n), np.arange(n)] += z
        h = w @ z
        error = weight[t] * (c @ h - y[t])
        loss += 0.5 * scale * np.sum(error**2)
        grad_w += scale * np.einsum("i,ikl->kl", back.T @ error, influence)
        grad_c += scale * np.outer(error, h)
    losses.append(loss)
    w = w - config.learning_rate * grad_w
    if method != readings.SYMMETRIC:
      c = c - config.learning_rate * grad_c
  values = np.linalg.svd((w - start)[:, :n], compute_uv=False)
  return values, np.array(losses)[[0, -1]]


class CaseTest(study_case.StudyCase):
  study = rflo_rank.STUDY
  small = _SMALL

  @parameterized.parameters(
    readings.RANDOM, readings.SYMMETRIC, readings.BPTT, readings.ONE_STEP
  )
  def test_training_is_that_of_loops(self, method):
    keys = jax.random.split(jax.random.key(0), 2)
    for i, m in enumerate(_SMALL.num_outputs):
      values, losses = _trained_by_hand(_SMALL, method, keys[1], m)
      found = self.results().singular[method][1, i]
      np.testing.assert_allclose(found, values, rtol=1e-8, atol=1e-14)
      found = self.results().losses[method][1, i]
      np.testing.assert_allclose(found, losses, rtol=1e-10)

  def test_the_bound_is_that_of_theory(self):
    judged = self.judged()
    for key in ("low-rank", "rank-reached", "adam-one-output", "saddle"):
      self.assertTrue(judged[key].holds, key)

  def test_refuses(self):
    with self.assertRaisesRegex(ValueError, "num_outputs < num_units"):
      run.Config(num_units=4)


def _results(**ranks):
  """Results as if methods had learned changes of some ranks."""
  names = {name.lower(): name for name in _RANKS}
  ranks = {**_RANKS, **{names[key]: rank for key, rank in ranks.items()}}
  noise = 1 + 1e-2 * np.sin(np.arange(5))
  singular, losses, from_zero = {}, {}, {}
  for name, rank in ranks.items():
    singular[name] = np.full((5, 2, 6), 1e-16)
    for i, m in enumerate((1, 2)):
      singular[name][:, i, : rank(m)] = noise[:, None]
    losses[name] = np.ones((5, 2, 2))
    stays = name in (readings.BPTT, readings.ONE_STEP)
    from_zero[name] = np.stack(
      [np.ones(5), np.ones(5) if stays else 0.1 * noise], 1
    )
  return run.Results(np.array([1, 2]), singular, losses, from_zero)


_RANKS = {
  readings.RANDOM: lambda m: m,
  readings.SYMMETRIC: lambda m: m,
  readings.BPTT: lambda m: 6,
  readings.ONE_STEP: lambda m: m + 1,
  readings.TANH: lambda m: 6,
  readings.ADAM: lambda m: 1 if m == 1 else 6,
}


class ClaimsTest(parameterized.TestCase):
  def failed(self, results):
    found = claims.claims(results)
    return {claim.key for claim in found if claim.holds is not True}

  def test_hold_together(self):
    self.assertEmpty(self.failed(_results()))

  @parameterized.parameters(
    ("rflo", lambda m: m + 1, {"low-rank"}),
    ("rflo", lambda m: 1, {"rank-reached"}),
    ("bptt", lambda m: m, {"bptt-is-not"}),
    ("bptt(1, 1)", lambda m: m, {"bptt-is-not"}),
    ("rflo, tanh", lambda m: m, {"linear-only"}),
    ("rflo, adam", lambda m: m, {"linear-only"}),
    ("rflo, adam", lambda m: 6, {"adam-one-output"}),
  )
  def test_fail_by_rank(self, name, rank, expected):
    self.assertEqual(self.failed(_results(**{name: rank})), expected)

  def test_fail_by_the_saddle(self):
    results = _results()
    losses = results.from_zero
    swapped = losses | {
      readings.BPTT: losses[readings.RANDOM],
      readings.RANDOM: losses[readings.BPTT],
    }
    failed = self.failed(results._replace(from_zero=swapped))
    self.assertEqual(failed, {"saddle", "no-saddle"})


if __name__ == "__main__":
  absltest.main()
