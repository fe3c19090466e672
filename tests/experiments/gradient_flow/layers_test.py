"""The study of digit networks' layers, its parts tested apart."""

import dataclasses
import functools
from unittest import mock

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

import nnfun as nf
from experiments.gradient_flow import layers, layers_claims
from tests import oracles

_CONFIG = layers.Config(
  num_seeds=40,
  num_images=20,
  num_training_seeds=2,
  gradient_epochs=11,
  accuracy_epochs=1,
  batch_size=100,
)


@functools.cache
def _results():
  return layers.run(_CONFIG)


def _failed(results):
  claims = layers.STUDY.claims(results)
  return [claim.statement for claim in claims if not claim.holds]


class PartsTest(parameterized.TestCase):
  @parameterized.parameters(2, 4)
  def test_speeds_are_those_of_the_four_equations(self, num_hidden):
    """Backpropagation by hand through the layers that are used."""
    rng = np.random.default_rng(0)
    images = nf.data.Images(
      jnp.asarray(rng.uniform(size=(3, 5)), jnp.float32), jnp.array([1, 0, 7])
    )
    params = layers._init(jax.random.key(0), 5)
    actual = jax.jit(layers._speeds)(params, images, num_hidden)
    used = [*params[:num_hidden], params[-1]]
    biases = 0
    for x, label in zip(*images, strict=True):
      outputs = [np.asarray(x, float)]
      for layer in used:
        z = np.asarray(layer["w"], float) @ outputs[-1] + layer["b"]
        outputs.append(1 / (1 + np.exp(-np.asarray(z, float))))
      deltas = [outputs[-1] - np.eye(10)[label]]
      for layer, a in zip(used[:0:-1], outputs[-2::-1], strict=False):
        deltas.append(np.asarray(layer["w"]).T @ deltas[-1] * a * (1 - a))
      norms = deltas[:0:-1]
      biases = np.array(norms) / 3 + biases
    expected = np.linalg.norm(biases, axis=1)
    np.testing.assert_allclose(actual[:num_hidden], expected, rtol=1e-4)
    self.assertTrue(np.all(np.isnan(actual[num_hidden:])))

  def test_start_is_the_library_s(self):
    """Deviations 1 / sqrt(n) and 1, as `initializers.mean_field(1, 1)`."""
    params = jax.vmap(lambda key: layers._init(key, 64))(
      jax.random.split(jax.random.key(0), 100)
    )
    for layer, num_inputs in zip(params, (64, 30, 30, 30, 30), strict=True):
      np.testing.assert_allclose(np.var(layer["w"]), 1 / num_inputs, rtol=0.03)
      np.testing.assert_allclose(np.var(layer["b"]), 1, rtol=0.15)

  def test_mnist_is_cut_as_in_the_book(self):
    whole = nf.data.Images(np.arange(60_000)[:, np.newaxis], np.arange(60_000))
    with mock.patch.object(nf.data, "mnist", return_value=whole) as read:
      data = layers._load("folder")
    read.assert_called_once_with("folder", "train")
    self.assertLen(data.train.labels, 50_000)
    np.testing.assert_array_equal(
      data.validation.labels, np.arange(50_000, 60_000)
    )

  def test_mean_field_in_float64(self):
    with oracles.float64():
      found = layers._mean_field(_CONFIG, layers._load(""))
    chex.assert_type(list(found.values()), np.float64)
    for name, values in found.items():
      np.testing.assert_allclose(_results()[name], values, rtol=1e-4)

  def test_equation_123_at_its_end(self):
    """At |w| = 4 only z = 0 is left; at 8, sigma'(z) = 1/8 by hand."""
    self.assertEqual(layers_claims.bound(np.array(4.0)), 0)
    # s (1 - s) = 1/8: s = (1 + sqrt(1/2)) / 2, z = log(s / (1 - s)).
    s = (1 + 0.5**0.5) / 2
    np.testing.assert_allclose(
      layers_claims.bound(np.array(8.0)), 2 * np.log(s / (1 - s)) / 8
    )

  def test_equation_123_has_no_slope_where_it_is_maximised(self):
    claims = {c.statement: c for c in layers_claims._intervals(_results())}
    width = claims["The widest interval, to more digits."].expected
    weight = claims["It is found at |w|, to more digits."].expected
    self.assertEqual(width, layers_claims.bound(weight))
    sides = layers_claims.bound(weight + np.array([-1e-3, 1e-3]))
    self.assertTrue(np.all(sides < width))


class RunTest(parameterized.TestCase):
  def test_all_claims_hold(self):
    self.assertEqual(_failed(_results()), [])

  def _mnist(self, **changes):
    """Passes the digits off as MNIST with all the images and epochs."""
    results = dict(_results()) | {"is_mnist": True, "num_images": 1000}
    accuracy = np.array([96.5, 96.8, 96.6, 96.3])[:, None, None] / 100
    noise = np.array([-0.001, 0.001])[:, np.newaxis]
    results["accuracy"] = accuracy + noise + np.zeros(31)
    return results | changes

  def test_published_numbers_are_compared_on_mnist_only(self):
    claims = layers.STUDY.claims(_results())
    more = layers.STUDY.claims(self._mnist())
    self.assertLen(more, len(claims) + 3 + 3 + 4)
    self.assertTrue(all("published" not in c.note for c in more[: len(claims)]))

  def test_other_speeds_than_the_published_are_noticed(self):
    results = self._mnist()
    at_start = results["at_start"] * 3
    in_training = results["in_training"][::-1]
    accuracy = results["accuracy"] - 0.02
    failed = _failed(
      self._mnist(at_start=at_start, in_training=in_training, accuracy=accuracy)
    )
    for statement in ("is one of ours", "After ten epochs", "after 30 epochs"):
      self.assertTrue(any(statement in s for s in failed), statement)

  def test_layers_in_reverse_are_noticed(self):
    results = dict(_results())
    for name in ("at_start", "in_training"):
      results[name] = results[name][:1, ..., [1, 0, 2, 3]]
      results[name] = np.repeat(results[name], 3, axis=0)
      results[name][..., 2:] = 1e-9
    failed = _failed(results)
    for statement in ("Early layers", "no accident", "stays the slower"):
      self.assertTrue(any(statement in s for s in failed), statement)

  def test_draws(self):
    figure = layers.STUDY.plot(_results())
    self.assertLen(figure.axes, 4)

  @parameterized.parameters(
    (dict(num_seeds=1), "num_seeds >= 2"),
    (dict(learning_rate=0.0), "learning_rate > 0"),
    (dict(num_images=2000), "num_images <= 1297"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      layers.run(dataclasses.replace(_CONFIG, **settings))


if __name__ == "__main__":
  absltest.main()
