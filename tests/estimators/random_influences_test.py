"""Influences that are right on average: their formulas, limits and spread."""

import functools
import importlib
import itertools

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import flatten_util
from jax import numpy as jnp
from scipy import stats

import nnfun as nf
from nnfun.estimators import kronecker, signs
from tests import oracles

# The package has the function of this name.
kf_rtrl = importlib.import_module("nnfun.estimators.kf_rtrl")

_NUM_KEYS = 10_000

MAKE = {
  "uoro": nf.estimators.uoro,
  "kf_rtrl": nf.estimators.kf_rtrl,
  "ok_rtrl": functools.partial(nf.estimators.ok_rtrl, rank=1),
  "ktp_rtrl": functools.partial(nf.estimators.ktp_rtrl, rank=2),
}


def _problem(cell_name, num_steps, dtype=None):
  cell = oracles.CELLS[cell_name]()
  params = oracles.make_params(cell, dtype=dtype)
  return cell, oracles.make_loss(cell), params, oracles.make_episode(num_steps)


def _flat(tree):
  return flatten_util.ravel_pytree(tree)[0]


def _samples(estimator, params, xs, ys, *, segment=1, resets=None):
  """The cell's gradient for every key, [keys, P], summed no more in float32."""

  @jax.jit
  @jax.vmap
  def sample(key):
    estimate = nf.training.episode_gradient(
      estimator, params, key, xs, ys, segment=segment, resets=resets
    )
    return _flat(estimate.grads["cell"])

  keys = jax.random.split(jax.random.key(0), _NUM_KEYS)
  return np.asarray(sample(keys), np.float64)


def _largest_deviation(samples, exact, rounding=1e-12):
  """max over parameters of abs(mean - exact) / standard error, and its bound.

  By chance it is above the bound once in a million. What no key changes has
  but its rounding, relative to the largest entry.
  """
  spread = samples.std(0, ddof=1) / _NUM_KEYS**0.5
  error = np.abs(samples.mean(0) - exact)
  deviations = error / (spread + rounding * np.abs(exact).max())
  return deviations.max(), stats.norm.isf(1e-6 / 2 / exact.size)


def _variance(samples):
  """The variance of a gradient, and its standard error."""
  squares = np.sum((samples - samples.mean(0)) ** 2, 1)
  return squares.mean(), squares.std() / len(squares) ** 0.5


def _follow(estimator, params, xs, ys, num_steps):
  """The states before each step and after the last."""
  states = [estimator.init(params, jax.random.key(7))]
  update = jax.jit(estimator.update)
  for t in range(num_steps):
    step = xs[t : t + 1], ys[t : t + 1]
    states.append(update(params, states[-1], *step)[0])
  return states


def _one_step(cell, theta, state_tm1, x_t):
  """Phi [S, S] and I [S, ...] of a cell with one matrix, by reverse mode."""
  flat, unravel = flatten_util.ravel_pytree(state_tm1)
  step = lambda w, s: _flat(cell.step(w, unravel(s), x_t))
  immediate, transition = jax.jit(jax.jacrev(step, (0, 1)))(theta, flat)
  return np.asarray(transition), np.asarray(immediate)


def _whole(influence):
  """J [S, R, Z] of the factors of one matrix."""
  (factors,) = influence.factors
  if hasattr(factors, "lefts"):
    return np.einsum("sir,iz->srz", factors.lefts, factors.rights)
  return np.einsum("sr,z->srz", *_factors(influence))


def _factors(influence):
  """A [S, R] and u [Z] of one matrix."""
  (factors,) = influence.factors
  if hasattr(factors, "middle"):
    return np.asarray(factors.left.T @ factors.middle), factors.right
  return np.asarray(factors.left), np.asarray(factors.right)


def _root(numerator, denominator):
  """The rho of the papers; at zero what it multiplies is."""
  numerator, denominator = map(np.linalg.norm, (numerator, denominator))
  return (numerator / denominator) ** 0.5 if numerator * denominator else 1.0


@jax.custom_vjp
def _spike(v):
  return (v > 0).astype(v.dtype)


_spike.defvjp(
  lambda v: (_spike(v), v), lambda v, g: (g / (1 + jnp.abs(v)) ** 2,)
)


