"""Variance: closed forms against all signs, claims against wrong laws."""

import functools
import itertools

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

import nnfun as nf
from experiments import sweeps
from experiments.rtrl_vs_tbptt import variance
from experiments.rtrl_vs_tbptt.variance import (
  claims,
  problems,
  readings,
  run,
  theory,
)
from tests.experiments import study_case

_SMALL = run.Config(
  num_units=4,
  num_steps=4,
  decays=(0.7,),
  rank=2,
  artbp_decays=(0.8, 1.0),
  artbp_steps=4,
  network_units=(2, 4),
  network_steps=4,
  sketch_units=3,
  sketch_steps=8,
  sketch_ranks=(1,),
  num_keys=32,
  num_draws=50,
  num_seeds=3,
)


class CaseTest(study_case.StudyCase):
  study = variance.STUDY
  small = _SMALL

  def test_what_needs_no_luck_holds(self):
    judged = self.judged()
    self.assertTrue(judged["sketch-bound"].holds)
    for key, claim in judged.items():
      self.assertIsNot(claim.holds, False, key)

  def test_kf_has_the_noise_of_all_its_signs(self):
    """On the ring every sign gives the same norm: no luck is left but signs."""
    row = list(self.results().methods).index(readings.KF)
    found = self.results().carried[:, row, 0].mean(axis=0)
    np.testing.assert_allclose(found, _kf_by_all_signs(4, 0.7, 4), rtol=1e-4)


def _signs(num):
  return np.array(list(itertools.product([1.0, -1.0], repeat=num)))


def _kf_by_all_signs(n, decay, num_steps):
  """KF-RTRL by hand, the mean over all its signs  [T]."""
  exact, variances = np.zeros((n, n, num_steps)), []
  runs = [(np.zeros((n, n)), np.zeros(num_steps))]
  for t in range(num_steps):
    step = np.einsum("ij,k->ijk", np.eye(n), np.eye(num_steps)[t])
    exact = decay * np.roll(exact, 1, axis=0) + step
    squares, after = [], []
    for left, right in runs:
      moved = decay * np.roll(left, 1, axis=0)
      found = np.einsum("ij,k->ijk", moved, right) + step
      squares.append(np.sum((found - exact) ** 2))
      norms = np.linalg.norm(moved), np.linalg.norm(right)
      p_1 = np.sqrt(norms[0] / norms[1]) if norms[1] else 1.0
      p_2 = n**0.25  # |D| = root n, |z| = 1.
      for sign in (1, -1):
        z = np.eye(num_steps)[t]
        after.append(
          (moved / p_1 + sign * np.eye(n) / p_2, p_1 * right + sign * p_2 * z)
        )
    # From a start of 0 both signs are the same.
    runs = after[:1] if t == 0 else after
    variances.append(np.mean(squares) / np.sum(exact**2))
  return np.array(variances)


