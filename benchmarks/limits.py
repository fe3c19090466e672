"""The limits which a machine sets to estimators that keep J, S x P."""

from collections.abc import Iterator

import jax
from jax import lax
from jax import numpy as jnp

from benchmarks import problems, programs, timing

PRODUCT, READING = "limit: product", "limit: reading J"


def limits(problem: problems.Problem) -> Iterator[programs.Program]:
  """Yields what an estimator that keeps J cannot do without.

  Args:
    problem: the network.

  Yields:
    The product of S x S and S x P, which the textbook computes at every step,
    and a pass over J, as a vector times J, which every gradient makes.
  """
  s, p, _, itemsize = problem.sizes
  product = problem.batch_size * 2 * s**2 * p / programs.machine().flops
  reading = problem.batch_size * itemsize * s * p / programs.machine().bandwidth
  for name, step_fn, small, seconds in (
    (PRODUCT, _multiply, jnp.eye(s), product),
    (READING, _read, jnp.ones(s), reading),
  ):
    yield programs.Program(
      name,
      _start_limit(step_fn, small, problem),
      plan_seconds=seconds,
      model_seconds=seconds,
      num_bytes=2 * programs.influence_bytes(problem),
    )


def _start_limit(step_fn, small, problem):
  """A loop over one operation on J, (small, J) -> (small, J)."""
  carry = small, jnp.ones((problem.num_states, problem.num_params))
  if problem.batch_size > 1:
    step_fn = jax.vmap(step_fn)
    carry = jax.tree.map(
      lambda leaf: jnp.broadcast_to(leaf, (problem.batch_size, *leaf.shape)),
      carry,
    )

  def start(num_steps):
    def loop(carry):
      def body(carry, _):
        return step_fn(*carry), None

      return lax.scan(body, carry, length=num_steps)[0]

    function, seconds = timing.compiled(loop, carry)

    def run():
      return jax.block_until_ready(function(carry))

    return programs.Started(run, seconds)

  return start


def _multiply(matrix, influence):
  return matrix, matrix @ influence


def _read(vector, influence):
  return jnp.tanh((vector @ influence)[: vector.size]), influence