def _spiking():
  """A cell with no forward derivative."""
  cell = oracles.CELLS["vanilla"]()

  def step(params, h_tm1, x_t):
    wide = jnp.concatenate([h_tm1, x_t, jnp.ones_like(x_t[:1])])
    return 0.5 * h_tm1 + _spike(params @ wide)

  return nf.Cell(cell.init, cell.initial_state, step)


class FormulasTest(parameterized.TestCase):
  @parameterized.parameters("vanilla", "lstm", "spiking")
  def test_uoro(self, cell_name):
    with oracles.float64():
      cell = (
        _spiking() if cell_name == "spiking" else oracles.CELLS[cell_name]()
      )
      loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
      xs, ys = oracles.make_episode(4)
      estimator = nf.estimators.uoro(cell, loss_fn, rank=2)
      states = _follow(estimator, params, xs, ys, 4)
      for x_t, before, after in zip(xs, states, states[1:], strict=False):
        phi, immediate = _one_step(cell, params["cell"], before.cell, x_t)
        key, _, drawn = signs.draw(before.influence.key, before.influence.bits)
        for i, nu in enumerate(np.asarray(drawn)):
          s = phi @ np.asarray(before.influence.of_state[i])
          theta = np.asarray(before.influence.of_params[0][i])
          new = np.tensordot(nu, immediate, 1)
          rho_0, rho_1 = _root(theta, s), _root(new, nu)
          np.testing.assert_allclose(
            after.influence.of_state[i], rho_0 * s + rho_1 * nu, atol=1e-12
          )
          np.testing.assert_allclose(
            after.influence.of_params[0][i],
            theta / rho_0 + new / rho_1,
            atol=1e-12,
          )
        np.testing.assert_array_equal(
          *map(jax.random.key_data, (after.influence.key, key))
        )

  def test_uoro_over_a_segment_is_a_step_of_its_length(self):
    with oracles.float64():
      cell, loss_fn, params, (xs, ys) = _problem("vanilla", 6)
      estimator = nf.estimators.uoro(cell, loss_fn)
      before = estimator.init(params, jax.random.key(1))
      update = jax.jit(estimator.update)
      before, _ = update(params, before, xs[:3], ys[:3])
      after, _ = update(params, before, xs[3:], ys[3:])

      def run(theta, h):
        for x_t in xs[3:]:
          h = cell.step(theta, h, x_t)
        return h

      immediate, phi = jax.jacrev(run, (0, 1))(params["cell"], before.cell)
      drawn = signs.draw(before.influence.key, before.influence.bits)[2]
      nu = np.asarray(drawn)[0]
      s = np.asarray(phi @ before.influence.of_state[0])
      theta = np.asarray(before.influence.of_params[0][0])
      new = np.tensordot(nu, np.asarray(immediate), 1)
      rho_0, rho_1 = _root(theta, s), _root(new, nu)
      np.testing.assert_allclose(
        after.influence.of_state[0], rho_0 * s + rho_1 * nu, atol=1e-12
      )
      np.testing.assert_allclose(
        after.influence.of_params[0][0], theta / rho_0 + new / rho_1, atol=1e-12
      )

  @parameterized.product(
    name=("kf_rtrl", "ktp_rtrl"), cell_name=("vanilla", "lstm")
  )
  def test_kf_rtrl(self, name, cell_name):
    """KTP with as many rows as there are preactivations is the same."""
    with oracles.float64():
      cell, loss_fn, params, (xs, ys) = _problem(cell_name, 8)
      rank = {} if name == "kf_rtrl" else {"rank": 20}
      estimator = getattr(nf.estimators, name)(cell, loss_fn, **rank)
      states = _follow(estimator, params, xs, ys, 8)
      signs = set()
      for x_t, before, after in zip(xs, states, states[1:], strict=False):
        phi, immediate = _one_step(cell, params["cell"], before.cell, x_t)
        h_tm1 = nf.base.last_leaf(before.cell)
        z = np.concatenate([h_tm1, x_t, [1.0]])
        delta = immediate[:, :, -1]  # By the bias, whose z is 1.
        (left, u), found = map(_factors, (before.influence, after.influence))
        moved = phi @ left
        p_1, p_2 = _root(moved, u), _root(delta, z)
        rule = {
          c: (moved / p_1 + c * delta / p_2, p_1 * u + c * p_2 * z)
          for c in (1, -1)
        }
        sign = min(rule, key=lambda c: np.linalg.norm(rule[c][1] - found[1]))
        signs.add(sign)
        for actual, expected in zip(found, rule[sign], strict=True):
          np.testing.assert_allclose(actual, expected, atol=1e-12)
      self.assertLen(signs, 2)

  def test_signs_are_independent(self):
    """Within the bits of a draw, and across draws."""
    num_signs, num_words = 70, 2

    @jax.jit
    @jax.vmap
    def sample(key):
      def body(carry, _):
        *carry, drawn = signs.draw(*carry)
        return carry, drawn

      start = [key, signs.zeros((num_words,))]
      return jax.lax.scan(body, start, length=num_signs)[1]

    keys = jax.random.split(jax.random.key(0), _NUM_KEYS)
    found = np.asarray(sample(keys)).reshape(_NUM_KEYS, -1).astype(float)
    np.testing.assert_array_equal(np.abs(found), 1)
    # Means of products of two, and with the first column those of one.
    found = np.concatenate([np.ones((_NUM_KEYS, 1)), found], 1)
    products = np.triu(found.T @ found, 1) / _NUM_KEYS**0.5
    self.assertLess(np.abs(products).max(), stats.norm.isf(1e-6 / 20_000))

  @parameterized.parameters(*MAKE)
  def test_the_first_step(self, name):
    """From zero: the immediate gradient, and an influence that is finite."""
    with oracles.float64():
      cell, loss_fn, params, (xs, ys) = _problem("lstm", 3)
      estimator = MAKE[name](cell, loss_fn)
      state = estimator.init(params, jax.random.key(0))
      state, estimate = estimator.update(params, state, xs[:1], ys[:1])
      expected = oracles.truncated_gradients(
        cell, loss_fn, params, xs[:1], ys[:1], 1
      )
      oracles.assert_same_gradient(estimate.grads, expected[0])
      _, immediate = _one_step(
        cell, params["cell"], oracles.start(cell, params), xs[0]
      )
      if name in ("kf_rtrl", "ok_rtrl"):
        np.testing.assert_allclose(
          _whole(state.influence), immediate, atol=1e-12
        )
      chex.assert_tree_all_finite(_floating(state))


