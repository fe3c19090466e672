"""Evolution strategies, against loops in NumPy and where they are exact."""

import functools

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import flatten_util
from jax import numpy as jnp
from scipy import stats

import nnfun as nf
from tests import oracles

_NUM_STEPS = 4
_SIGMA = 0.7
_DECAY = 0.3
_METHODS = {
  "pes": nf.estimators.pes,
  "nres": nf.estimators.nres,
  "truncated_es": nf.estimators.truncated_es,
}
_A = np.array([[0.9, -0.3], [0.2, 0.8]])
_C = np.array([[1.0, -0.5], [0.3, 2.0]])


def _quadratic(num_steps=_NUM_STEPS, memory=1.0, is_affine=False):
  """h_t = A h_tm1 + W x_t, of which the squared error is quadratic in W, b.

  A decay of W is in the loss, which reads the parameters of the cell as well.
  """
  a = jnp.asarray(memory * _A)
  features = lambda h_tm1, x_t: x_t
  activate = lambda pre, h_tm1: a @ h_tm1 + pre
  step = nf.base.affine_step(features, activate)
  start = lambda: jnp.full(2, 0.5)
  cell = nf.Cell(None, start, step)
  if is_affine:
    cell = nf.AffineCell(None, start, step, features, activate)

  def loss_fn(params, h_t, y_t):
    error = jnp.asarray(_C) @ h_t + params["readout"] - y_t
    return 0.5 * jnp.sum(error**2) + _DECAY * jnp.sum(params["cell"] ** 2)

  rng = np.random.default_rng(0)
  params = {"cell": rng.normal(size=(2, 3)), "readout": rng.normal(size=2)}
  xs, ys = rng.normal(size=(num_steps, 3)), rng.normal(size=(num_steps, 2))
  return cell, loss_fn, *jax.tree.map(jnp.asarray, (params, xs, ys))


def _by_hand(w, b, h, xs, ys):
  """The losses of `_quadratic` in NumPy."""
  losses = []
  for x_t, y_t in zip(xs, ys, strict=True):
    h = _A @ h + w @ x_t
    losses.append(0.5 * np.sum((_C @ h + b - y_t) ** 2) + _DECAY * np.sum(w**2))
  return losses, h


def _noise_of(cell, state):
  """xi like the parameters: in the state those of affine cells lie across."""
  if not isinstance(cell, nf.AffineCell):
    return state.noise
  return {**state.noise, "cell": jnp.swapaxes(state.noise["cell"], 1, 2)}


def _samples(method, segment, num_keys=20_000, update=None, **settings):
  """Summed estimates of the episode over keys, and what may be their mean."""
  cell, loss_fn, params, xs, ys = _quadratic(**settings)
  estimator = _METHODS[method](cell, loss_fn, num_pairs=1, sigma=_SIGMA)
  if update is not None:
    estimator = estimator._replace(update=update(estimator.update))

  def one(key):
    grads = nf.training.episode_gradient(
      estimator, params, key, xs, ys, segment=segment
    ).grads
    return flatten_util.ravel_pytree(grads)[0]

  keys = jax.random.split(jax.random.key(0), num_keys)
  samples = jax.jit(jax.vmap(one))(keys)
  _, exact = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
  pieces = oracles.truncated_gradients(cell, loss_fn, params, xs, ys, segment)
  truncated = jax.tree.map(lambda *g: sum(g), *pieces)
  return np.asarray(samples), *(
    np.asarray(flatten_util.ravel_pytree(g)[0]) for g in (exact, truncated)
  )


def _deviation(samples, expected):
  """max over parameters of abs(mean - expected) / standard error."""
  error = samples.std(0, ddof=1) / len(samples) ** 0.5
  return np.max(np.abs(samples.mean(0) - expected) / error)


def _bound(size):
  """What the maximum exceeds by chance once in a million."""
  return stats.norm.isf(1e-6 / 2 / size)


