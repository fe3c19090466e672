"""One perceptron as a regression, and what it can separate.

All is meant to be called under float64.
"""

from collections.abc import Callable

import jax
import numpy as np
import optax
from jax import numpy as jnp
from scipy import optimize
from sklearn import linear_model

import nnfun as nf
from experiments import sweeps
from experiments.textbook.perceptrons import thresholds

_act = nf.activations


def regressions(seed: int) -> dict[str, np.ndarray]:
  """Returns gaps of descended perceptrons to scikit-learn's fits, [sets]."""
  rng = np.random.default_rng(seed)
  xs = rng.normal(size=(8, 200, 3))  # Sets of examples of three inputs.
  scores = np.sum(xs, axis=-1) + 0.5
  reals = scores + rng.normal(size=scores.shape)
  classes = (rng.random(scores.shape) < 1 / (1 + np.exp(-scores))) * 1.0
  linear = linear_model.LinearRegression()
  logistic = linear_model.LogisticRegression(
    C=np.inf, tol=1e-12, solver="newton-cholesky"
  )
  losses = nf.losses.quadratic, nf.losses.sigmoid_cross_entropy
  return {
    "identity, linear": _gaps(linear, losses[0], 0.5, xs, reals),
    "sigmoid, logistic": _gaps(logistic, losses[1], 3.0, xs, classes),
  }


def _gaps(model, loss, learning_rate, xs, ys):
  def fit(xs, ys):
    def cost(params):
      z = jax.vmap(lambda x: nf.mlp.apply(params, x, [_act.identity]))(xs)
      return loss(z[:, 0], ys) / len(ys)

    start = {"w": jnp.zeros((1, 3)), "b": jnp.zeros(1)}
    return descend(cost, optax.sgd(learning_rate), (start,), 800)

  (layer,) = sweeps.sweep(fit, xs, ys, quick=True)
  found = np.concatenate([layer["w"][:, 0], layer["b"]], axis=1)
  expected = [
    np.append(model.fit(x, y).coef_, model.intercept_)
    for x, y in zip(xs, ys, strict=True)
  ]
  return np.max(np.abs(found - expected), axis=1)


def descend(
  cost: Callable[[nf.base.Params], jax.Array],
  optimizer: optax.GradientTransformation,
  start: nf.base.Params,
  num_steps: int,
) -> nf.base.Params:
  """Returns the parameters after steps down a cost over all examples."""

  def step(carry, _):
    params, state = carry
    updates, state = optimizer.update(jax.grad(cost)(params), state, params)
    return (optax.apply_updates(params, updates), state), None

  carry = start, optimizer.init(start)
  return jax.lax.scan(step, carry, length=num_steps)[0][0]


def computed(num_inputs: int) -> np.ndarray:
  """Tells which of the 2^2^n functions of n bits a perceptron computes."""
  xs = thresholds.binary_inputs(num_inputs)
  functions = thresholds.binary_inputs(len(xs))
  w, b = np.split([_separating(xs, ys) for ys in functions], [-1], axis=1)
  _, outputs = sweeps.quick_jit(
    lambda: thresholds.neurons(({"w": w[:, None], "b": b},), xs, _act.threshold)
  )()
  return np.all(outputs[..., 0] == functions, axis=1)


def _separating(xs, ys):
  """Returns w and b by linear programming, or zeros where there are none."""
  signed = (2 * ys - 1)[:, None] * np.column_stack([xs, np.ones(len(xs))])
  result = optimize.linprog(
    np.zeros(signed.shape[1]),
    A_ub=-signed,
    b_ub=-np.ones(len(xs)),
    bounds=(None, None),
  )
  return result.x if result.success else np.zeros(signed.shape[1])
