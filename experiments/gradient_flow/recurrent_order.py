"""Temporal order, learned with and without clipping and the regulariser."""

from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress
from experiments.gradient_flow import recurrent_networks as networks

METHODS = ("SGD", "clipped", "clipped, Omega")
_NUM_LETTERS, _NUM_CLASSES = 6, 4


class Setting(NamedTuple):
  """The task, the network and its training."""

  num_steps: int  # T
  second_tenth: int  # place of the second letter, in tenths of T
  num_units: int  # N
  num_updates: int
  check_every: int  # updates between two tests
  num_tests: int  # sequences of a test
  num_seeds: int
  batch_size: int
  learning_rate: float
  clip_norm: float
  omega_weight: float  # alpha
  squared_norms: bool  # equation 10 rather than 9


def make_task(setting: Setting) -> nf.Task:
  """Returns the task, or raises ValueError if it cannot be made."""
  return nf.tasks.temporal_order(
    num_steps=setting.num_steps, second_tenth=setting.second_tenth
  )


def measure(setting: Setting, key: jax.Array) -> dict[str, np.ndarray]:
  """Trains by every method, from the same networks on the same sequences.

  Args:
    setting: see there.
    key: randomness.

  Returns:
    `order_errors` [M, S, C], the fraction of test sequences misclassified at
    the C checks; `order_losses` [M, S, C], the mean cross-entropy since the
    check before; `order_checks` [C], in updates.
  """
  key_start, key_tests, key_train = jax.random.split(key, 3)
  task = make_task(setting)
  params, tests = _draw(setting, task, key_start, key_tests)
  keys = jax.random.split(key_train, setting.num_seeds)
  fit = jax.vmap(_make_fit(setting, task), (None, None, 0, 0, None))
  # One after the other, so that Omega costs only where it is used; plain SGD
  # clips at infinity.
  losses, errors = jax.jit(
    lambda methods, *shared: lax.map(lambda m: fit(*m, *shared), methods),
    compiler_options=networks.TRAIN_COMPILER,
  )(
    (
      jnp.array([jnp.inf, setting.clip_norm, setting.clip_norm]),
      jnp.array([0.0, 0.0, setting.omega_weight]),
    ),
    params,
    keys,
    tests,
  )
  num_checks = setting.num_updates // setting.check_every
  return {
    "order_errors": np.asarray(errors),
    "order_losses": np.asarray(losses),
    "order_checks": np.arange(1, num_checks + 1) * setting.check_every,
  }


def _cell(setting, recurrent_init=None):
  return nf.cells.vanilla(
    num_inputs=_NUM_LETTERS,
    num_units=setting.num_units,
    recurrent_init=recurrent_init,
  )


def _draw(setting, task, key_start, key_tests):
  """Returns "smart tanh" networks, leaves [S, ...], and sequences to test on.

  15 incoming weights a unit, spectral radius 0.95; all others N(0, 0.01^2).
  """
  size = setting.num_units
  recurrent_init = nf.initializers.with_spectral_radius(
    nf.initializers.sparse(min(15, size), stddev=0.01), 0.95
  )

  def init(key):
    key_cell, key_input, key_readout = jax.random.split(key, 3)
    theta = _cell(setting, recurrent_init).init(key_cell)
    inputs = 0.01 * jax.random.normal(key_input, (size, _NUM_LETTERS))
    weights = 0.01 * jax.random.normal(key_readout, (_NUM_CLASSES, size))
    return {
      "cell": theta.at[:, size:-1].set(inputs),
      "readout": {"weights": weights, "bias": jnp.zeros(_NUM_CLASSES)},
    }

  def draw(key_start, key_tests):
    keys = jax.random.split(key_start, setting.num_seeds)
    tests = jax.random.split(key_tests, setting.num_tests)
    return jax.vmap(init)(keys), jax.vmap(task.sample)(tests)

  compiled = jax.jit(draw, compiler_options=networks.QUICK_COMPILER)
  return compiled(key_start, key_tests)


def _estimator(setting, cell, loss_fn, omega_weight):
  """Returns backpropagation through the whole sequence, with alpha Omega."""

  def init(params, key):
    del params, key
    return ()

  def update(params, state, xs, ys, resets=None):
    del resets  # There are none: a segment is a whole sequence.
    passed = nf.regularizers.backpropagate(cell, loss_fn, params, xs, ys)

    def penalty(theta):
      return omega_weight * nf.regularizers.norm_preservation(
        cell,
        theta,
        passed.states_tm1,
        xs,
        passed.errors,
        squared=setting.squared_norms,
      )

    theta = params["cell"]
    slope = lax.cond(omega_weight > 0, jax.grad(penalty), jnp.zeros_like, theta)
    grads = {**passed.grads, "cell": passed.grads["cell"] + slope}
    return state, nf.Estimate(passed.loss, grads)

  return nf.GradientEstimator(init, update)


def _make_fit(setting, task):
  """Returns (clip norm, alpha, params, key, tests) -> losses, errors [C]."""
  cell = _cell(setting)

  def loss_fn(params, state_t, y_t):
    loss = optax.losses.softmax_cross_entropy_with_integer_labels(
      networks.read_out(params, state_t), y_t.value
    )
    # Training divides by T: the cross-entropy is that of the last step, Omega
    # a mean over the steps, as in the authors' code.
    return setting.num_steps * y_t.weight * loss

  def answer(params, xs):
    def body(state_tm1, x_t):
      return cell.step(params["cell"], state_tm1, x_t), None

    start = nf.base.initial_state(cell, params["cell"])
    last, _ = lax.scan(body, start, xs)
    return jnp.argmax(networks.read_out(params, last))

  num_checks = setting.num_updates // setting.check_every

  def fit(clip_norm, omega_weight, params, key, tests):
    estimator = _estimator(setting, cell, loss_fn, omega_weight)
    optimizer = optax.chain(
      optax.clip_by_global_norm(clip_norm), optax.sgd(setting.learning_rate)
    )

    def check(state, index):
      progress.tick(index, num_checks, "temporal order")
      state, losses = nf.training.train_episodes(
        estimator,
        optimizer,
        task,
        state,
        num_episodes=setting.check_every,
        segment=setting.num_steps,
        batch_size=setting.batch_size,
      )
      answers = jax.vmap(answer, (None, 0))(state.params, tests.x)
      error = jnp.mean(answers != tests.y.value[:, -1])
      return state, (jnp.mean(losses), error)

    state = nf.training.episodes_init(optimizer, params, key)
    _, outcome = lax.scan(check, state, jnp.arange(num_checks))
    return outcome

  return fit