class TheoryTest(parameterized.TestCase):
  @parameterized.parameters(0.5, 1.0)
  def test_kf_over_all_signs(self, decay):
    expected = _kf_by_all_signs(6, decay, 6)
    found = theory.kronecker(decay, 6, 1)
    np.testing.assert_allclose(found, expected, atol=1e-12)

  @parameterized.parameters(0.5, 1.0)
  def test_uoro_over_all_signs(self, decay):
    """The third step has the noise of two draws: 2^16 of them."""
    n = 8
    nu = _signs(2 * n).reshape(-1, 2, n)
    # Turned for one draw only, which stands for all.
    first, second = np.roll(nu[:, 0], 1, axis=1), nu[:, 1]
    s, m = decay * first, float(n)
    left = np.linalg.norm(s, axis=1)
    rho_0 = np.sqrt(np.sqrt(n) / left)
    of_state = rho_0[:, None] * s + second
    # Right: nu_0 at one input and nu_1 at another, at right angles.
    right = n / rho_0**2 + n
    second_moment = np.mean(np.sum(of_state**2, axis=1) * right)
    powers = theory.powers(decay, 3)
    expected = decay**2 * (second_moment / m - powers[1]) / powers[2]
    found = theory.uoro(n, decay, 3, 1)[2]
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    half = theory.uoro(n, decay, 3, 2)[2]
    self.assertAlmostEqual(half, found / 2)

  @parameterized.parameters(0.6, 1.0)
  def test_ok_loses_least(self, decay):
    """Of all numbers of values to keep; nothing as long as there is room."""
    rank, num_steps = 3, 7
    variances = theory.kronecker(decay, num_steps, rank)
    np.testing.assert_allclose(variances[: rank + 1], 0, atol=1e-12)
    values, seconds = np.zeros(rank), []
    for _ in range(num_steps):
      d = np.sort(np.append(decay * values, 1.0))[::-1]
      losses = {}
      for kept in range(rank):
        rest, places = d[kept:], rank - kept
        fits = rest.max() * places <= rest.sum() + 1e-12
        loss = rest.sum() ** 2 / places - np.sum(rest**2)
        if fits:
          shared = np.full(places, rest.sum() / places)
          losses[loss] = np.concatenate([d[:kept], shared])
      values = losses[min(losses)]
      seconds.append(np.sum(values**2))
    powers = theory.powers(decay, num_steps)
    excess = decay**2 * (np.array(seconds) - powers)[:-1] / powers[1:]
    np.testing.assert_allclose(variances[1:], excess, atol=1e-12)

  def test_artbp_over_all_cuts(self):
    decay, c, num_steps = 0.9, 0.3, 6
    mean = second = 0.0
    for cut in itertools.product([0, 1], repeat=num_steps - 1):
      chance = np.prod(np.where(cut, c, 1 - c))
      weights = np.cumprod([1, *np.where(cut, 0, 1 / (1 - c))])
      terms = decay ** np.arange(num_steps) * weights
      mean, second = mean + chance * terms, second + chance * terms**2
    np.testing.assert_allclose(mean, decay ** np.arange(num_steps))
    expected = second.sum() / np.sum(mean**2) - 1
    found = theory.artbp(decay, num_steps, c)[-1]
    np.testing.assert_allclose(found, expected)

  def test_evolution_by_drawing(self):
    """Steps at right angles, in parameters of their own."""
    rng = np.random.default_rng(0)
    num_draws, size = 3, 5
    g = np.eye(num_draws, size)
    eps = rng.normal(size=(200_000, num_draws, size))
    product = np.einsum("kds,ds->k", eps, g)
    found = eps.sum(1) * product[:, None]
    second = np.mean(np.sum(found**2, axis=1)) / num_draws
    expected = theory.evolution(size, num_draws)
    np.testing.assert_allclose(second - 1, expected, rtol=0.03)


class ProblemsTest(absltest.TestCase):
  def test_influences_of_the_ring(self):
    ring = problems.ring(5, 4, 0.7)
    found = problems.ring_influences(5, 4, 0.7)
    expected = problems.exact_influences(ring)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    w = jax.random.normal(jax.random.key(0), (5, 4))
    nf.diagnostics.check_cell(ring.cell, w, jnp.arange(5.0), ring.xs[1])

  def test_errors_are_those_of_the_influence(self):
    """None for RTRL; all of what is carried where nothing is."""
    network = problems.network(3, 6, jax.random.key(1))
    exact = problems.exact_influences(network)
    key = jax.random.key(2)
    of = lambda make: sweeps.quick_jit(
      lambda exact: problems.follow(make, network, exact, key)[0]
    )(exact)
    rtrl = functools.partial(nf.estimators.rtrl, flush_every=1)
    np.testing.assert_allclose(of(rtrl), 0, atol=1e-9)
    found = of(nf.estimators.truncated_bptt)
    h_tm1, expected = np.zeros(3), []
    w, xs = np.asarray(network.theta), np.asarray(network.xs)
    norms = np.linalg.svd(w[:, :3], compute_uv=False)
    np.testing.assert_allclose(norms, 0.95, rtol=1e-5)  # It forgets.
    before = np.zeros(exact.shape[1:])
    for x_t, exact_t in zip(xs, np.asarray(exact), strict=True):
      h_t = np.tanh(w @ np.concatenate([h_tm1, x_t, [1.0]]))
      carried = (1 - h_t**2)[:, None] * (w[:, :3] @ before)
      expected.append(np.sum(carried**2))
      h_tm1, before = h_t, exact_t
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-9)

  def test_gradient_of_the_last_state(self):
    ring = problems.ring(3, 4, 0.8)
    make = nf.estimators.truncated_bptt
    grads, signs = sweeps.quick_jit(
      lambda key: problems.last_gradient(make, ring, key, segment=4)
    )(jax.random.key(0))
    last = problems.ring_influences(3, 4, 0.8)[-1]
    expected = (np.asarray(signs) @ last).reshape(3, 4)
    np.testing.assert_allclose(grads, expected, rtol=1e-5)
    self.assertEqual(set(np.abs(np.asarray(signs))), {1.0})