def _floating(tree):
  """The leaves which are numbers."""
  return [
    leaf
    for leaf in jax.tree.leaves(tree)
    if jnp.issubdtype(leaf.dtype, jnp.floating)
  ]


class LimitsTest(parameterized.TestCase):
  @parameterized.product(cell_name=("vanilla", "lstm"), segment=(1, 3))
  def test_as_many_products_as_features_are_exact(self, cell_name, segment):
    with oracles.float64():
      cell, loss_fn, params, (xs, ys) = _problem(cell_name, 12)
      estimator = nf.estimators.ok_rtrl(cell, loss_fn, rank=20)
      estimate = nf.training.episode_gradient(
        estimator, params, jax.random.key(0), xs, ys, segment=segment
      )
      _, expected = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
      oracles.assert_same_gradient(estimate.grads, expected)


class MeansTest(parameterized.TestCase):
  @parameterized.parameters(*MAKE)
  def test_segments_of_several_steps_of_an_lstm(self, name):
    with oracles.float64():
      cell, loss_fn, params, (xs, ys) = _problem("lstm", 6)
      samples = _samples(MAKE[name](cell, loss_fn), params, xs, ys, segment=2)
      _, exact = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
      deviation, bound = _largest_deviation(samples, _flat(exact["cell"]))
      self.assertLess(deviation, bound)

  @parameterized.parameters(("uoro", 3), *((name, 1) for name in MAKE))
  def test_after_a_reset(self, name, segment):
    """Between two segments, and within one."""
    with oracles.float64():
      cell, loss_fn, params, (xs, ys) = _problem("vanilla", 6)
      resets = jnp.arange(6) == 2
      samples = _samples(
        MAKE[name](cell, loss_fn),
        params,
        xs,
        ys,
        segment=segment,
        resets=resets,
      )
      exact = nf.training.exact_gradient(
        cell, loss_fn, params, xs, ys, resets=resets
      ).grads
      deviation, bound = _largest_deviation(samples, _flat(exact["cell"]))
      self.assertLess(deviation, bound)

  @parameterized.parameters(*MAKE)
  def test_saturated_units_in_float32(self, name):
    """D is 1e-10 or zero for some of them."""
    cell, loss_fn, params, (xs, ys) = _problem("vanilla", 4)
    params["cell"] = 10 * params["cell"]
    samples = _samples(MAKE[name](cell, loss_fn), params, xs, ys)
    _, exact = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
    exact = np.asarray(_flat(exact["cell"]), np.float64)
    deviation, bound = _largest_deviation(samples, exact, rounding=1e-6)
    self.assertLess(deviation, bound)

  @parameterized.parameters("no immediate influence", "no sign")
  def test_an_error_is_noticed(self, error):
    def step(sign, factors, transition, delta, z):
      if error == "no immediate influence":
        grown = kf_rtrl._step(sign, factors, transition, delta, z)
        is_first = ~jnp.any(factors.left)
        kept = factors._replace(left=transition @ factors.left)
        return jax.tree.map(lambda g, k: jnp.where(is_first, g, k), grown, kept)
      left = transition @ factors.left + delta
      return kf_rtrl.KFFactors(left, factors.right + z)

    with oracles.float64():
      cell, loss_fn, params, (xs, ys) = _problem("vanilla", 4)
      factors = kronecker.Factors(
        kf_rtrl._zeros, step, kf_rtrl._pull, kf_rtrl.SIGNS
      )
      broken = kronecker.from_factors(
        "broken", cell, loss_fn, factors, precision="highest"
      )
      samples = _samples(broken, params, xs, ys)
      _, exact = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
      deviation, bound = _largest_deviation(samples, _flat(exact["cell"]))
      self.assertGreater(deviation, bound)


