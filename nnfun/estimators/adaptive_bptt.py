"""Rolling backpropagation through time whose window follows what it finds."""

from typing import NamedTuple

import jax
import optax
from jax import flatten_util
from jax import numpy as jnp

from nnfun import base, loops, numerics
from nnfun.estimators import checks, linearisation, segment
from nnfun.estimators import tape as tape_lib


class Decay(NamedTuple):
  """Running means over measurements, by lag, with the weights they are over."""

  norms: base.Array  # of |d loss_t / d s_{t-k}|, times the weight  [W]
  cotangents: base.Array  # of d loss_t / d s_{t-k} itself, likewise  [W, S]
  weights: base.Array  # 0 for a lag that was never reached  [W]


class AdaptiveState(NamedTuple):
  """Where a stream stands between two segments."""

  cell: base.State
  tape: tape_lib.Tape  # the last steps, a ring with room for W
  decay: Decay
  window: base.Array  # K, an integer  []
  clock: base.Array  # steps since the last measurement  []


def adaptive_bptt(
  cell: base.Cell,
  loss_fn: base.LossFn,
  *,
  tolerance: float,
  max_window: int = 64,
  measure_every: int = 16,
  decay: float = 0.9,
  precision: str | None = "highest",
) -> base.GradientEstimator:
  """Backpropagates each loss through as many steps as the decay asks for.

  Once in `measure_every` steps the cotangent goes back through all W steps that
  are kept, which gives phi_k = |d loss_t / d s_{t-k}|. With running means of
  phi, tau half of what was reached, and beta the rate at which phi decays
  beyond it (log phi fitted by least squares), what a window K leaves out is at
  most

    E(K) = sum_{k=K}^{tau-1} phi_k + phi_tau beta^{max(K - tau, 0)} / (1 - beta)

  times a bound of |I|, and relative to the gradient at most

    E(K) / max_J (c_J - E(J)),  c_J = |sum_{k<J} mean of d loss_t / d s_{t-k}|

  The window is the smallest K for which that is below the tolerance, and W if
  there is none, if beta >= 1, or if fewer than 4 lags were reached. c_J is the
  norm of a mean and not the mean of norms, as the bias is one of means: where
  errors change their sign from step to step it is small, and K large. All
  losses are credited to K steps, those at measurements too, as `rolling_bptt`
  does. With tolerance 0 it is `rolling_bptt` with the window W.

  At a reset all of that begins again, with K = W. A step costs W products of
  S^2 when it measures and else K on a CPU (on an accelerator W are made and not
  used), and the K steps' shares of the gradient. The state takes W entries of
  `linearisation.blank` and W (S + 2) numbers.

  Args:
    cell: any cell.
    loss_fn: the loss of one step.
    tolerance: of the relative bias, not negative.
    max_window: W, the longest window.
    measure_every: steps from one measurement to the next.
    decay: what weight a running mean keeps at each measurement, in [0, 1).
    precision: of products, see `rtrl`.

  Returns:
    The estimator; K is `state.window`.

  Raises:
    ValueError: if a setting is out of range.

  References:
    Aicher, Foti, Fox, Adaptively truncating backpropagation through time to
    control gradient bias, 2019, https://arxiv.org/abs/1905.07473 (their means
    are over a batch; their code has phi_tau twice in E(K) below tau)
  """
  checks.check_is_cell(cell)
  base.check_count("max_window", max_window)
  base.check_count("measure_every", measure_every)
  if not tolerance >= 0:
    raise ValueError(f"expected tolerance >= 0, got {tolerance}")
  if not 0 <= decay < 1:
    raise ValueError(f"expected 0 <= decay < 1, got {decay}")

  def init(params, key):
    del key
    theta = params["cell"]
    state = base.initial_state(cell, theta)
    flat, _ = flatten_util.ravel_pytree(state)
    return AdaptiveState(
      state,
      tape_lib.empty(linearisation.blank(cell, theta), max_window),
      Decay(
        jnp.zeros(max_window, flat.dtype),
        jnp.zeros((max_window, flat.size), flat.dtype),
        jnp.zeros(max_window, flat.dtype),
      ),
      jnp.full([], max_window, jnp.int32),
      jnp.zeros([], jnp.int32),
    )

  def restart(state, start, reset_t):
    """The state, or that of `init` where an episode begins."""
    fresh = state._replace(
      cell=start,
      tape=None,
      decay=jax.tree.map(jnp.zeros_like, state.decay),
      window=jnp.full_like(state.window, max_window),
      clock=jnp.zeros_like(state.clock),
    )
    tape = tape_lib.forget(state.tape, reset_t)
    state = jax.tree.map(
      lambda new, old: jnp.where(reset_t, new, old),
      fresh,
      state._replace(tape=None),
    )
    return state._replace(tape=tape)

  def step_back(params, state, tape, flat, contract):
    """The cell's gradient, and the state with what was measured."""
    clock = state.clock + 1
    measures = clock >= measure_every
    count = jnp.where(
      measures, tape.count, jnp.minimum(tape.count, state.window)
    )
    _, kept, used = tape_lib.go_back(
      tape._replace(count=count), flat, wraps=True
    )

    def measure(found):
      by_lag = [jnp.roll(x, -tape.position, 0)[::-1] for x in (kept, used)]
      mean = _update(found[0], *by_lag, decay)
      return mean, _window(mean, tolerance)

    mean, window = loops.when(
      measures, measure, (state.decay, state.window), is_cheap=True
    )
    lags = (tape.position - 1 - jnp.arange(len(used))) % len(used)
    used &= lags < window
    kept = jnp.where(used[:, None], kept, 0)
    grads = contract(tape.entries, kept, used)
    clock = jnp.where(measures, 0, clock).astype(jnp.int32)
    state = state._replace(decay=mean, window=window, clock=clock)
    return jax.tree.structure(params).unflatten(grads), state

  def update(params, state, xs, ys, resets):
    theta = params["cell"]
    start = None if resets is None else base.initial_state(cell, theta)

    def body(carry, step):
      state, total = carry
      x_t, y_t, reset_t = step
      if reset_t is not None:
        state = restart(state, start, reset_t)
      before = jax.tree.map(lambda leaf: leaf[None], (state.cell, x_t))
      entries, contract = linearisation.linearise(cell, theta, *before)
      _, tape = tape_lib.write(state.tape, entries)
      state_t = base.step(cell, theta, state.cell, x_t)
      loss, (direct, cotangent) = jax.value_and_grad(
        lambda *args: checks.checked_loss(loss_fn, *args, y_t), (0, 1)
      )(params, state_t)
      flat = flatten_util.ravel_pytree(cotangent)[0]
      through, state = step_back(theta, state, tape, flat, contract)
      through = jax.tree.map(jnp.add, direct["cell"], through)
      total = jax.tree.map(jnp.add, total, {**direct, "cell": through})
      # Room for the next.
      tape = tape._replace(
        position=tape.position % max_window,
        count=jnp.minimum(tape.count, max_window - 1),
      )
      return (state._replace(cell=state_t, tape=tape), total), (
        numerics.widen(loss)
      )

    zeros = jax.tree.map(lambda p: jnp.zeros_like(numerics.widen(p)), params)
    (state, grads), losses = loops.scan(body, (state, zeros), (xs, ys, resets))
    grads = optax.tree.cast_like(grads, params)
    return state, base.Estimate(jnp.sum(losses), grads)

  return segment.estimator(init, update, precision=precision)


