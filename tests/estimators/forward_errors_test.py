"""Errors carried forward: exact where nothing is forgotten, and how not."""

import functools

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

import nnfun as nf
from tests import oracles

_NUM_STEPS = 8


def _problem(name):
  """Cells that hardly forget: the theory's case."""
  cell = oracles.CELLS[name]()
  params = oracles.make_params(cell)
  rng = np.random.default_rng(3)
  if name == "lru":
    radii = rng.uniform(0.9, 0.999, oracles.NUM_UNITS)
    params["cell"]["nu"] = jnp.asarray(np.log(-np.log(radii)))
  if name in ("vanilla", "linear"):
    # An orthogonal matrix, and inputs so small that tanh is nearly linear.
    size = oracles.NUM_UNITS
    w = np.array(params["cell"])
    w[:, :size] = np.linalg.qr(rng.normal(size=(size, size)))[0]
    w[:, size:] *= 0.1
    params["cell"] = jnp.asarray(w)
  return cell, oracles.make_loss(cell), params


def _naive_errors(cell, loss_fn, params, xs, ys):
  """The paper's two passes in dense matrices: delta'_0 = 0, then delta_0.

  delta_{t+1} = (delta_t - d loss_t / d s_t) Phi_{t+1}^-1, with rows.
  """
  flat_fn, _ = nf.vectors.flat_step(cell, cell.initial_state())
  unravel = jax.flatten_util.ravel_pytree(oracles.start(cell, params))[1]
  loss_of = lambda params, flat, y_t: loss_fn(params, unravel(flat), y_t)
  jacobian = jax.jit(jax.jacfwd(flat_fn, 1))
  slope = jax.jit(jax.grad(loss_of, 1))
  flat = jax.flatten_util.ravel_pytree(oracles.start(cell, params))[0]
  states, phis, slopes = [flat], [], [np.zeros(flat.size)]
  for x_t, y_t in zip(xs, ys, strict=True):
    phis.append(np.asarray(jacobian(params["cell"], states[-1], x_t)))
    states.append(flat_fn(params["cell"], states[-1], x_t))
    slopes.append(np.asarray(slope(params, states[-1], y_t)))

  def forward(delta):
    deltas = [delta]
    for phi, own in zip(phis, slopes, strict=False):
      deltas.append(np.linalg.solve(phi.T, deltas[-1] - own))
    return deltas

  product = np.linalg.multi_dot(phis[::-1])
  # Of the last step delta is its own loss's; what differs came from the start.
  first = (slopes[-1] - forward(np.zeros(flat.size))[-1]) @ product
  deltas = forward(first)
  total = jax.tree.map(jnp.zeros_like, params)
  for t, (x_t, y_t) in enumerate(zip(xs, ys, strict=True)):
    direct = jax.grad(loss_of)(params, states[t + 1], y_t)
    _, pull = jax.vjp(
      lambda theta, t=t, x_t=x_t: flat_fn(theta, states[t], x_t),
      params["cell"],
    )
    through = pull(jnp.asarray(deltas[t + 1]))[0]
    cell_part = jax.tree.map(jnp.add, direct["cell"], through)
    total = jax.tree.map(jnp.add, total, {**direct, "cell": cell_part})
  return total


def _estimate(cell, loss_fn, params, xs, ys, resets=None, segment=None):
  gradient = functools.partial(
    nf.training.episode_gradient,
    nf.estimators.forward_errors(cell, loss_fn),
    segment=segment or len(xs),
    resets=resets,
  )
  return jax.jit(gradient)(params, jax.random.key(0), xs, ys)


class ExactTest(parameterized.TestCase):
  @parameterized.parameters("lru", "elstm", "vanilla", "gru")
  def test_of_one_segment_it_is_the_gradient(self, name):
    with oracles.float64():
      cell, loss_fn, params = _problem(name)
      xs, ys = oracles.make_episode(_NUM_STEPS)
      loss, exact = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
      estimate = _estimate(cell, loss_fn, params, xs, ys)
      np.testing.assert_allclose(estimate.loss, loss, rtol=1e-12)
      oracles.assert_same_gradient(estimate.grads, exact)

  @parameterized.parameters("lru", "linear")
  def test_the_two_passes_of_the_paper(self, name):
    """The first finds the same beginning without an inverse here."""
    with oracles.float64():
      cell, loss_fn, params = _problem(name)
      xs, ys = oracles.make_episode(_NUM_STEPS)
      expected = _naive_errors(cell, loss_fn, params, xs, ys)
      estimate = _estimate(cell, loss_fn, params, xs, ys)
      oracles.assert_same_gradient(estimate.grads, expected)

  def test_of_several_it_is_truncated(self):
    with oracles.float64():
      cell, loss_fn, params = _problem("vanilla")
      xs, ys = oracles.make_episode(_NUM_STEPS)
      pieces = oracles.truncated_gradients(cell, loss_fn, params, xs, ys, 4)
      expected = jax.tree.map(lambda *g: sum(g), *pieces)
      actual = _estimate(cell, loss_fn, params, xs, ys, segment=4).grads
      oracles.assert_same_gradient(actual, expected)
      _, exact = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
      difference = jax.tree.map(jnp.subtract, actual, exact)
      norm = nf.numerics.global_norm
      self.assertGreater(norm(difference), 0.1 * norm(exact))

  @parameterized.product(
    name=("lru", "vanilla"), places=((2, 3, 6), (0, 7), (4,), ())
  )
  def test_episodes_within_a_segment(self, name, places):
    """Each begins with an error of its own; one has a single step."""
    with oracles.float64():
      cell, loss_fn, params = _problem(name)
      xs, ys = oracles.make_episode(_NUM_STEPS)
      resets = np.zeros(_NUM_STEPS, bool)
      resets[list(places)] = True
      cuts = [0, *(p for p in places if p), _NUM_STEPS]
      pieces = [slice(*pair) for pair in zip(cuts[:-1], cuts[1:], strict=True)]
      grads = [
        oracles.whole_gradient(cell, loss_fn, params, xs[p], ys[p])[1]
        for p in pieces
      ]
      expected = jax.tree.map(lambda *g: sum(g), *grads)
      actual = _estimate(cell, loss_fn, params, xs, ys, jnp.asarray(resets))
      oracles.assert_same_gradient(actual.grads, expected)