class VarianceTest(parameterized.TestCase):
  def _of(self, make, **settings):
    cell, loss_fn, params, (xs, ys) = _problem("vanilla", 5)
    estimator = make(cell, loss_fn, **settings)
    return _variance(_samples(estimator, params, xs, ys))

  def test_the_mean_of_four_copies_has_a_quarter_of_the_variance(self):
    with oracles.float64():
      one, error_one = self._of(nf.estimators.uoro)
      four, error_four = self._of(nf.estimators.uoro, rank=4)
      # Of a quotient of two independent estimates, to first order.
      error = 4 * np.hypot(error_one / one, error_four / four)
      self.assertLess(error, 0.25)
      self.assertLess(abs(one / four - 4), 5 * error)

  @parameterized.parameters(
    (nf.estimators.ok_rtrl, (1, 2)), (nf.estimators.ktp_rtrl, (1, 3))
  )
  def test_falls_with_the_rank(self, make, ranks):
    with oracles.float64():
      found = [self._of(make, rank=rank) for rank in ranks]
      for (more, error), (less, _) in itertools.pairwise(found):
        self.assertLess(less, 0.8 * (more - 5 * error))

  @parameterized.parameters("vanilla", "lstm")
  def test_one_product_in_its_best_and_in_the_plain_way(self, cell_name):
    """After two steps J is random by one sign: any key shows the variance."""
    with oracles.float64():
      cell, loss_fn, params, (xs, ys) = _problem(cell_name, 2)
      exact, squares = 0.0, {}
      for name in ("kf_rtrl", "ok_rtrl"):
        estimator = MAKE[name](cell, loss_fn)
        states = _follow(estimator, params, xs, ys, 2)
        exact = 0.0
        for state, x_t in zip(states, xs, strict=False):
          phi, immediate = _one_step(cell, params["cell"], state.cell, x_t)
          exact = np.tensordot(phi, exact, 1) if np.ndim(exact) else 0.0
          exact = exact + immediate
        error = _whole(states[-1].influence) - exact
        squares[name] = np.sum(error**2)
      self.assertLess(squares["ok_rtrl"], 0.999 * squares["kf_rtrl"])
      self.assertGreater(squares["ok_rtrl"], 1e-6)


