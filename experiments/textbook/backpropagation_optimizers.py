"""The optimisers a deep-learning course names, and their published formulas.

The slides name them and print no formula and no setting. Settings are those of
the papers where these give any, and optax's otherwise.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import optax
from jax import lax

MOMENTUM = 0.9  # mu of momentum and Nesterov.
WEIGHT_DECAY = 1e-2  # lambda of AdamW.
_B1, _B2, _EPS = 0.9, 0.999, 1e-8  # Kingma and Ba, algorithm 1.
_DECAY = 0.9  # Tieleman and Hinton.
# Of optax's AdaGrad, so that the first step is not a unit step everywhere.
_ACCUMULATED, _ADAGRAD_EPS = 0.1, 1e-7


class Optimizer(NamedTuple):
  """An optimiser of optax and what it should do.

  `formula` takes the start theta [P], the gradients g_t [T, P] and the learning
  rate eta, and returns theta after every step, [T, P], by a loop.
  """

  make: Callable[[float], optax.GradientTransformation]
  formula: Callable[[np.ndarray, np.ndarray, float], np.ndarray]
  source: str


def _loop(update, theta, gradients, *state):
  """Runs update(theta, g, t, *state) -> (theta, *state) for t = 1, 2, ..."""
  thetas = []
  for t, g in enumerate(gradients, start=1):
    theta, *state = update(theta, g, t, *state)
    thetas.append(theta)
  return np.array(thetas)


def _sgd(theta, gradients, rate):
  return _loop(lambda theta, g, t: (theta - rate * g,), theta, gradients)


def _momentum(theta, gradients, rate):
  """Returns the way of v <- mu v - eta g, theta <- theta + v."""

  def update(theta, g, t, v):
    v = MOMENTUM * v - rate * g
    return theta + v, v

  return _loop(update, theta, gradients, 0 * theta)


def _nesterov(theta, gradients, rate):
  """The same, with g taken at the look-ahead theta + mu v.

  optax keeps the look-ahead points, so that they are what is returned.
  """

  def update(ahead, g, t, v):
    theta = ahead - MOMENTUM * v
    v = MOMENTUM * v - rate * g
    return theta + v + MOMENTUM * v, v

  return _loop(update, theta, gradients, 0 * theta)


def _adamw(theta, gradients, rate, weight_decay=WEIGHT_DECAY):
  """Returns the way of the moments m and v without their bias, m^ and v^.

  theta <- theta - eta (m^ / (sqrt(v^) + eps) + lambda theta).
  """

  def update(theta, g, t, m, v):
    m = _B1 * m + (1 - _B1) * g
    v = _B2 * v + (1 - _B2) * g**2
    m_hat, v_hat = m / (1 - _B1**t), v / (1 - _B2**t)
    step = m_hat / (np.sqrt(v_hat) + _EPS) + weight_decay * theta
    return theta - rate * step, m, v

  return _loop(update, theta, gradients, 0 * theta, 0 * theta)


def _adam(theta, gradients, rate):
  """AdamW at lambda = 0."""
  return _adamw(theta, gradients, rate, weight_decay=0.0)


def _adagrad(theta, gradients, rate):
  """Returns the way of G <- G + g^2, theta <- theta - eta g / sqrt(G + eps)."""

  def update(theta, g, t, total):
    total = total + g**2
    return theta - rate * g / np.sqrt(total + _ADAGRAD_EPS), total

  return _loop(update, theta, gradients, 0 * theta + _ACCUMULATED)


def _rmsprop(theta, gradients, rate):
  """Returns the way of theta <- theta - eta g / sqrt(v + eps).

  v <- 0.9 v + 0.1 g^2.
  """

  def update(theta, g, t, v):
    v = _DECAY * v + (1 - _DECAY) * g**2
    return theta - rate * g / np.sqrt(v + _EPS), v

  return _loop(update, theta, gradients, 0 * theta)


OPTIMIZERS = {
  "SGD": Optimizer(
    optax.sgd,
    _sgd,
    "Robbins, Monro, A stochastic approximation method, 1951",
  ),
  "momentum": Optimizer(
    lambda rate: optax.sgd(rate, momentum=MOMENTUM),
    _momentum,
    "Polyak, Some methods of speeding up the convergence of iteration "
    "methods, 1964, as in Sutskever et al., On the importance of "
    "initialization and momentum in deep learning, 2013, equations 1, 2",
  ),
  "Nesterov": Optimizer(
    lambda rate: optax.sgd(rate, momentum=MOMENTUM, nesterov=True),
    _nesterov,
    "Sutskever et al., On the importance of initialization and momentum in "
    "deep learning, 2013, equations 3, 4",
  ),
  "AdaGrad": Optimizer(
    lambda rate: optax.adagrad(rate, _ACCUMULATED, _ADAGRAD_EPS),
    _adagrad,
    "Duchi, Hazan, Singer, Adaptive subgradient methods for online learning "
    "and stochastic optimization, 2011, diagonal form; the sum starts at 0.1",
  ),
  "RMSprop": Optimizer(
    lambda rate: optax.rmsprop(rate, _DECAY, _EPS),
    _rmsprop,
    "Tieleman, Hinton, Lecture 6.5: rmsprop, Coursera, 2012; 1e-8 added under "
    "the root",
  ),
  "Adam": Optimizer(
    lambda rate: optax.adam(rate, _B1, _B2, _EPS),
    _adam,
    "Kingma, Ba, Adam: a method for stochastic optimization, 2015, algorithm 1",
  ),
  "AdamW": Optimizer(
    lambda rate: optax.adamw(rate, _B1, _B2, _EPS, weight_decay=WEIGHT_DECAY),
    _adamw,
    "Loshchilov, Hutter, Decoupled weight decay regularization, 2019, "
    "algorithm 2, the decay multiplied with the learning rate as in optax",
  ),
}


def run(
  make: Callable[[float], optax.GradientTransformation],
  theta: np.ndarray,
  gradients: np.ndarray,
  learning_rate: float,
) -> np.ndarray:
  """Returns theta [T, P] after every step of an optimiser of optax.

  Args:
    make: learning rate -> optimiser.
    theta: the start [P].
    gradients: g_t, given beforehand, [T, P].
    learning_rate: eta.
  """
  optimizer = make(learning_rate)

  def update(carry, g):
    theta, state = carry
    updates, state = optimizer.update(g, state, theta)
    theta = optax.apply_updates(theta, updates)
    return (theta, state), theta

  return lax.scan(update, (theta, optimizer.init(theta)), gradients)[1]
