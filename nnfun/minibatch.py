"""Gradient descent on a set of examples, a mini-batch at a time.

Stochastic, mini-batch and batch gradient descent are one function: they differ
in the batch size alone (1, in between, all examples).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import optax
from jax import numpy as jnp

from nnfun import base, updates
from nnfun.estimators import checks

LossFn = Callable[[base.Params, base.PyTree, base.PyTree], base.Array]
EvaluateFn = Callable[[base.Params], base.PyTree]


class Fit(NamedTuple):
  """Trained parameters, and how they were reached."""

  params: base.Params
  optimizer_state: optax.OptState
  losses: base.Array  # [num_epochs], mean over the epoch's mini-batches
  evaluations: base.PyTree  # leaves [num_epochs + 1, ...], the start first


def fit(
  loss_fn: LossFn,
  optimizer: optax.GradientTransformation,
  params: base.Params,
  key: base.Array,
  xs: base.PyTree,
  ys: base.PyTree,
  *,
  batch_size: int,
  num_epochs: int,
  evaluate_fn: EvaluateFn | None = None,
) -> Fit:
  """Trains on mini-batches drawn without replacement, epoch after epoch.

    theta <- theta - eta / B sum_{i in batch} grad loss(theta, x_i, y_i)

  and what else the optimiser makes of that mean. Every epoch shuffles the
  examples and cuts them into floor(N / B) batches; the N mod B left over sit
  the epoch out. `jax.vmap` over keys, parameters or a learning rate traced
  into the optimiser trains many networks at once; the examples are shared.

  Args:
    loss_fn: (params, x, y) -> scalar, of one example.
    optimizer: any of optax but a line search. One that takes them gets the loss
      of the batch as `value` and the gradient as `grad`.
    params: where to start.
    key: randomness of the shuffles.
    xs: inputs, leaves [N, ...].
    ys: targets, leaves [N, ...].
    batch_size: B, from 1 to N.
    num_epochs: how often all examples are passed through; 0 or more.
    evaluate_fn: params -> anything to be recorded at the start and after every
      epoch; None records nothing.

  Returns:
    The trained parameters, the optimiser's state, the loss of each epoch and
    the evaluations.

  Raises:
    ValueError: if the leaves differ in N, a count is not an integer or out of
      range, the loss no real scalar, or the optimiser needs a line search.

  >>> xs = jnp.linspace(-1.0, 1.0, 8)
  >>> square = lambda w, x, y: (w * x - y) ** 2
  >>> batch = {"batch_size": 8, "num_epochs": 50}
  >>> fitted = fit(
  ...   square, optax.sgd(0.5), 0.0, jax.random.key(0), xs, 3 * xs, **batch
  ... )
  >>> print(f"{fitted.params:.4f}")
  3.0000
  """
  num_examples = _num_examples((xs, ys))
  base.check_count("batch_size", batch_size)
  base.check_count("num_epochs", num_epochs, at_least=0)
  if batch_size > num_examples:
    raise ValueError(
      f"expected a batch_size from 1 to the {num_examples} examples, got "
      f"{batch_size}"
    )
  evaluate_fn = evaluate_fn or (lambda params: None)
  # NumPy arrays cannot be indexed with what is traced.
  params, xs, ys = jax.tree.map(jnp.asarray, (params, xs, ys))
  num_batches = num_examples // batch_size

  def example_loss(*args):
    return checks.real_scalar("loss_fn(params, x, y)", loss_fn(*args))

  def batch_loss(params, batch):
    batch_xs, batch_ys = jax.tree.map(lambda leaf: leaf[batch], (xs, ys))
    losses = jax.vmap(example_loss, (None, 0, 0))(params, batch_xs, batch_ys)
    return jnp.mean(losses)

  def step(carry, batch):
    params, _ = carry
    estimate = base.Estimate(*jax.value_and_grad(batch_loss)(params, batch))
    return updates.apply(optimizer, *carry, estimate), estimate.loss

  def epoch(carry, key_epoch):
    order = jax.random.permutation(key_epoch, num_examples)
    batches = order[: num_batches * batch_size].reshape(-1, batch_size)
    carry, losses = jax.lax.scan(step, carry, batches)
    return carry, (jnp.mean(losses), evaluate_fn(carry[0]))

  at_start = evaluate_fn(params)
  (params, optimizer_state), (losses, evaluations) = jax.lax.scan(
    epoch, (params, optimizer.init(params)), jax.random.split(key, num_epochs)
  )
  evaluations = jax.tree.map(
    lambda first, rest: jnp.concatenate([jnp.asarray(first)[None], rest]),
    at_start,
    evaluations,
  )
  return Fit(params, optimizer_state, losses, evaluations)


def _num_examples(trees):
  sizes = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(trees)}
  if len(sizes) != 1 or sizes == {()}:
    raise ValueError(
      "expected leaves [N, ...] with one number N of examples, got "
      f"{sorted(map(list, sizes))}"
    )
  return sizes.pop()[0]
