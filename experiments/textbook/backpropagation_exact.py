"""Identities of backpropagation, measured in float64 on random networks.

An error is norm(a - b) / norm(b) over all numbers of two pytrees, and the
largest over the networks drawn.
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import flatten_util
from jax import numpy as jnp

import nnfun as nf
from experiments.textbook import backpropagation_theory as theory

# Programs here run for milliseconds and compile for seconds.
jit = functools.partial(
  jax.jit, compiler_options={"xla_backend_optimization_level": 0}
)
_act, _loss = nf.activations, nf.losses
_softmax = _act.softmax_layer()


class Network(NamedTuple):
  """A kind of network, and the cost it is trained with."""

  sizes: tuple[int, ...]  # of the input and of each layer
  activations: tuple[nf.activations.Activation, ...]
  cost: nf.mlp.Cost


NETWORKS = (
  Network((5, 3), (_softmax,), _loss.cross_entropy),
  Network((4, 5, 3), (_act.sigmoid,) * 2, _loss.quadratic),
  Network(
    (4, 5, 6, 3),
    (_act.tanh, _act.tanh, _act.sigmoid),
    _loss.binary_cross_entropy,
  ),
  Network(
    (4, 5, 6, 5, 3),
    (_act.relu, _act.leaky_relu(), _act.hard_tanh, _act.identity),
    _loss.softmax_cross_entropy,
  ),
)
_IN_BATCHES = NETWORKS[1], NETWORKS[3]
_AS_WHOLE = NETWORKS[0], NETWORKS[1], NETWORKS[3]
_NUMBERED = NETWORKS[2]  # Of which each equation is looked at by itself.
_SIGMOIDS = Network((4, 5, 4, 3), (_act.sigmoid,) * 3, _loss.quadratic)
_NUM_EXAMPLES = 6


def draw(
  network: Network, num_networks: int, rng: np.random.Generator
) -> tuple[nf.base.Params, np.ndarray, np.ndarray]:
  """Draws networks and a batch for each, in float64.

  Args:
    network: of which kind.
    num_networks: S.
    rng: randomness.

  Returns:
    Parameters, leaves [S, ...], xs [S, M, I] and ys [S, M, O], each y a
    distribution.
  """
  sizes = zip(network.sizes[:-1], network.sizes[1:], strict=True)
  params = tuple(
    {
      "w": rng.normal(size=(num_networks, n, m)) / m**0.5,
      "b": rng.normal(size=(num_networks, n)),
    }
    for m, n in sizes
  )
  batch = (num_networks, _NUM_EXAMPLES)
  xs = rng.normal(size=(*batch, network.sizes[0]))
  return params, xs, rng.dirichlet(np.ones(network.sizes[-1]), size=batch)


def relative_error(actual: Any, expected: Any) -> np.ndarray:
  """Returns norm(actual - expected) / norm(expected), leaves [S, ...], [S]."""
  actual, expected = map(_flat, (actual, expected))
  difference = np.linalg.norm(actual - expected, axis=1)
  return difference / np.linalg.norm(expected, axis=1)


def _flat(tree):
  leaves = map(np.asarray, jax.tree.leaves(tree))
  return np.concatenate([x.reshape(len(x), -1) for x in leaves], axis=1)


def _cost(network, params, x, y):
  return network.cost(nf.mlp.apply(params, x, network.activations), y)


def identities(
  num_networks: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
  """Compares what is written by hand with automatic differentiation.

  Args:
    num_networks: networks of each kind.
    rng: draws them.

  Returns:
    Largest errors. Of backpropagation by kind `vector_error` [3] and, of two of
    them, `batch_error` [2]; `equation_error` [4] of BP1 ... BP4 in the third
    kind, and there `difference_error` [] from central differences of the cost.
    Of forward accumulation through three layers of sigmoids `forward_error` []
    against `jax.jacfwd`, `gradient_error` of the cost's gradient against
    `nf.mlp.backpropagation`, which is in reverse; with the printed base case
    `printed_error` of the gradient, and `factor_error` of the
    prediction that unit i's derivatives come out 1 / (1 - h_i) times too large.
  """
  vector = [(_vector, network) for network in _AS_WHOLE]
  batch = [(_batch, network) for network in _IN_BATCHES]
  jobs = [*vector, *batch, (_equations, _NUMBERED), (_forward, _SIGMOIDS)]

  @jit
  def every(draws):
    return [
      jax.vmap(functools.partial(one, network))(*drawn)
      for (one, network), drawn in zip(jobs, draws, strict=True)
    ]

  draws = [draw(network, num_networks, rng) for _, network in jobs]
  *pairs, equations, forward = every(draws)
  *equations, difference = equations
  return {
    "vector_error": _worst(pairs[: len(vector)]),
    "batch_error": _worst(pairs[len(vector) :]),
    "equation_error": _worst(equations),
    "difference_error": _worst([difference])[0],
    **{f"{name}_error": _worst([pair])[0] for name, pair in forward.items()},
  }


def _worst(pairs):
  """Returns the largest error of each (by hand, expected)."""
  return np.array([np.max(relative_error(*pair)) for pair in pairs])


def _vector(network, params, xs, ys):
  activations, cost = network.activations, network.cost
  hand = nf.mlp.backpropagation(params, xs[0], ys[0], activations, cost)
  return hand.grads, jax.grad(_cost, 1)(network, params, xs[0], ys[0])


def _batch(network, params, xs, ys):
  def mean(params):
    cost = functools.partial(_cost, network, params)
    return jnp.mean(jax.vmap(cost)(xs, ys))

  activations, cost = network.activations, network.cost
  hand = theory.batch_gradient(params, xs, ys, activations, cost)
  return hand, jax.grad(mean)(params)


def _equations(network, params, xs, ys):
  """Returns (by hand, expected) of each equation and of all numerically."""
  x, y = xs[0], ys[0]
  activations, cost = network.activations, network.cost
  hand = nf.mlp.backpropagation(params, x, y, activations, cost).grads
  zs = nf.mlp.forward(params, x, activations).preactivations

  def cost_from(i, z):  # C as a function of z^i alone
    above = activations[i](z)
    if i + 1 < len(params):
      above = nf.mlp.apply(params[i + 1 :], above, activations[i + 1 :])
    return cost(above, y)

  deltas = [
    jax.grad(functools.partial(cost_from, i))(z) for i, z in enumerate(zs)
  ]
  by_hand = [layer["b"] for layer in hand]
  auto = jax.grad(_cost, 1)(network, params, x, y)
  flat, unravel = flatten_util.ravel_pytree(params)
  steps = 1e-5 * jnp.eye(flat.size)  # error about 1e-10, of both kinds
  at = jax.vmap(lambda step: _cost(network, unravel(flat + step), x, y))
  central = (at(steps) - at(-steps)) / 2e-5
  return (
    (by_hand[-1], deltas[-1]),
    (by_hand[:-1], deltas[:-1]),
    *(([g[k] for g in hand], [g[k] for g in auto]) for k in "bw"),
    (flatten_util.ravel_pytree(hand)[0], central),
  )


def _forward(network, params, xs, ys):
  """Returns pairs for the forward recurrence, right and as printed."""
  printed = functools.partial(
    theory.forward_accumulation, base=lambda slope, h: h
  )
  x, y, activations = xs[0], ys[0], network.activations

  def output(params):
    return nf.mlp.apply(params, x, activations)

  def pull(d):  # dC / dh_k d_k..., summed over k
    return jnp.tensordot(jax.grad(network.cost)(h, y), d, 1)

  h, influence = theory.forward_accumulation(params, x, activations)
  hand = nf.mlp.backpropagation(params, x, y, activations, network.cost)
  hs = nf.mlp.forward(params, x, activations).outputs
  wrong = [
    {"w": g["w"] / (1 - h)[:, jnp.newaxis], "b": g["b"] / (1 - h)}
    for g, h in zip(hand.grads, hs, strict=True)
  ]
  as_printed = jax.tree.map(pull, printed(params, x, activations)[1])
  return {
    "forward": (influence, jax.jacfwd(output)(params)),
    "gradient": (jax.tree.map(pull, influence), hand.grads),
    "printed": (as_printed, hand.grads),
    "factor": (as_printed, tuple(wrong)),
  }


def operations(widths: Sequence[int], num_layers: int) -> dict[str, np.ndarray]:
  """Counts the operations of a pass and of the two ways to differentiate it.

  The count is XLA's for the program as it is written. No arrays are made.

  Args:
    widths: n, of the input and every layer, ascending.
    num_layers: N.

  Returns:
    `widths` [W], `num_layers` [], and `operations` [W, 3] of the plain pass,
    of backpropagation and of forward accumulation.
  """
  activations = [_act.sigmoid] * num_layers
  rows = []
  for n in widths:
    vector = jax.ShapeDtypeStruct((n,), np.float64)
    matrix = jax.ShapeDtypeStruct((n, n), np.float64)
    params = ({"w": matrix, "b": vector},) * num_layers
    programs = (
      lambda p, x, y: nf.mlp.apply(p, x, activations),
      lambda p, x, y: nf.mlp.backpropagation(
        p, x, y, activations, _loss.quadratic
      ),
      lambda p, x, y: theory.forward_accumulation(p, x, activations),
    )
    lowered = [jax.jit(f).lower(params, vector, vector) for f in programs]
    rows.append([program.cost_analysis()["flops"] for program in lowered])
  return {
    "widths": np.array(widths),
    "num_layers": np.array(num_layers),
    "operations": np.array(rows),
  }
