"""Evolution strategies: gradients from differences of losses alone.

N pairs of particles run beside the network, at theta + eps_i and theta - eps_i
with eps_i ~ N(0, sigma^2) over all parameters, of cell and readout. Nothing is
differentiated, so neither a cell nor a loss needs a derivative.
"""

import jax
from jax import numpy as jnp

from nnfun import base, loops, numerics
from nnfun.estimators import particles, segment


def pes(
  cell: base.Cell,
  loss_fn: base.LossFn,
  *,
  num_pairs: int,
  sigma: float,
  precision: str | None = "highest",
) -> base.GradientEstimator:
  """Persistent evolution strategies: fresh noise each segment, summed up.

    g = 1 / (2 sigma^2 N) sum_i xi_i (L_i^+ - L_i^-),  xi_i = sum_segments eps_i

  with L_i^+ and L_i^- the losses of a pair in this segment, whose states are
  carried on, and the sum taken over the segments since the episode began. Its
  mean is the gradient of the loss smoothed by the noise, which is that of the
  loss itself where the loss is quadratic in the parameters, and otherwise but
  for terms of sigma^2. The variance grows with the number of segments.

  A step costs 2 N + 1 forward steps, a segment N P random numbers and a pass
  over them, P the number of parameters. The state has the particles, 2 N S
  numbers, and xi, N P; while a segment runs, 3 N P more. No step is remembered.

  At a reset within a segment all particles start again, and xi with this
  segment's eps; losses before it are credited to what was summed up till then.

  Args:
    cell: any cell; its step need not have a derivative.
    loss_fn: the loss of one step; nor need this.
    num_pairs: N.
    sigma: the standard deviation of the noise, well above the rounding of the
      parameters (in bfloat16 a hundredth of their size).
    precision: of products, see `rtrl`.

  Returns:
    The estimator; its loss is that of the network without noise.

  Raises:
    ValueError: if N is not a positive integer or sigma not positive.

  References:
    Vicol, Metz, Sohl-Dickstein, Unbiased gradient estimation in unrolled
    computation graphs with persistent evolution strategies, 2021,
    https://arxiv.org/abs/2112.13835
  """
  particles.check(num_pairs, sigma)
  init = particles.init_fn(cell, num_pairs, carries=True)

  def update(params, state, xs, ys, resets):
    key, key_noise = jax.random.split(state.key)
    noise = particles.draw(key_noise, cell, params, num_pairs, sigma)
    total = jax.tree.map(jnp.add, state.noise, noise)
    carry, losses, gaps = particles.run(
      cell, loss_fn, params, noise, state[:2], xs, ys, resets
    )
    if resets is None:
      grads = particles.credit(cell, total, jnp.sum(gaps, 0), sigma)
    else:
      is_after = (jnp.cumsum(resets) > 0)[:, None]
      split = [jnp.where(w, gaps, 0).sum(0) for w in (~is_after, is_after)]
      before = particles.credit(cell, total, split[0], sigma)
      after = particles.credit(cell, noise, split[1], sigma)
      grads = jax.tree.map(jnp.add, before, after)
      total = jax.tree.map(
        lambda new, old: jnp.where(is_after[-1, 0], new, old), noise, total
      )
    estimate = particles.estimate(losses, grads, params)
    return particles.ParticlesState(*carry, total, None, key), estimate

  return segment.estimator(init, update, precision=precision)


