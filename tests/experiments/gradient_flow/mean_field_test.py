"""Mean-field theory: networks against naive loops, a small study, controls."""

import dataclasses
import functools

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

from experiments.gradient_flow import (
  mean_field,
  mean_field_networks,
  mean_field_statistics,
  mean_field_theory,
  mean_field_training,
)

_CONFIG = mean_field.Config(
  sigma_w=(1.3, 2.5),
  variances_w=(1.3, 1.7, 2.5),
  width=100,
  num_layers=30,
  num_inputs=3,
  num_seeds=16,
  num_points=3,
  num_curve=3,
  precision_depth=250,
  train_variances=(0.5, 1.76, 20.0),
  train_depths=(3, 24),
  train_width=32,
  train_examples=400,
  num_epochs=5,
  learning_rate=4e-3,
)


@functools.cache
def _results():
  return mean_field.run(_CONFIG)


def _failed(results):
  claims = mean_field.STUDY.claims(results)
  return [claim.statement for claim in claims if not claim.holds]


class NetworksTest(parameterized.TestCase):
  def test_propagation_is_that_of_a_loop(self):
    # The first network of the study, by its own draws, through two layers.
    results, width = _results(), _CONFIG.width
    keys = mean_field._keys(_CONFIG, 0, _CONFIG.num_seeds, 31)[0, :3]
    with jax.enable_x64(True):
      draws = np.asarray(jax.random.normal(keys[0], (6, width)))
    frame = np.linalg.qr(draws[:3].T)[0].T * width**0.5
    layers = [np.asarray(mean_field_networks._draw(k, width)) for k in keys[1:]]
    for s in (0, 1):
      c = 1 - results["distance"][0, 0, s, 0]
      gram = np.full((3, 3), c) + (1 - c) * np.eye(3)
      values, vectors = np.linalg.eigh(gram)
      root = vectors * np.sqrt(values) @ vectors.T
      inputs = results["q"][s] ** 0.5 * root @ frame
      lone = results["relaxing_q"][0, 0, s, 1] ** 0.5 * frame[0]
      tangents = draws[3:]
      for i, draw in enumerate(layers):
        w = results["sigma_w"][s] * draw[:, :-1] / width**0.5
        b = results["sigma_b"][s] * draw[:, -1]
        moved = [
          w @ ((1 - np.tanh(x) ** 2) * u)
          for x, u in zip(inputs, tangents, strict=True)
        ]
        inputs = np.array([w @ np.tanh(x) + b for x in inputs])
        lone = w @ np.tanh(lone) + b
        growth = [m @ m / (u @ u) for m, u in zip(moved, tangents, strict=True)]
        tangents = moved
        c = [
          inputs[j]
          @ inputs[k]
          / np.linalg.norm(inputs[j])
          / np.linalg.norm(inputs[k])
          for j, k in ((0, 1), (0, 2), (1, 2))
        ]
        for found, expected in (
          (results["measured_q"][0, i, s], np.mean(inputs**2)),
          (results["distance"][0, i + 1, s, 0], 1 - np.mean(c)),
          (results["relaxing_q"][0, i + 1, s, 1], np.mean(lone**2)),
          (results["growth"][0, i, s], np.mean(growth)),
        ):
          np.testing.assert_allclose(found, expected, rtol=1e-5)

  def test_layers_beyond_the_depth_do_nothing(self):
    rng = np.random.default_rng(0)
    layer = lambda *shape: {
      "w": rng.normal(size=(*shape[:-1], 5, shape[-1])),
      "b": rng.normal(size=(*shape[:-1], 5)),
    }
    params = {"first": layer(6), "hidden": layer(3, 5), "last": layer(5)}
    x = np.linspace(-1, 1, 6)
    logits = jax.jit(mean_field_training._logits)
    for depth in (1, 3, 4):
      h = np.tanh(params["first"]["w"] @ x + params["first"]["b"])
      for i in range(depth - 1):
        h = np.tanh(params["hidden"]["w"][i] @ h + params["hidden"]["b"][i])
      expected = params["last"]["w"] @ h + params["last"]["b"]
      with jax.enable_x64(True):
        found = logits(params, x, depth)
      np.testing.assert_allclose(found, expected, rtol=1e-10)

  def test_networks_start_as_the_theory_assumes(self):
    init = jax.jit(
      mean_field_training._init, static_argnums=(3, 4, 5), keep_unused=True
    )
    params = init(jax.random.key(0), 1.5, 0.2, 64, 32, 9)
    for name, sigma_w, fan_in in (
      ("first", 1.5, 64),
      ("hidden", 1.5, 32),
      ("last", 1.0, 32),
    ):
      w, b = np.asarray(params[name]["w"]), np.asarray(params[name]["b"])
      self.assertEqual(w.shape[-1], fan_in)
      for values, sigma in ((w * fan_in**0.5, sigma_w), (b, 0.2)):
        squares = values.ravel() ** 2 / sigma**2
        error = (2 / squares.size) ** 0.5
        self.assertLess(abs(squares.mean() - 1), 4 * error)