def _results():
  """Results as a run would store them if all laws were true."""
  seeds = 1 + 1e-3 * np.arange(-2, 3)
  decays, artbp_decays = np.array([0.7, 1.0]), np.array([0.8, 0.9**0.5, 1.0])
  methods = np.array([readings.UORO, readings.UORO, readings.KF, readings.OK])
  units, ranks = np.array([8, 16, 8, 8]), np.array([1, 4, 1, 4])
  results = run.Results(
    methods,
    units,
    ranks,
    decays,
    np.zeros((5, 4, 2, 8)),
    artbp_decays,
    seeds[:, None, None]
    * ((artbp_decays**2 / 0.9)[:, None] ** np.arange(10))[None],
    np.array([readings.PES, readings.PES, readings.NRES]),
    np.array([8, 4, 1]),
    np.array([1, 2, 1]),
    np.array([0.01, 1.0, 0.01]),
    np.zeros((5, 3)),
    np.array(16),
    np.array([4, 16]),
    np.zeros((5, 2, 2, 24)),
    np.array([1, 4]),
    np.full((5, 2, 32), 0.3),
    np.full((5, 2, 32), 3.0) * seeds[:, None, None],
  )
  laws = [[readings.carried(results, i, a) for a in decays] for i in range(4)]
  networks = np.array([[5.0, 1.0], [20.0, 1.0]])[:, :, None] * np.ones(24)
  return results._replace(
    carried=seeds[:, None, None, None] * np.array(laws),
    evolution=seeds[:, None] * readings.evolution(results),
    networks=seeds[:, None, None, None] * networks,
  )


_ALL = slice(None)
_LAGS = np.arange(10.0)
# The seeds' noise: a difference that is the same for all has no error.
_MORE = np.linspace(0.99, 1.01, 5)


class ClaimsTest(parameterized.TestCase):
  def test_hold_together(self):
    judged = {c.key: c.holds for c in claims.claims(_results())}
    self.assertLen(judged, 7)
    self.assertTrue(all(judged.values()), judged)

  @parameterized.parameters(
    # The deviation of copies in place of their variance; n - 1 for n.
    ("carried", (_ALL, 1), 2.0, {"carried"}),
    ("carried", (_ALL, 0), 7 / 8, {"carried"}),
    ("carried", (_ALL, 3), 1.2, {"carried"}),
    ("artbp", (_ALL, 2), 1.06**_LAGS, {"drawn", "artbp-threshold"}),
    ("artbp", (_ALL, 1), 0.97**_LAGS, {"drawn", "artbp-threshold"}),
    ("evolution", (_ALL, 1), 2.0, {"drawn"}),
    ("evolution", (_ALL, 0), 0.1 * _MORE, {"drawn", "nres"}),
    ("networks", (_ALL, 1, 0), 0.05 * _MORE[:, None], {"asymptotic"}),
    ("sketch_errors", (0, 0, 7), 10.2, {"sketch-bound"}),
    ("sketch_bounds", (_ALL, 1), 1e3 * _MORE[:, None], {"sketch-tight"}),
  )
  def test_fail_one_by_one(self, name, index, factor, expected):
    results = _results()
    values = np.array(getattr(results, name), float)
    values[index] *= factor
    results = results._replace(**{name: values})
    judged = {c.key: c.holds for c in claims.claims(results)}
    self.assertEqual({k for k, h in judged.items() if h is False}, expected)

  def test_copies_that_are_more_than_said_are_found_out(self):
    carrier = run.carriers(_SMALL)[0]
    more = functools.partial(nf.estimators.uoro, rank=2)
    found = run._on_ring(_SMALL, carrier._replace(make=more))[:, 0].mean(0)
    expected = theory.uoro(4, 0.7, 4, 1)
    np.testing.assert_allclose(found[1:] / expected[1:], 0.5, rtol=0.3)


class ConfigTest(parameterized.TestCase):
  @parameterized.parameters(
    (dict(num_steps=12, num_units=8), "num_steps <= num_units"),
    (dict(num_steps=6), "multiple of 4"),
    (dict(network_units=(8,)), "two or more"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**settings)


if __name__ == "__main__":
  absltest.main()
