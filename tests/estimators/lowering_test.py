"""What estimators become on a GPU, read off the program that is compiled."""

import functools
import re
from unittest import mock

import jax
from absl.testing import absltest, parameterized
from jax import lax
from jax import numpy as jnp
from jax.extend import core

import nnfun as nf
from nnfun import loops
from tests import oracles
from tests.estimators import tables

# A loop whose condition compares its counter with a constant.
_OF_KNOWN_LENGTH = re.compile(
  r"cond \{\s*(?P<c>%\w+) = stablehlo\.constant dense<\d+> : tensor<i32>\s*"
  r"(?P<p>%\w+) = stablehlo\.compare +LT, %iterArg\w*, (?P=c), +SIGNED[^\n]*\s*"
  r"stablehlo\.return (?P=p) : tensor<i1>"
)


def _lowered(function, *args):
  """The program for a CUDA device, which need not be there."""
  traced = jax.jit(function).trace(*args)
  return traced.lower(lowering_platforms=("cuda",)).as_text()


def _loops(text):
  """How many loops there are, and how many of known length."""
  return text.count("stablehlo.while"), len(_OF_KNOWN_LENGTH.findall(text))


def _num_decisions(jaxpr):
  """How many conds are come to, those inside of another not counted."""
  total = 0
  for eqn in jaxpr.eqns:
    if eqn.primitive is lax.cond_p:
      total += 1
      continue
    inner = sum(map(_num_decisions, core.jaxprs_in_params(eqn.params)))
    total += inner * eqn.params.get("length", 1)
  return total


class LoweringTest(parameterized.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    jax.clear_caches()  # Of programs for a CPU.
    cls.enterClassContext(
      mock.patch.object(loops, "on_accelerator", lambda: True)
    )

  @parameterized.named_parameters(*tables.CASES)
  def test_no_loop_waits_for_the_host(self, name, cell_name):
    """Its turns are counted before it runs, in a batch with resets too."""
    _, _, params, estimator = tables.make(name, cell_name)
    xs, ys = oracles.make_episode(2)
    resets = jnp.array([False, True])

    def one(xs, ys, resets):
      state = estimator.init(params, jax.random.key(0))
      for piece in (slice(0, 1), slice(0, 2)):
        state, estimate = estimator.update(
          params, state, xs[piece], ys[piece], resets[piece]
        )
      return estimate

    batch = jax.tree.map(lambda x: jnp.stack([x] * 3), (xs, ys, resets))
    for function, args in ((one, (xs, ys, resets)), (jax.vmap(one), batch)):
      num_loops, num_known = _loops(_lowered(function, *args))
      self.assertGreater(num_loops, 0)
      self.assertEqual(num_known, num_loops)

  def test_a_loop_of_unknown_length_is_seen(self):
    def function(n):
      return jax.lax.fori_loop(0, n, lambda i, c: c + i, 0)

    self.assertEqual(_loops(_lowered(function, 3)), (1, 0))

  @parameterized.parameters(
    (nf.estimators.truncated_bptt, 0),
    (functools.partial(nf.estimators.rtrl, flush_every=1), 1),
    (functools.partial(nf.estimators.rtrl, flush_every=32), 1),
    (functools.partial(nf.estimators.rolling_bptt, window=32), 0),
  )
  def test_a_step_decides_at_most_once(self, make, expected):
    """Whether J is finite, or whether to flush."""
    # Of sums as short as that of the other tests' cells nothing is looked at.
    cell = nf.cells.vanilla(num_inputs=3, num_units=8)
    loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
    estimator = make(cell, loss_fn)
    xs, ys = oracles.make_episode(1)
    state = jax.eval_shape(estimator.init, params, jax.random.key(0))
    jaxpr = jax.make_jaxpr(estimator.update)(params, state, xs, ys)
    self.assertEqual(_num_decisions(jaxpr.jaxpr), expected)


if __name__ == "__main__":
  absltest.main()