class MeanTest(parameterized.TestCase):
  """Over 20,000 keys, one statistic a case, wrong once in a million."""

  @parameterized.product(method=("pes", "nres"), segment=(1, 2, _NUM_STEPS))
  def test_of_a_parabola_it_is_the_gradient_at_any_sigma(self, method, segment):
    with oracles.float64():
      samples, exact, _ = _samples(method, segment)
      self.assertLess(_deviation(samples, exact), _bound(exact.size))

  def test_of_single_segments_it_is_the_truncated_gradient(self):
    with oracles.float64():
      samples, exact, truncated = _samples("truncated_es", 1)
      self.assertLess(_deviation(samples, truncated), _bound(exact.size))
      self.assertGreater(_deviation(samples, exact), _bound(exact.size))
      samples, exact, _ = _samples("truncated_es", _NUM_STEPS)
      self.assertLess(_deviation(samples, exact), _bound(exact.size))

  def test_noise_that_is_not_summed_up_is_seen(self):
    def forgets(update):
      def forgetful(params, state, *args):
        nothing = jax.tree.map(jnp.zeros_like, state.noise)
        return update(params, state._replace(noise=nothing), *args)

      return forgetful

    with oracles.float64():
      samples, exact, _ = _samples("pes", 1, update=forgets)
      self.assertGreater(_deviation(samples, exact), _bound(exact.size))

  def test_noise_that_is_reused_is_less(self):
    """If memory is short; where it is long there is little between them."""
    with oracles.float64():

      def variance(method, **settings):
        samples, _, _ = _samples(method, num_keys=4000, **settings)
        return samples.var(0).sum()

      short = dict(num_steps=16, memory=0.3)
      few, many = (variance(m, segment=1, **short) for m in ("nres", "pes"))
      self.assertLess(few, 0.6 * many)
      few, many = (variance(m, segment=1) for m in ("nres", "pes"))
      self.assertGreater(few, 0.8 * many)
      # In one segment they are the same.
      ones = [variance(m, segment=_NUM_STEPS) for m in ("nres", "pes")]
      self.assertAlmostEqual(ones[0] / ones[1], 1, delta=0.1)


class LoopTest(parameterized.TestCase):
  """Segments one by one, with the noise that was drawn."""

  def _expected(self, params, noise, starts, xs, ys):
    """Gradients of one segment by NumPy, one of each loss for each pair."""
    result = []
    for w_eps, b_eps, start in zip(
      noise["cell"], noise["readout"], starts, strict=True
    ):
      ends, losses = [], []
      for sign, h in zip((1, -1), start, strict=True):
        w = np.asarray(params["cell"] + sign * w_eps)
        b = np.asarray(params["readout"] + sign * b_eps)
        values, h = _by_hand(w, b, h, xs, ys)
        losses.append(np.array(values))
        ends.append(h)
      result.append((losses[0] - losses[1], ends))
    return np.stack([r[0] for r in result]), [r[1] for r in result]

  def _assert_credited(self, grads, pieces):
    """Pieces of (xi, differences of losses [N])."""
    for name in ("cell", "readout"):
      total = sum(
        np.tensordot(gaps, np.asarray(xi[name]), 1) for xi, gaps in pieces
      )
      expected = total / (2 * _SIGMA**2 * len(pieces[0][1]))
      np.testing.assert_allclose(grads[name], expected, rtol=1e-9, atol=1e-12)

  @parameterized.product(method=tuple(_METHODS), is_affine=(False, True))
  def test_two_segments(self, method, is_affine):
    with oracles.float64():
      cell, loss_fn, params, xs, ys = _quadratic(is_affine=is_affine)
      settings = dict(num_pairs=3, sigma=_SIGMA)
      estimator = _METHODS[method](cell, loss_fn, **settings)
      # The noise of both methods that draw it for each segment is the same.
      twin = nf.estimators.pes(cell, loss_fn, **settings)
      twin_state = twin.init(params, jax.random.key(3))
      state = estimator.init(params, jax.random.key(3))
      starts = [[np.full(2, 0.5)] * 2] * 3
      summed = _noise_of(cell, twin_state)
      for piece in (slice(0, 2), slice(2, 4)):
        if method == "truncated_es":
          starts = [[np.asarray(state.cell)] * 2] * 3
        plain = _by_hand(
          params["cell"], params["readout"], state.cell, xs[piece], ys[piece]
        )
        state, estimate = estimator.update(params, state, xs[piece], ys[piece])
        twin_state, _ = twin.update(params, twin_state, xs[piece], ys[piece])
        old, summed = summed, _noise_of(cell, twin_state)
        fresh = jax.tree.map(lambda new, old: new - old, summed, old)
        noise = _noise_of(cell, state) if method == "nres" else fresh
        gaps, starts = self._expected(
          params, noise, starts, xs[piece], ys[piece]
        )
        credited = summed if method == "pes" else noise
        self._assert_credited(estimate.grads, [(credited, gaps.sum(1))])
        np.testing.assert_allclose(estimate.loss, sum(plain[0]), rtol=1e-12)
        np.testing.assert_allclose(state.cell, plain[1], rtol=1e-12)

  @parameterized.parameters(False, True)
  def test_a_reset_within_a_segment_of_pes(self, is_affine):
    with oracles.float64():
      cell, loss_fn, params, xs, ys = _quadratic(is_affine=is_affine)
      estimator = nf.estimators.pes(cell, loss_fn, num_pairs=2, sigma=_SIGMA)
      state = estimator.init(params, jax.random.key(3))
      resets = jnp.array([False, True, False])
      old, _ = estimator.update(params, state, xs[:1], ys[:1])
      new, estimate = estimator.update(params, old, xs[1:], ys[1:], resets)
      # What is summed up begins again: the last noise is all of it.
      noise = _noise_of(cell, new)
      before = jax.tree.map(jnp.add, _noise_of(cell, old), noise)
      start = [np.full(2, 0.5)] * 2
      moved = [list(pair) for pair in np.swapaxes(old.particles, 0, 1)]
      first, _ = self._expected(params, noise, moved, xs[1:2], ys[1:2])
      last, _ = self._expected(params, noise, [start] * 2, xs[2:], ys[2:])
      self._assert_credited(
        estimate.grads, [(before, first.sum(1)), (noise, last.sum(1))]
      )

  @parameterized.parameters(False, True)
  def test_a_reset_within_a_segment_of_nres(self, is_affine):
    """It is the end of a segment, and the beginning of another."""
    with oracles.float64():
      cell, loss_fn, params, xs, ys = _quadratic(is_affine=is_affine)
      estimator = nf.estimators.nres(cell, loss_fn, num_pairs=2, sigma=_SIGMA)
      resets = jnp.array([False, False, True, False])
      run = functools.partial(
        nf.training.episode_gradient, estimator, params, jax.random.key(3)
      )
      whole = run(xs, ys, segment=4, resets=resets)
      halves = run(xs, ys, segment=2, resets=resets)
      oracles.assert_same_gradient(whole.grads, halves.grads)
      other = run(xs, ys, segment=2)
      self.assertFalse(np.allclose(whole.grads["cell"], other.grads["cell"]))


