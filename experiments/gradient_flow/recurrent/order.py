"""Temporal order, learned with and without clipping and the regulariser."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, sweeps
from experiments.gradient_flow.recurrent import networks

_NUM_LETTERS, _NUM_CLASSES = 6, 4
OMEGA = "clipped, Omega"
SOLVED = 0.01  # Errors of a network that has learned.


class Order(NamedTuple):
  """Networks trained by each method, by its name; a run ends at 1 % errors."""

  checks: np.ndarray  # Updates before each of the C tests  [C]
  # Share of test sequences misclassified, the last one where a run has ended.
  errors: dict[str, np.ndarray]  # [S, C]


def measure(config: Any, key: jax.Array) -> Order:
  """Trains by every method, from the same networks on the same sequences."""
  key_start, key_tests, key_train = jax.random.split(key, 3)
  params, tests = draw(config, key_start, key_tests)
  keys = jax.random.split(key_train, config.order_seeds)
  # By method how many, the clip norm, and whether with Omega.
  methods = {
    "clipped": (config.order_few, config.clip_norm, False),
    OMEGA: (config.order_seeds, config.clip_norm, True),
  }
  if config.with_sgd:
    methods = {"SGD": (config.order_few, np.inf, False)} | methods
  batches = [
    jax.tree.map(
      lambda leaf, n=num: leaf[:n],
      (params, keys, jnp.full(len(keys), clip), jnp.full(len(keys), has_omega)),
    )
    for num, clip, has_omega in methods.values()
  ]
  members = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *batches)
  # One after the other: each ends when it is there, and Omega costs only where
  # it is used.
  fit = make_fit(config, tests)
  errors = jax.jit(lambda members: lax.map(lambda m: fit(*m), members))(members)
  ends = np.cumsum([num for num, *_ in methods.values()])[:-1]
  checks = np.arange(config.check_every, config.order_updates + 1)
  return Order(
    checks[:: config.check_every],
    dict(zip(methods, np.split(np.asarray(errors), ends), strict=True)),
  )


def make_task(config: Any) -> nf.Task:
  """Returns the task, or raises ValueError if it cannot be made."""
  return nf.tasks.temporal_order(
    num_steps=config.order_steps, second_tenth=config.second_tenth
  )


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
    key_cell, key_input, key_readout = jax.random.split(key, 3)
    theta = _cell(config, recurrent_init).init(key_cell)
    inputs = 0.01 * jax.random.normal(key_input, (size, _NUM_LETTERS))
    weights = 0.01 * jax.random.normal(key_readout, (_NUM_CLASSES, size))
    return {
      "cell": theta.at[:, size:-1].set(inputs),
      "readout": {"weights": weights, "bias": jnp.zeros(_NUM_CLASSES)},
    }

  keys = jax.random.split(key_start, config.order_seeds)
  keys_tests = jax.random.split(key_tests, config.num_tests)
  tests = sweeps.sweep(make_task(config).sample, keys_tests, quick=True)
  return sweeps.sweep(init, keys, quick=True), tests


def _cell(config, recurrent_init=None):
  return nf.cells.vanilla(
    num_inputs=_NUM_LETTERS,
    num_units=config.order_units,
    recurrent_init=recurrent_init,
  )


def in_batches(
  cell: nf.AffineCell, loss_fn: nf.base.LossFn, task: nf.Task, size: int
) -> tuple[nf.Cell, nf.base.LossFn, nf.Task]:
  """Returns the same for a batch as one sequence, the loss being the mean.

  Its gradient is summed over the batch by a product of matrices.
  """

  def initial_state():
    return jax.tree.map(
      lambda s: jnp.broadcast_to(s, (size, *s.shape)), cell.initial_state()
    )

  def loss(params, states_t, ys_t):
    return jnp.mean(jax.vmap(loss_fn, (None, 0, 0))(params, states_t, ys_t))

  def sample(key):
    episodes = jax.vmap(task.sample)(jax.random.split(key, size))
    return jax.tree.map(lambda a: jnp.swapaxes(a, 0, 1), episodes)

  step = jax.vmap(cell.step, (None, 0, 0))
  return nf.Cell(cell.init, initial_state, step), loss, nf.Task(sample)


def _estimator(config, has_omega):
  """Returns backpropagation through whole sequences, with alpha Omega."""
  one = _cell(config)

  def loss_fn(params, state_t, y_t):
    loss = optax.losses.softmax_cross_entropy_with_integer_labels(
      networks.read_out(params, state_t), y_t.value
    )
    # Training divides by T: the cross-entropy is that of the last step, Omega
    # a mean over the steps, as in the authors' code.
    return config.order_steps * y_t.weight * loss

  cell, batch_loss_fn, task = in_batches(
    one, loss_fn, make_task(config), config.order_batch_size
  )

  def update(params, state, xs, ys, resets=None):
    del resets  # There are none: a segment is a whole sequence.
    passed = nf.regularizers.backpropagate(cell, batch_loss_fn, params, xs, ys)

    def penalty(theta):
      def omega(states_tm1, xs, errors):
        return nf.regularizers.norm_preservation(
          one, theta, states_tm1, xs, errors, squared=config.squared_norms
        )

      each = jax.vmap(omega, 1)(passed.states_tm1, xs, passed.errors)
      return config.omega_weight * jnp.mean(each)

    theta = params["cell"]
    slope = lax.cond(has_omega, jax.grad(penalty), jnp.zeros_like, theta)
    grads = {**passed.grads, "cell": passed.grads["cell"] + slope}
    return state, nf.Estimate(passed.loss, grads)

  return nf.GradientEstimator(lambda params, key: (), update), task


def make_fit(config: Any, tests: nf.Episode) -> Callable[..., jax.Array]:
  """Returns (params, key, clip norm, whether with Omega) -> errors [C]."""
  cell, num_checks = _cell(config), config.order_updates // config.check_every

  def answer(params, xs):
    def body(state_tm1, x_t):
      return cell.step(params["cell"], state_tm1, x_t), None

    start = nf.base.initial_state(cell, params["cell"])
    last, _ = lax.scan(body, start, xs)
    return jnp.argmax(networks.read_out(params, last))

  def fit(params, key, clip_norm, has_omega):
    estimator, task = _estimator(config, has_omega)
    optimizer = optax.chain(
      optax.clip_by_global_norm(clip_norm),
      optax.sgd(config.order_learning_rate),
    )

    def train_on(carry):
      state, _ = nf.training.train_episodes(
        estimator,
        optimizer,
        task,
        carry[0],
        num_episodes=config.check_every,
        segment=config.order_steps,
      )
      answers = jax.vmap(answer, (None, 0))(state.params, tests.x)
      wrong = answers != tests.y.value[:, -1]
      return state, jnp.mean(wrong, dtype=jnp.float32)

    def check(carry, index):
      progress.tick(index, num_checks, "temporal order")
      carry = lax.cond(carry[1] > SOLVED, train_on, lambda same: same, carry)
      return carry, carry[1]

    state = nf.training.episodes_init(optimizer, params, key)
    start = state, jnp.ones([], jnp.float32)
    return lax.scan(check, start, jnp.arange(num_checks))[1]

  return fit