class StatesTest(parameterized.TestCase):
  @parameterized.parameters(*MAKE)
  def test_an_overflow_that_no_loss_looks_at(self, name):
    cell = oracles.CELLS["vanilla"]()
    plain_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
    loss_fn = lambda params, s, y: y[0] * plain_fn(params, s, y)
    estimator = MAKE[name](cell, loss_fn)
    state = estimator.init(params, jax.random.key(0))
    update = jax.jit(estimator.update)
    for value in (jnp.inf, jnp.nan):
      over = jax.tree.map(
        lambda leaf, v=value: (
          jnp.full_like(leaf, v)
          if jnp.issubdtype(leaf.dtype, jnp.floating)
          else leaf
        ),
        state.influence,
      )
      _, estimate = update(
        params,
        state._replace(influence=over),
        jnp.ones((1, oracles.NUM_INPUTS)),
        jnp.zeros((1, oracles.NUM_OUTPUTS)),
      )
      for leaf in jax.tree.leaves(estimate.grads):
        np.testing.assert_array_equal(leaf, jnp.zeros_like(leaf))

  @parameterized.parameters(*MAKE)
  def test_raw_keys_and_bfloat16(self, name):
    cell = oracles.CELLS["gru"]()
    params = oracles.make_params(cell, dtype=jnp.bfloat16)
    xs, ys = oracles.make_episode(4, dtype=jnp.bfloat16)
    estimator = MAKE[name](cell, oracles.make_loss(cell))
    update = jax.jit(estimator.update)
    state = estimator.init(params, jax.random.PRNGKey(0))
    same = estimator.init(params, jax.random.key(0))
    for t in range(4):
      piece = xs[t : t + 1], ys[t : t + 1]
      state, estimate = update(params, state, *piece)
      same, expected = update(params, same, *piece)
    chex.assert_tree_all_finite(_floating(state))
    chex.assert_trees_all_equal(estimate, expected)
    self.assertEqual(
      {leaf.dtype for leaf in _floating(state)}, {jnp.dtype(jnp.bfloat16)}
    )

  @parameterized.parameters(*MAKE)
  def test_derivatives_by_the_weight_of_the_loss(self, name):
    with oracles.float64():
      cell, _, params, (xs, ys) = _problem("vanilla", 4)

      def gradient(weight):
        loss_fn = lambda _, h_t, y_t: weight * jnp.sum(jnp.sin(h_t)) * y_t[0]
        grads = nf.training.episode_gradient(
          MAKE[name](cell, loss_fn),
          params,
          jax.random.key(0),
          xs,
          ys,
          segment=1,
        ).grads
        return _flat(grads["cell"])

      one = jnp.ones(())
      expected, tangent = jax.jit(lambda w: jax.jvp(gradient, (w,), (one,)))(
        one
      )
      np.testing.assert_allclose(tangent, expected, rtol=1e-9, atol=1e-12)
      reverse = jax.jit(jax.grad(lambda w: jnp.sum(gradient(w))))(one)
      np.testing.assert_allclose(reverse, jnp.sum(expected), rtol=1e-9)

  @parameterized.product(
    name=("kf_rtrl", "ok_rtrl", "ktp_rtrl"), cell_name=("stack", "elstm")
  )
  def test_a_cell_for_which_it_is_not_defined(self, name, cell_name):
    cell = oracles.CELLS[cell_name]()
    with self.assertRaisesRegex(
      ValueError, f"{name} is defined for an AffineCell.*got a"
    ):
      MAKE[name](cell, oracles.make_loss(cell))

  @parameterized.parameters(0, -1, 1.5)
  def test_a_rank_that_is_no_count(self, rank):
    cell = oracles.CELLS["vanilla"]()
    for name in ("uoro", "ok_rtrl", "ktp_rtrl"):
      make = getattr(nf.estimators, name)
      with self.assertRaisesRegex(ValueError, f"rank to be a .* got {rank}"):
        make(cell, oracles.make_loss(cell), rank=rank)


if __name__ == "__main__":
  absltest.main()