@jax.custom_jvp
def _hard(x):
  return jnp.sign(x)


@_hard.defjvp
def _hard_jvp(primals, tangents):
  raise AssertionError("differentiated")


class DerivativeTest(parameterized.TestCase):
  @parameterized.parameters(*_METHODS)
  def test_what_has_no_derivative_is_trained(self, method):
    """Signs for units, and for the loss the number of wrong answers."""
    with oracles.float64():
      step = lambda w, h_tm1, x_t: _hard(
        w @ jnp.concatenate([h_tm1, x_t, jnp.ones(1)])
      )
      cell = nf.Cell(None, lambda: jnp.zeros(6), step)

      def loss_fn(params, h_t, y_t):
        answer = jnp.argmax(params["readout"] @ h_t)
        return jnp.asarray(answer != y_t, h_t.dtype)

      rng = np.random.default_rng(0)
      params = {
        "cell": jnp.asarray(rng.normal(size=(6, 9)) / 3),
        "readout": jnp.asarray(rng.normal(size=(2, 6))),
      }
      xs = jnp.asarray(rng.normal(size=(80, 2)))
      ys = jnp.asarray((xs[:, 0] > 0).astype(np.int32))
      with self.assertRaisesRegex(AssertionError, "differentiated"):
        nf.training.exact_gradient(cell, loss_fn, params, xs, ys)
      estimator = _METHODS[method](cell, loss_fn, num_pairs=20, sigma=0.3)

      @jax.jit
      def train(params):
        def body(params, key):
          estimate = nf.training.episode_gradient(
            estimator, params, key, xs, ys, segment=20
          )
          params = jax.tree.map(
            lambda p, g: p - 0.02 * g, params, estimate.grads
          )
          return params, estimate.loss / len(xs)

        return jax.lax.scan(
          body, params, jax.random.split(jax.random.key(0), 60)
        )[1]

      errors = train(params)
      self.assertGreater(errors[0], 0.2)
      self.assertLess(errors[-10:].mean(), 0.5 * errors[0])


class SettingsTest(parameterized.TestCase):
  @parameterized.parameters(*_METHODS)
  def test_they_are_checked(self, method):
    cell = oracles.CELLS["vanilla"]()
    make = functools.partial(_METHODS[method], cell, oracles.make_loss(cell))
    for num_pairs in (0, -1, 2.5):
      with self.assertRaisesRegex(ValueError, "num_pairs to be a positive int"):
        make(num_pairs=num_pairs, sigma=1.0)
    for sigma in (0.0, -1.0, float("nan")):
      with self.assertRaisesRegex(ValueError, f"sigma > 0, got {sigma}"):
        make(num_pairs=1, sigma=sigma)


class NamesTest(absltest.TestCase):
  def test_es_single_is_noise_reuse(self):
    cell = oracles.CELLS["gru"]()
    loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
    episode, key = oracles.make_episode(4), jax.random.key(2)
    estimates = [
      nf.training.episode_gradient(
        make(cell, loss_fn, num_pairs=2, sigma=0.1),
        params,
        key,
        *episode,
        segment=1,
      )
      for make in (nf.estimators.nres, nf.estimators.es_single)
    ]
    chex.assert_trees_all_equal(*estimates)


if __name__ == "__main__":
  absltest.main()