class TheoryTest(parameterized.TestCase):
  def test_starts_lie_on_both_sides_of_the_fixed_point(self):
    found = mean_field_theory.starting_correlations(np.array([1.0, 0.3]), 0.2)
    np.testing.assert_allclose(found, [[0.98, 0.8], [0.5, 0.1]])

  def test_trajectory_starts_where_it_should_and_settles(self):
    results = _results()
    theory = results["distance_theory"]
    np.testing.assert_allclose(results["distance"][0, 0], theory[0], rtol=1e-6)
    np.testing.assert_allclose(theory[-1, 1], 1 - results["c"][1], rtol=1e-2)
    q = results["relaxing_q_theory"][-1, :, 0]
    np.testing.assert_allclose(q, results["q"], rtol=1e-6)

  def test_jackknife_of_a_mean_is_its_standard_error(self):
    samples = np.random.default_rng(0).normal(size=20)
    value, error = mean_field_statistics.jackknife(float, samples)
    np.testing.assert_allclose(value, samples.mean(), rtol=1e-12)
    expected = samples.std(ddof=1) / 20**0.5
    np.testing.assert_allclose(error, expected, rtol=1e-6)


class RunTest(parameterized.TestCase):
  def test_all_claims_hold(self):
    self.assertEmpty(_failed(_results()))

  def test_leaves_the_precision_as_it_was(self):
    _results()
    chex.assert_type(jnp.ones(2), jnp.float32)

  @parameterized.parameters(
    ("measured_q", lambda v: 1.1 * v, "variance settles"),
    ("growth", lambda v: v[..., ::-1], "Gradients vanish"),
    ("growth", lambda v: 1.2 * v, "critical sigma_w^2"),
    ("mapped_c", lambda v: v[..., ::-1], "maps the correlation"),
    ("relaxing_q", lambda v: v**1.05, None),
    ("distance", lambda v: np.repeat(v[:, :1], v.shape[1], 1), "follow the"),
    ("distance", lambda v: v * np.nan, None),
    ("by_product", lambda v: 1.5 * _results()["by_distance"], "Float32"),
    ("by_distance", lambda v: np.maximum(v, 1e-4), "In float64"),
    ("accuracy", lambda v: v[:, ::-1], "2 xi_c"),
    ("accuracy", lambda v: v[..., [1, 0, 2]], "6 xi_c"),
    ("accuracy", lambda v: v[..., [1, 0, 2]], "next to the critical line"),
  )
  def test_wrong_measurements_are_noticed(self, name, wrong, text):
    results = _results() | {name: wrong(_results()[name])}
    if text is None:
      with self.assertRaisesRegex(ValueError, "to start as in theory"):
        _failed(results)
      return
    failed = _failed(results)
    self.assertTrue(any(text in s for s in failed), failed)

  def test_draws(self):
    figure = mean_field.STUDY.plot(_results())
    self.assertLen(figure.axes, 7)

  @parameterized.parameters(
    (dict(sigma_w=(2.0, 1.0)), "positive sigma_w, ascending"),
    (dict(train_depths=()), "positive train_depths, ascending"),
    (dict(sigma_b=0.0), "sigma_b > 0"),
    (dict(num_layers=3), "num_layers >= 30"),
    (dict(train_seeds=1), "train_seeds >= 2"),
    (dict(start_distance=0.5), "start_distance from 0"),
  )
  def test_refuses(self, settings, message):
    config = dataclasses.replace(_CONFIG, **settings)
    with self.assertRaisesRegex(ValueError, message):
      mean_field.run(config)


if __name__ == "__main__":
  absltest.main()
