"""What is timed of the library, and how it is run.

In the regime "moving" SGD changes the parameters at every step of a stream that
goes on from call to call; in "fixed" a gradient at every step is added up over
an episode; in "sequence" one gradient is taken of a sequence of 100 steps; in
"approximate" (`family`) gradients of every step of such a sequence.
"""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import jax
import optax
from jax import numpy as jnp

import nnfun as nf
from benchmarks import problems, timing

REGIMES = ("moving", "fixed", "sequence", "approximate")
LEARNING_RATE = 1e-3  # Of SGD, where parameters move.
SEQUENCE_STEPS = 100  # Also of the regime "approximate".
WINDOW = 32  # Of rolling BPTT.
TEXTBOOK, LAZY, DIAGONAL = "textbook RTRL", "lazy RTRL", "diagonal RTRL"
ROLLING, BPTT = f"rolling BPTT({WINDOW})", "BPTT"


class Started(NamedTuple):
  """A program that is ready."""

  run: Callable[[], object]  # Returns when all is computed.
  first_seconds: float  # To trace and compile; of the first call if not ours.
  note: str = ""


class StartFn(Protocol):
  """Makes a program ready for calls of some length."""

  def __call__(self, num_steps: int) -> Started:
    """Returns the program, of which one call takes `num_steps` steps."""
    ...


class GradientFn(Protocol):
  """What a program gives for parameters that are held fixed."""

  def __call__(self, num_steps: int) -> nf.base.Params:
    """Returns the gradient summed over the steps, averaged over the batch."""
    ...


class Program(NamedTuple):
  """Something that can be timed."""

  name: str
  start: StartFn
  gradient: GradientFn | None = None  # None if there is nothing to compare
  is_exact: bool = True  # whether the gradient has to be that of autodiff
  check_steps: int = 33  # after so many steps it is compared
  least_steps: int = 8  # shorter calls would not show what a step costs
  flush_every: int | None = None  # F, where there is one
  plan_seconds: float = 0.0  # about what a step takes; decides T
  model_seconds: float | None = None  # what `nnfun.theory.costs` says
  num_bytes: int = 0  # of influences, at least
  note: str = ""


class Skipped(NamedTuple):
  """Something that is not timed here, and why."""

  name: str
  reason: str


def ours(problem: problems.Problem, regime: str) -> Iterator[Program]:
  """Yields the estimators of the library.

  Args:
    problem: the network and its stream.
    regime: one of `REGIMES`.

  Yields:
    Programs.
  """
  cell, loss_fn = problem.cell, problems.loss_fn
  s, p, _, itemsize = problem.sizes
  if regime == "sequence":
    yield of_estimator(
      BPTT, nf.estimators.truncated_bptt(cell, loss_fn), problem, regime
    )._replace(
      check_steps=SEQUENCE_STEPS,
      plan_seconds=6 * p * problem.batch_size / machine().flops,
    )
    return
  for name, flush_every in ((TEXTBOOK, 1), (LAZY, None)):
    estimator = nf.estimators.rtrl(cell, loss_fn, flush_every=flush_every)
    period = flush_every or chosen_period(problem)
    seconds = problem.batch_size * nf.theory.costs.step_seconds(
      problem.sizes, machine(), period
    )
    # An episode begins with a period in which J is zero and not read.
    num_periods = 4 if regime == "fixed" else 1
    yield of_estimator(name, estimator, problem, regime)._replace(
      check_steps=period + 32,
      least_steps=max(8, num_periods * period),
      flush_every=period,
      plan_seconds=seconds,
      model_seconds=seconds,
      num_bytes=(2 if period == 1 else 3) * influence_bytes(problem),
    )
  rolling = nf.estimators.rolling_bptt(cell, loss_fn, window=WINDOW)
  entry = itemsize * (s**2 + 4 * p) / machine().bandwidth + machine().turn
  yield of_estimator(ROLLING, rolling, problem, regime)._replace(
    is_exact=False,
    least_steps=2 * WINDOW,
    plan_seconds=problem.batch_size * WINDOW * entry,
    note=f"truncated to {WINDOW} steps, not compared",
  )
  if isinstance(cell, nf.DiagonalCell):
    diagonal = nf.estimators.diagonal_rtrl(cell, loss_fn)
    yield of_estimator(DIAGONAL, diagonal, problem, regime)


def chosen_period(problem: problems.Problem) -> int:
  """Returns the F that lazy RTRL chooses.

  Args:
    problem: the network.

  Returns:
    F, read off the shapes of its state.
  """
  estimator = nf.estimators.rtrl(problem.cell, problems.loss_fn)
  state = jax.eval_shape(estimator.init, problem.params, jax.random.key(0))
  tape = state.influence.tape
  return 1 if tape is None else tape.entries.transition.shape[0]