def _update(old, cotangents, used, decay):
  """Takes a measurement by lag, [W, S] and which were reached [W], in."""
  used = used.astype(old.norms.dtype)
  squares = jnp.sum(numerics.widen(cotangents) ** 2, 1)
  new = Decay(jnp.sqrt(squares).astype(used.dtype), cotangents, used)

  # A lag that was not reached keeps its mean, and its weight.
  def mix(old, new):
    reached = used.reshape(-1, *(1,) * (new.ndim - 1)) > 0
    return jnp.where(reached, decay * old + (1 - decay) * new, old)

  return jax.tree.map(mix, old, new)


def _window(decay, tolerance):
  """The smallest window of a relative bias below the tolerance, or W."""
  reached = decay.weights > 0
  weights = jnp.where(reached, decay.weights, 1)
  phi = numerics.widen(jnp.where(reached, decay.norms / weights, 0))
  means = numerics.widen(decay.cotangents / weights[:, None])
  lags = jnp.arange(len(phi))
  num_lags = jnp.sum(reached)
  tau = num_lags // 2

  is_fitted = reached & (lags >= tau) & (phi > 0)
  num_fitted = jnp.sum(is_fitted)
  x = jnp.where(is_fitted, lags, 0).astype(phi.dtype)
  y = jnp.log(jnp.where(is_fitted, phi, 1))
  size = jnp.maximum(num_fitted, 1).astype(phi.dtype)
  x = jnp.where(is_fitted, x - jnp.sum(x) / size, 0)
  spread = jnp.sum(x**2)
  slope = jnp.sum(x * y) / jnp.where(spread > 0, spread, 1)
  # Where nothing is left beyond tau there is nothing to fit: it has decayed.
  beta = jnp.where(num_fitted > 1, jnp.exp(slope), 0)

  windows = lags + 1  # K, and J
  head = jnp.where(lags < tau, phi, 0)
  later = jnp.cumsum(head[::-1])[::-1] - head  # sum_{k=K}^{tau-1} phi_k
  tail = jnp.sum(jnp.where(lags == tau, phi, 0)) / jnp.where(
    beta < 1, 1 - beta, 1
  )
  beyond = jnp.maximum(windows - tau, 0).astype(beta.dtype)
  left_out = later + tail * beta**beyond
  sums = jnp.linalg.norm(jnp.cumsum(means, 0), axis=1)
  least = jnp.max(jnp.where(reached, sums - left_out, 0))
  fits = (left_out < tolerance * least) & (beta < 1) & (num_lags >= 4)
  first = jnp.argmax(fits) + 1
  return jnp.where(jnp.any(fits), first, len(phi)).astype(jnp.int32)
