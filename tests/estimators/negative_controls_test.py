"""The contract's own check: estimators with known errors must not pass it.

Each is an error found in public code of this field.
"""

import jax
from absl.testing import absltest, parameterized
from jax import flatten_util
from jax import numpy as jnp

import nnfun as nf
from tests import oracles

_NUM_STEPS = 12


def _flat(tree):
  return flatten_util.ravel_pytree(tree)[0]


def _derivatives(cell, params, states, xs):
  """I_t [S, P] and Phi_t [S, S] of each step."""
  theta, unravel = flatten_util.ravel_pytree(params)
  for s_tm1, x_t in zip(states, xs, strict=True):

    def step(theta, s, x_t=x_t):
      return cell.step(unravel(theta), s, x_t)

    yield jax.jacfwd(step, (0, 1))(theta, s_tm1)


def _pull(params, influence):
  _, unravel = flatten_util.ravel_pytree(params)
  return lambda cotangent: unravel(_flat(cotangent) @ influence)


def _dense_influence(cell):
  """J as one matrix [S, P], carried by J_t = Phi_t J_{t-1} + I_t."""

  def init(params, key):
    del key
    return jnp.zeros((_flat(cell.initial_state()).size, _flat(params).size))

  def advance(params, influence, states, xs, resets):
    assert resets is None
    influence_0 = influence
    for immediate, transition in _derivatives(cell, params, states, xs):
      influence = transition @ influence + immediate
    return influence, _pull(params, influence_0)

  return nf.Influence(init, advance)


def _dropped_boundary(cell, loss_fn):
  """The boundary term lambda J_0 is left out."""
  right = _dense_influence(cell)

  def advance(params, influence, states, xs, resets):
    influence, _ = right.advance(params, influence, states, xs, resets)
    return influence, lambda cotangent: jax.tree.map(jnp.zeros_like, params)

  return nf.estimators.from_influence(
    cell, loss_fn, right._replace(advance=advance)
  )


def _forward_order(cell, loss_fn):
  """Jacobians are multiplied in forward order, Phi_1 Phi_2 for Phi_2 Phi_1."""

  def init(params, key):
    del key
    size = _flat(cell.initial_state()).size
    shape = _NUM_STEPS, size
    return (
      jnp.zeros([], int),
      jnp.zeros((*shape, size)),
      jnp.zeros((*shape, _flat(params).size)),
    )

  def advance(params, influence, states, xs, resets):
    assert resets is None
    number, products, immediates = influence
    influence_0 = jnp.einsum("tij,tjp->ip", products, immediates)
    for immediate, transition in _derivatives(cell, params, states, xs):
      products = (products @ transition).at[number].set(jnp.eye(len(immediate)))
      immediates = immediates.at[number].set(immediate)
      number += 1
    return (number, products, immediates), _pull(params, influence_0)

  return nf.estimators.from_influence(
    cell, loss_fn, nf.Influence(init, advance)
  )


def _zero_readout(cell, loss_fn):
  """The cell's gradient is right and the readout's is 0."""
  right = nf.estimators.rtrl(cell, loss_fn)

  def update(params, state, xs, ys):
    state, estimate = right.update(params, state, xs, ys)
    zeros = jax.tree.map(jnp.zeros_like, estimate.grads["readout"])
    grads = {**estimate.grads, "readout": zeros}
    return state, estimate._replace(grads=grads)

  return right._replace(update=update)


def _shifted_time(cell, loss_fn):
  """The influence is advanced with the input of the step before."""
  right = _dense_influence(cell)

  def advance(params, influence, states, xs, resets):
    carried, previous = influence
    carried, pull = right.advance(
      params,
      carried,
      states,
      jnp.concatenate([previous[None], xs[:-1]]),
      resets,
    )
    return (carried, xs[-1]), pull

  def init(params, key):
    dtype = jax.tree.leaves(params)[0].dtype
    return right.init(params, key), jnp.zeros(oracles.NUM_INPUTS, dtype)

  return nf.estimators.from_influence(
    cell, loss_fn, nf.Influence(init, advance)
  )


def _diagonal_passed_off_as_exact(cell, loss_fn):
  """The influence keeps only the diagonal of each d s_t / d s_tm1."""

  def step(params, s_tm1, x_t):
    # Unit i alone is allowed to feel its own past: the sum below has the value
    # of the true step and the diagonal of its Jacobian.
    frozen = jax.lax.stop_gradient(s_tm1)
    own = jnp.where(jnp.eye(s_tm1.size, dtype=bool), s_tm1, frozen)
    states = jax.vmap(lambda s: cell.step(params, s, x_t))(own)
    return jnp.diagonal(states)

  broken = nf.Cell(cell.init, cell.initial_state, step)
  return nf.estimators.from_influence(cell, loss_fn, _dense_influence(broken))


def _trace_stays_zero(cell, loss_fn):
  """The influence is never written back into the state."""
  right = _dense_influence(cell)

  def advance(params, influence, states, xs, resets):
    _, pull = right.advance(params, influence, states, xs, resets)
    return influence, pull

  return nf.estimators.from_influence(
    cell, loss_fn, nf.Influence(right.init, advance)
  )


BROKEN = {
  "dropped_boundary": _dropped_boundary,
  "forward_order": _forward_order,
  "zero_readout": _zero_readout,
  "shifted_time": _shifted_time,
  "diagonal": _diagonal_passed_off_as_exact,
  "trace_stays_zero": _trace_stays_zero,
}


class NegativeControlsTest(parameterized.TestCase):
  def _compare(self, make_estimator):
    with oracles.float64():
      cell = oracles.CELLS["vanilla"]()
      loss_fn = oracles.make_loss(cell)
      params = oracles.make_params(cell)
      xs, ys = oracles.make_episode(_NUM_STEPS)
      _, grads = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
      for segment in (1, 3):
        estimate = nf.training.episode_gradient(
          make_estimator(cell, loss_fn),
          params,
          jax.random.key(0),
          xs,
          ys,
          segment=segment,
        )
        oracles.assert_same_gradient(estimate.grads, grads)

  @parameterized.named_parameters(BROKEN.items())
  def test_the_contract_notices(self, make_broken):
    with self.assertRaisesRegex(AssertionError, "relative error"):
      self._compare(make_broken)

  def test_the_order_of_one_jacobian_is_right(self):
    # The control has no other error: over two steps there is one Jacobian.
    with oracles.float64():
      cell = oracles.CELLS["vanilla"]()
      loss_fn = oracles.make_loss(cell)
      params = oracles.make_params(cell)
      xs, ys = oracles.make_episode(2)
      _, grads = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
      estimator = _forward_order(cell, loss_fn)
      estimate = nf.training.episode_gradient(
        estimator, params, jax.random.key(0), xs, ys, segment=1
      )
      oracles.assert_same_gradient(estimate.grads, grads)

  def test_the_contract_passes_the_right_ones(self):
    self._compare(nf.estimators.rtrl)
    self._compare(
      lambda cell, loss_fn: nf.estimators.from_influence(
        cell, loss_fn, _dense_influence(cell)
      )
    )


if __name__ == "__main__":
  absltest.main()