def textbook_seconds(problem: problems.Problem) -> float:
  """Returns what the model of costs says of a step of textbook RTRL.

  Args:
    problem: the network.

  Returns:
    Seconds, for the whole batch.
  """
  step_seconds = nf.theory.costs.step_seconds(problem.sizes, machine(), 1)
  return problem.batch_size * step_seconds


def influence_bytes(problem: problems.Problem) -> int:
  """Returns the size of J.

  Args:
    problem: the network.

  Returns:
    Bytes, for the whole batch.
  """
  s, p, _, itemsize = problem.sizes
  return problem.batch_size * itemsize * s * p


def batched(
  estimator: nf.GradientEstimator, batch_size: int
) -> nf.GradientEstimator:
  """Returns an estimator of a batch that shares its parameters.

  Args:
    estimator: of one stream.
    batch_size: B.

  Returns:
    An estimator for leaves [T, B, ...], whose estimate is the mean of theirs;
    for B = 1 the estimator itself.
  """
  if batch_size == 1:
    return estimator

  def init(params, key):
    keys = jax.random.split(key, batch_size)
    return jax.vmap(estimator.init, (None, 0))(params, keys)

  def update(params, state, xs, ys, resets=None):
    over = None, 0, 1, 1, None
    many = jax.vmap(estimator.update, over)(params, state, xs, ys, resets)
    return many[0], nf.numerics.batch_mean(many[1])

  return nf.GradientEstimator(init, update)


def machine() -> nf.theory.costs.Machine:
  """Returns the model of the machine where JAX runs."""
  is_cpu = jax.default_backend() == "cpu"
  return nf.theory.costs.CPU if is_cpu else nf.theory.costs.ACCELERATOR


def called(run: Callable[[], object]) -> Started:
  """Calls a program that compiles, if at all, when it is called.

  Args:
    run: the program.

  Returns:
    The program whose first call is over.
  """
  start = time.perf_counter()
  run()
  return Started(run, time.perf_counter() - start)


def of_estimator(
  name: str,
  estimator: nf.GradientEstimator,
  problem: problems.Problem,
  regime: str,
) -> Program:
  """Returns the program of an estimator in a regime.

  Args:
    name: of the program.
    estimator: of one stream.
    problem: the network and its stream.
    regime: one of `REGIMES`; in "sequence" the sequence is one segment.

  Returns:
    The program.
  """
  estimator = batched(estimator, problem.batch_size)
  # The gradients come out of the very loop that is timed: in a stream with an
  # optimiser that moves nothing and adds them up.
  if regime == "moving":

    def start(num_steps):
      optimizer = optax.sgd(LEARNING_RATE)
      return _start_stream(estimator, optimizer, problem, num_steps)[0]

    def gradient(num_steps):
      started, state = _start_stream(estimator, _adder(), problem, num_steps)
      started.run()
      return state().optimizer

  else:

    def start(num_steps):
      return _start_episode(estimator, problem, regime, num_steps)[0]

    def gradient(num_steps):
      return _start_episode(estimator, problem, regime, num_steps)[1]()

  return Program(name, start, gradient)


def _adder():
  """An optax optimiser that adds gradients up and moves nothing."""

  def update(grads, total, params=None):
    del params
    zeros = jax.tree.map(jnp.zeros_like, grads)
    return zeros, jax.tree.map(jnp.add, total, grads)

  return optax.GradientTransformation(
    lambda params: jax.tree.map(jnp.zeros_like, params), update
  )


def _start_stream(estimator, optimizer, problem, num_steps):
  """A stream that goes on from call to call, and what gives its state."""
  data = problem.xs[:num_steps], problem.ys[:num_steps]
  state = nf.training.stream_init(
    estimator, optimizer, problem.params, jax.random.key(1)
  )

  def train(state, xs, ys):
    return nf.training.train_stream(
      estimator, optimizer, state, xs, ys, segment=1
    )

  # The state is given away, so that J is not copied.
  function, seconds = timing.compiled(train, state, *data, donate_argnums=0)

  def run():
    nonlocal state
    state = jax.block_until_ready(function(state, *data))[0]

  return Started(run, seconds), lambda: state


def _start_episode(estimator, problem, regime, num_steps):
  """An episode with fixed parameters, and what gives its gradient."""
  segment = num_steps if regime == "sequence" else 1
  args = problem.params, problem.xs[:num_steps], problem.ys[:num_steps]

  def gradient(params, xs, ys):
    return nf.training.episode_gradient(
      estimator, params, jax.random.key(1), xs, ys, segment=segment
    ).grads

  function, seconds = timing.compiled(gradient, *args)

  def run():
    return jax.block_until_ready(function(*args))

  return Started(run, seconds), run