class ErrorTest(parameterized.TestCase):
  @parameterized.parameters(0.5, 0.7)
  def test_rounding_grows_as_the_network_forgets(self, radius):
    """As eps / r^T, in the mean of five seeds.

    e_0 is about r / (1 - r) times a slope, its rounding grows to r^-T times
    that and reaches the last 1 / (1 - r) influences, and the gradient is about
    T / (1 - r) times a slope: together eps r^-T r / ((1 - r) T), relatively.
    """
    with oracles.float64():
      cell = oracles.CELLS["lru"]()
      loss_fn = oracles.make_loss(cell)
      lengths = np.array([15, 25, 35])

      def error(seed, num_steps):
        params = oracles.make_params(cell, seed)
        params["cell"]["nu"] = jnp.full(4, np.log(-np.log(radius)))
        xs, ys = oracles.make_episode(num_steps, seed=seed + 10)
        actual = estimate[num_steps](params, jax.random.key(0), xs, ys).grads
        exact = reference[num_steps](params, xs=xs, ys=ys).grads
        difference = jax.tree.map(jnp.subtract, actual, exact)
        norm = nf.numerics.global_norm
        return float(norm(difference) / norm(exact))

      estimate, reference = {}, {}
      for num_steps in lengths:
        estimate[num_steps] = jax.jit(
          functools.partial(
            nf.training.episode_gradient,
            nf.estimators.forward_errors(cell, loss_fn),
            segment=int(num_steps),
          )
        )
        reference[num_steps] = jax.jit(
          functools.partial(nf.training.exact_gradient, cell, loss_fn)
        )
      logs = np.array(
        [np.mean([np.log(error(s, n)) for s in range(5)]) for n in lengths]
      )
      eps = np.finfo(float).eps
      theory = np.log(eps * radius / (1 - radius) / lengths)
      theory -= lengths * np.log(radius)
      np.testing.assert_allclose(logs, theory, atol=np.log(10))
      growth = np.polyfit(lengths, logs, 1)[0] / -np.log(radius)
      self.assertAlmostEqual(growth, 1, delta=0.25)

  def test_what_has_no_inverse_has_no_result(self):
    """A unit that does not remember at all."""
    cell = nf.cells.linear(num_inputs=1, num_units=2)
    loss_fn = lambda params, h_t, y_t: params["readout"] @ h_t
    params = {
      "cell": jnp.array([[0.9, 0, 1, 0], [0, 0, 1.0, 0]]),
      "readout": jnp.ones(2),
    }
    estimate = _estimate(
      cell, loss_fn, params, jnp.ones((4, 1)), jnp.zeros((4, 1))
    )
    self.assertFalse(bool(jnp.all(jnp.isfinite(estimate.grads["cell"]))))

  @parameterized.parameters("lru", "vanilla")
  def test_memory_does_not_grow_with_the_segment(self, name):
    cell = oracles.CELLS[name]()
    loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)

    def temporary_bytes(make, num_steps):
      estimator = make(cell, loss_fn)
      state = estimator.init(params, jax.random.key(0))
      episode = oracles.make_episode(num_steps)
      lowered = jax.jit(estimator.update).lower(params, state, *episode)
      return lowered.compile().memory_analysis().temp_size_in_bytes

    make = nf.estimators.forward_errors
    grown = temporary_bytes(make, 1024) - temporary_bytes(make, 16)
    # The losses of the steps, and no more.
    self.assertLessEqual(grown, 2 * 4 * 1024)
    bptt = nf.estimators.truncated_bptt
    self.assertGreater(
      temporary_bytes(bptt, 1024) - temporary_bytes(bptt, 16), 4 * grown
    )


if __name__ == "__main__":
  absltest.main()
