"""Errors forward in time: passes against the library, and laws that break."""

import functools

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

import nnfun as nf
from experiments import sweeps
from experiments.rtrl_vs_tbptt import forward_errors
from experiments.rtrl_vs_tbptt.forward_errors import (
  claims,
  figure,
  greens,
  published,
  readings,
  run,
)
from tests import oracles
from tests.experiments import study_case

_SMALL = run.Config(
  lengths=(100,),
  num_networks=3,
  layer_lengths=(10, 20),
  radii=(0.08, 0.12, 0.16, 0.2, 0.3, 0.4),
  num_layers=2,
  num_units=4,
  num_steps=12,
  num_tanh=2,
)


class CaseTest(study_case.StudyCase):
  study = forward_errors.STUDY
  small = _SMALL

  def test_the_precision_is_left_as_it_was(self):
    self.results()
    chex.assert_type(jnp.ones(2), jnp.float32)

  def test_errors_grow_as_the_radius_says(self):
    """Between two lengths, on average, also in so small a run."""
    layers = self.results().layers
    growth = np.diff(np.log(layers.error), axis=2)[:, :, 0].mean(axis=(0, 1))
    steps = -10 * np.log(layers.radii)
    np.testing.assert_allclose(growth / steps, 1, atol=0.15)

  def test_small_networks_hardly_suffer_from_inverses(self):
    inverses = self.results().inverses
    eps = np.finfo(float).eps
    self.assertLess(inverses.lazy.max(), 100 * eps)
    self.assertTrue(np.all(inverses.greens < 10 * eps * inverses.condition))


class PublishedTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.enterContext(jax.enable_x64(True))

  def test_passes_are_the_gradient_of_a_sequence(self):
    """Where nothing is forgotten; what comes after it makes no difference."""
    cell, find = published.cell(), sweeps.quick_jit(published.gradients)
    for length in (8, 5):
      member = published.draw(jax.random.key(1), 0.9, length, 8)
      found = find(member)
      _, exact = oracles.whole_gradient(
        cell,
        published.loss_fn,
        member.params,
        member.xs[:length],
        jnp.ones(length),
      )
      for gradient in found:
        oracles.assert_same_gradient(gradient, exact)
      later = member._replace(xs=member.xs.at[length:].add(1))
      chex.assert_trees_all_close(find(later), found, rtol=1e-12)

  def test_the_sum_errs_as_the_library_does(self):
    """At a radius where rounding shows: within a factor of three."""
    num_steps = 40

    @jax.vmap
    def errors(key):
      member = published.draw(key, 0.5, num_steps, num_steps)
      found = published.gradients(member)
      estimate = nf.training.episode_gradient(
        nf.estimators.forward_errors(published.cell(), published.loss_fn),
        member.params,
        key,
        member.xs,
        member.counts,
        segment=num_steps,
      ).grads
      norm = nf.numerics.global_norm
      exact = found.backward
      return jnp.stack(
        [
          norm(jax.tree.map(jnp.subtract, g, exact)) / norm(exact)
          for g in (estimate, found.summed, found.forward)
        ]
      )

    keys = jax.random.split(jax.random.key(2), 6)
    logs = np.log(sweeps.quick_jit(errors)(keys)).mean(axis=0)
    self.assertGreater(logs[0], np.log(1e-9))
    self.assertLess(abs(logs[1] - logs[0]), np.log(3))
    self.assertGreater(logs[2] - logs[0], np.log(3))

  def test_radii_are_those_of_the_ring(self):
    theta = published.draw(jax.random.key(0), 0.7, 1, 1).params["cell"]
    radii = np.exp(-np.exp(theta["nu"]))
    self.assertTrue(np.all((radii >= 0.7) & (radii <= 1)))
    np.testing.assert_allclose(
      np.exp(theta["log_gamma"]), np.sqrt(1 - radii**2), rtol=1e-6
    )


class GreensTest(absltest.TestCase):
  def test_is_rtrl(self):
    """In float64, over few steps, by a naive loop."""
    with oracles.float64():
      cell = oracles.CELLS["vanilla"]()
      loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
      xs, ys = oracles.make_episode(5)
      cell_only = {"cell": params["cell"], "readout": params["readout"]}
      found, condition = jax.jit(
        functools.partial(greens.gradients, cell, loss_fn)
      )(cell_only, xs, ys)
      loops = oracles.online_gradients(
        cell, loss_fn, [params] * len(xs), xs, ys
      )
      for t, grads in enumerate(loops):
        direct = jax.grad(loss_fn)(
          params, _state(cell, params, xs[: t + 1]), ys[t]
        )
        np.testing.assert_allclose(
          found[t], grads["cell"] - direct["cell"], rtol=1e-8, atol=1e-10
        )
      np.testing.assert_allclose(
        condition[0], np.linalg.cond(_jacobian(cell, params, xs[0])), rtol=1e-9
      )