def nres(
  cell: base.Cell,
  loss_fn: base.LossFn,
  *,
  num_pairs: int,
  sigma: float,
  precision: str | None = "highest",
) -> base.GradientEstimator:
  """Noise-reuse evolution strategies: the same noise for a whole episode.

    g = 1 / (2 sigma^2 N) sum_i eps_i (L_i^+ - L_i^-)

  with the states of the pairs carried on. The mean is that of `pes`. The
  variance is less, the more so the more segments there are, where a loss
  depends on the steps just before it; where each depends alike on all of them
  there is little between the two.

  A step costs 2 N + 1 forward steps, a segment a pass over N P numbers, P the
  number of parameters. The state has the particles, 2 N S numbers, and the
  noise itself, N P: a segment needs it laid out in any case, and drawing it
  from its key again would cost more than a short segment does. It is drawn by
  the first update of an episode.

  At a reset within a segment all particles start again, with noise drawn anew;
  losses before it are credited to the old. Where resets are given the pass over
  the noise is made at every step.

  Args:
    cell: any cell; its step need not have a derivative.
    loss_fn: the loss of one step; nor need this.
    num_pairs: N.
    sigma: the standard deviation of the noise, well above the rounding of the
      parameters (in bfloat16 a hundredth of their size).
    precision: of products, see `rtrl`.

  Returns:
    The estimator; its loss is that of the network without noise.

  Raises:
    ValueError: if N is not a positive integer or sigma not positive.

  References:
    Li, Harrison, Sohl-Dickstein, Smith, Metz, Variance-reduced gradient
    estimation via noise-reuse in online evolution strategies, 2023,
    https://arxiv.org/abs/2304.12180
  """
  particles.check(num_pairs, sigma)
  init = particles.init_fn(cell, num_pairs, carries=True, reuses=True)

  def update(params, state, xs, ys, resets):
    def renew(drawn):
      key, key_noise = jax.random.split(drawn[0])
      return key, particles.draw(key_noise, cell, params, num_pairs, sigma)

    is_old, drawn = jnp.zeros_like(state.is_new), (state.key, state.noise)
    if resets is None:
      key, noise = loops.when(state.is_new, renew, drawn, is_cheap=True)
      carry, losses, gaps = particles.run(
        cell, loss_fn, params, noise, state[:2], xs, ys, None
      )
      grads = particles.credit(cell, noise, jnp.sum(gaps, 0), sigma)
    else:

      def body(carry, step):
        drawn, runs, grads = carry
        is_first, step = step
        drawn = loops.when(is_first, renew, drawn, is_cheap=True)
        step = jax.tree.map(lambda leaf: leaf[None], step)
        runs, loss, gap = particles.run(
          cell, loss_fn, params, drawn[1], runs, *step
        )
        credit = particles.credit(cell, drawn[1], gap[0], sigma)
        grads = jax.tree.map(lambda g, c: g + c.astype(g.dtype), grads, credit)
        return (drawn, runs, grads), loss[0]

      firsts = resets.at[0].set(resets[0] | state.is_new)
      zeros = jax.tree.map(lambda p: jnp.zeros_like(numerics.widen(p)), params)
      ((key, noise), carry, grads), losses = loops.scan(
        body, (drawn, state[:2], zeros), (firsts, (xs, ys, resets))
      )
    estimate = particles.estimate(losses, grads, params)
    return particles.ParticlesState(*carry, noise, is_old, key), estimate

  return segment.estimator(init, update, precision=precision)


def es_single(
  cell: base.Cell,
  loss_fn: base.LossFn,
  *,
  num_pairs: int,
  sigma: float,
  precision: str | None = "highest",
) -> base.GradientEstimator:
  """ES-Single: one noise for each pair and episode.

  Found at the same time as noise-reuse evolution strategies, with the same
  estimate: it is `nres` by the name of its other authors, who let all pairs
  begin an episode together.

  Args:
    cell: any cell; its step need not have a derivative.
    loss_fn: the loss of one step; nor need this.
    num_pairs: N.
    sigma: the standard deviation of the noise, well above the rounding of the
      parameters (in bfloat16 a hundredth of their size).
    precision: of products, see `rtrl`.

  Returns:
    The estimator `nres`.

  Raises:
    ValueError: if N is not a positive integer or sigma not positive.

  References:
    Vicol, Kolter, Swersky, Low-variance gradient estimation in unrolled
    computation graphs with ES-Single, 2023, https://arxiv.org/abs/2304.11153
  """
  return nres(
    cell, loss_fn, num_pairs=num_pairs, sigma=sigma, precision=precision
  )


def truncated_es(
  cell: base.Cell,
  loss_fn: base.LossFn,
  *,
  num_pairs: int,
  sigma: float,
  precision: str | None = "highest",
) -> base.GradientEstimator:
  """Evolution strategies in every single segment: truncated, hence biased.

    g = 1 / (2 sigma^2 N) sum_i eps_i (L_i^+ - L_i^-)

  with fresh noise each segment, in which all particles start from the state of
  the network itself. Its mean is what `truncated_bptt` computes, of the loss
  smoothed by the noise: how the parameters reached the segment's first state is
  not seen.

  A step costs 2 N + 1 forward steps, a segment N P random numbers and a pass
  over them, P the number of parameters. The state is that of the network; while
  a segment runs there are 3 N P + 2 N S numbers more.

  Args:
    cell: any cell; its step need not have a derivative.
    loss_fn: the loss of one step; nor need this.
    num_pairs: N.
    sigma: the standard deviation of the noise, well above the rounding of the
      parameters (in bfloat16 a hundredth of their size).
    precision: of products, see `rtrl`.

  Returns:
    The estimator; its loss is that of the network without noise.

  Raises:
    ValueError: if N is not a positive integer or sigma not positive.

  References:
    Metz, Maheswaranathan, Nixon, Freeman, Sohl-Dickstein, Understanding and
    correcting pathologies in the training of learned optimizers, 2019,
    https://arxiv.org/abs/1810.10180 (truncations)
  """
  particles.check(num_pairs, sigma)
  init = particles.init_fn(cell, num_pairs)

  def update(params, state, xs, ys, resets):
    key, key_noise = jax.random.split(state.key)
    noise = particles.draw(key_noise, cell, params, num_pairs, sigma)
    start = state.cell, particles.spread(state.cell, num_pairs)
    (state_k, _), losses, gaps = particles.run(
      cell, loss_fn, params, noise, start, xs, ys, resets
    )
    grads = particles.credit(cell, noise, jnp.sum(gaps, 0), sigma)
    estimate = particles.estimate(losses, grads, params)
    return particles.ParticlesState(state_k, None, None, None, key), estimate

  return segment.estimator(init, update, precision=precision)
