"""Temporal order, learned with and without clipping and the regulariser."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, sweeps
from experiments.gradient_flow.recurrent import networks, readings

_NUM_LETTERS, _NUM_CLASSES = 6, 4
_BATCH_SIZE = 20  # Sequences of an update.


class Order(NamedTuple):
  """Networks trained by some methods, by name; a run ends at 1 % errors."""

  checks: np.ndarray  # Updates before each of the C tests  [C]
  # Share of test sequences misclassified, the last one where a run has ended.
  errors: dict[str, np.ndarray]  # [S, C]


def measure(config: Any, key: jax.Array) -> Order:
  """Trains with Omega, and some of the same networks without it."""
  key_start, key_tests, key_train = jax.random.split(key, 3)
  params, tests = draw(config, key_start, key_tests)
  # By method the clip norm, and whether with Omega.
  methods = {readings.OMEGA: (1.0, True), readings.CLIPPED: (1.0, False)}
  if config.order_updates >= readings.PUBLISHED_UPDATES[readings.SGD]:
    methods[readings.SGD] = np.inf, False
  start, advance = make_training(config, tests)
  checks = np.arange(0, config.order_updates, config.check_every)
  errors = {}
  for name, method in methods.items():
    has_omega = name == readings.OMEGA
    num_seeds = config.order_seeds if has_omega else config.order_pairs
    errors[name] = np.ones((num_seeds, len(checks)), np.float32)
    for seed in progress.track(range(num_seeds), name):
      own = jax.tree.map(lambda leaf, seed=seed: leaf[seed], params)
      state = start(own, jax.random.fold_in(key_train, seed))
      for check in range(len(checks)):
        state, wrong = advance(state, *method)
        errors[name][seed, check:] = wrong
        if wrong <= readings.SOLVED:
          break
  return Order(checks + config.check_every, errors)


def draw(
  config: Any, key_start: jax.Array, key_tests: jax.Array
) -> tuple[nf.base.Params, nf.Episode]:
  """Returns "smart tanh" networks, leaves [S, ...], and sequences to test on.

  15 incoming weights a unit, spectral radius 0.95; all others N(0, 0.01^2).
  """
  size = config.order_units
  recurrent_init = nf.initializers.with_spectral_radius(
    nf.initializers.sparse(min(15, size), stddev=0.01), 0.95
  )

  def init(key):
    key_recurrent, key_input, key_readout = jax.random.split(key, 3)
    recurrent = recurrent_init(key_recurrent, (size, size))
    inputs = 0.01 * jax.random.normal(key_input, (size, _NUM_LETTERS))
    weights = 0.01 * jax.random.normal(key_readout, (_NUM_CLASSES, size))
    return {
      "cell": jnp.hstack([recurrent, inputs, jnp.zeros((size, 1))]),
      "readout": {"weights": weights, "bias": jnp.zeros(_NUM_CLASSES)},
    }

  task = nf.tasks.temporal_order(num_steps=config.order_steps)
  keys = jax.random.split(key_start, config.order_seeds)
  keys_tests = jax.random.split(key_tests, config.num_tests)
  tests = sweeps.sweep(task.sample, keys_tests, quick=True)
  return sweeps.sweep(init, keys, quick=True), tests


def _estimator(config, cell, has_omega):
  """Returns backpropagation through whole sequences, with alpha Omega."""

  def loss_fn(params, state_t, y_t):
    # Training divides by T: the cross-entropy is that of the last step, Omega
    # a mean over the steps, as in the authors' code.
    return config.order_steps * networks.loss_fn(params, state_t, y_t)

  def update(params, state, xs, ys, resets=None):
    del resets  # There are none: a segment is a whole sequence.
    passed = nf.regularizers.backpropagate(cell, loss_fn, params, xs, ys)

    def penalty(theta):
      # Squared norms: equation 10 and the code, where equation 9 has none.
      return config.omega_weight * nf.regularizers.norm_preservation(
        cell, theta, passed.states_tm1, xs, passed.errors, squared=True
      )

    theta = params["cell"]
    slope = lax.cond(has_omega, jax.grad(penalty), jnp.zeros_like, theta)
    grads = {**passed.grads, "cell": passed.grads["cell"] + slope}
    return state, nf.Estimate(passed.loss, grads)

  return nf.GradientEstimator(lambda params, key: (), update)


def make_training(config: Any, tests: nf.Episode) -> tuple[Callable, Callable]:
  """Returns (params, key) -> state; (state, clip, Omega) -> state, errors."""
  cell = nf.cells.vanilla(num_inputs=_NUM_LETTERS, num_units=config.order_units)

  def optimizer(clip_norm):
    sgd = optax.sgd(config.order_learning_rate)
    return optax.chain(optax.clip_by_global_norm(clip_norm), sgd)

  def answer(params, xs):
    def body(state_tm1, x_t):
      return cell.step(params["cell"], state_tm1, x_t), None

    state_0 = nf.base.initial_state(cell, params["cell"])
    last, _ = lax.scan(body, state_0, xs)
    return jnp.argmax(networks.read_out(params, last))

  @jax.jit  # There are thousands of updates.
  def advance(state, clip_norm, has_omega):
    state, _ = nf.training.train_episodes(
      _estimator(config, cell, has_omega),
      optimizer(clip_norm),
      # The second letter stands where the authors' code has it, not their text.
      nf.tasks.temporal_order(num_steps=config.order_steps),
      state,
      num_episodes=config.check_every,
      segment=config.order_steps,
      batch_size=_BATCH_SIZE,
    )
    answers = jax.vmap(answer, (None, 0))(state.params, tests.x)
    wrong = answers != tests.y.value[:, -1]
    return state, jnp.mean(wrong, dtype=jnp.float32)

  return functools.partial(nf.training.episodes_init, optimizer(1.0)), advance