def _state(cell, params, xs):
  state = oracles.start(cell, params)
  for x_t in xs:
    state = cell.step(params["cell"], state, x_t)
  return state


def _jacobian(cell, params, x):
  start = oracles.start(cell, params)
  return jax.jacfwd(lambda h: cell.step(params["cell"], h, x))(start)


def _results(**changes):
  """Results as a run would store them if all claims were true."""
  rng, eps = np.random.default_rng(0), np.array([2.2e-16, 1.2e-7])

  def seeds(n, shape, spread):
    return spread * rng.normal(size=(n, *shape))

  def part(table):
    lengths, r_mins = map(np.array, zip(*table, strict=True))
    cosine = np.array(list(table.values()))[:, None] * np.ones(2)
    error = np.array([1e-3, 1e-4]) * np.ones((len(table), 2))
    error = error * np.exp(seeds(8, error.shape, 0.1))
    cosine = cosine + seeds(8, cosine.shape, 0.02)
    return run.Published(lengths, r_mins, cosine, error)

  lengths, radii = np.array([50, 100]), np.arange(0.4, 0.9, 0.01)
  growth = eps[:, None, None] * radii ** -lengths[:, None].astype(float)
  error = growth * np.exp(seeds(4, growth.shape, 0.05))
  layers = run.Layers(lengths, radii, error, 1 / np.sqrt(1 + 3 * error**2))
  condition = np.exp(np.arange(40) * np.ones((6, 1)))
  greens_error = eps[0] * condition * np.exp(seeds(6, (40,), 0.1))
  lazy = np.full(condition.shape, eps[0])
  results = run.Results(
    part(readings.PUBLISHED),
    layers,
    run.Inverses(greens_error, lazy, condition),
  )
  for name, change in changes.items():
    results = results._replace(**{name: change(getattr(results, name))})
  return results


def _later(layers):
  """Everything is lost at a radius that is 0.05 or so larger."""
  return layers._replace(cosine=np.roll(layers.cosine, 7, axis=-1))


class ClaimsTest(parameterized.TestCase):
  def judged(self, results):
    return {c.key: c.holds for c in claims.claims(results)}

  def test_hold_together(self):
    judged = self.judged(_results())
    self.assertIsNone(judged.pop("cosine-32"))
    self.assertLen(judged, 6)
    self.assertTrue(all(judged.values()), judged)
    self.assertNotEmpty(figure.plot(_results()).axes)

  @parameterized.parameters(
    ("published", lambda p: p._replace(cosine=1 - p.cosine), {"cosine"}),
    ("published", lambda p: p._replace(error=p.error[..., ::-1]), {"summed"}),
    ("layers", lambda p: p._replace(error=p.error**1.1), {"growth"}),
    ("layers", _later, {"half"}),
    ("inverses", lambda p: p._replace(greens=p.greens**0.5), {"greens"}),
    ("inverses", lambda p: p._replace(lazy=p.lazy + 1e-12), {"lazy"}),
  )
  def test_fail_one_by_one(self, name, change, expected):
    judged = self.judged(_results(**{name: change}))
    failed = {key for key, holds in judged.items() if holds is False}
    self.assertEqual(failed, expected)

  def test_what_never_passes_is_no_number(self):
    cosine = np.array([[1.0, 0.8, 0.2, 0.1], [1.0, 1, 1, 1], [1.0, 1, 0, 0]])
    found = readings.half(cosine, np.arange(4.0))
    np.testing.assert_allclose(found, [1.5, np.inf, 1.5])

  def test_missing_lengths_are_named(self):
    def short(part):
      keep = part.lengths < 1000
      return part._replace(
        lengths=part.lengths[keep],
        r_mins=part.r_mins[keep],
        cosine=part.cosine[:, keep],
        error=part.error[:, keep],
      )

    judged = self.judged(_results(published=short))
    self.assertIsNone(judged["cosine-1000"])
    self.assertLen(judged, 8)


class ConfigTest(parameterized.TestCase):
  @parameterized.parameters(
    (dict(lengths=(50, 100)), "lengths among"),
    (dict(layer_lengths=(50,)), "two layer_lengths"),
    (dict(radii=(0.0, 0.5)), "radii between 0 and 1"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**settings)


if __name__ == "__main__":
  absltest.main()
