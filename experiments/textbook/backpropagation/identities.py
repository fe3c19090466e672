"""Identities of backpropagation, and its cost and direction, in float64."""

import functools
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import flatten_util
from jax import numpy as jnp
from scipy import optimize

import nnfun as nf
from experiments import sweeps
from experiments.textbook.backpropagation import networks

_NUM_NETWORKS, _NUM_DIRECTIONS = 8, 1024
_NUM_LAYERS, _WIDTHS = 4, (16, 64, 256)
_LENGTH = 1e-5  # eps of a step: its square is beyond what is looked at.


class Costs(NamedTuple):
  """Operations as XLA counts them, over those of a pass for the cost alone."""

  widths: np.ndarray  # n, of the input and every layer  [W]
  num_layers: np.ndarray  # N  []
  backward: np.ndarray  # Of backpropagation  [W]
  forward: np.ndarray  # Of forward accumulation  [W]


def costs() -> Costs:
  """Counts operations of programs as they are written; no arrays are made."""
  layers = (nf.activations.sigmoid,) * _NUM_LAYERS
  network = networks.Network("", (), layers, nf.losses.quadratic)
  programs = (
    network.cost_of,
    network.by_hand,
    lambda p, x, y: networks.forward_accumulation(network, p, x),
  )
  counted = []
  for n in _WIDTHS:
    vector = jax.ShapeDtypeStruct((n,), np.float64)
    matrix = jax.ShapeDtypeStruct((n, n), np.float64)
    params = ({"w": matrix, "b": vector},) * _NUM_LAYERS
    lowered = [jax.jit(f).lower(params, vector, vector) for f in programs]
    counted.append([program.cost_analysis()["flops"] for program in lowered])
  plain, backward, forward = np.array(counted).T
  sizes = np.array(_WIDTHS), np.array(_NUM_LAYERS)
  return Costs(*sizes, backward / plain, forward / plain)


def steepest(rng: np.random.Generator) -> dict[str, np.ndarray]:
  """Returns norm(grad C), and falls of C over eps by steps of length eps."""
  network = networks.SIGMOIDS
  one = jax.tree.map(lambda leaf: leaf[0], network.draw(1, rng))
  theta, unravel = flatten_util.ravel_pytree(one[0])
  by_hand = functools.partial(networks.batch_gradient, network)
  g = flatten_util.ravel_pytree(sweeps.quick_jit(by_hand)(*one))[0]
  cost = sweeps.quick_jit(lambda w: network.mean_cost(unravel(w), *one[1:]))
  theta, at_start = np.asarray(theta), float(cost(theta))

  def fall(u):
    step = _LENGTH * u / np.linalg.norm(u)
    return (at_start - float(cost(theta + step))) / _LENGTH

  directions = rng.normal(size=(_NUM_DIRECTIONS, theta.size))
  start = directions[0] / np.linalg.norm(directions[0])
  search = optimize.minimize(lambda u: -fall(u), start, options={"eps": 1e-4})
  found = {
    "norm": np.linalg.norm(g),
    "along": fall(-np.asarray(g)),
    "random": max(map(fall, directions)),
    "searched": fall(search.x),
  }
  return {name: np.array(value) for name, value in found.items()}


def identities(rng: np.random.Generator) -> dict[str, dict[str, np.ndarray]]:
  """Returns relative errors by claim and formula, the largest over networks."""
  draws = [network.draw(_NUM_NETWORKS, rng) for *_, network in _JOBS]

  @sweeps.quick_jit
  def measure(draws):
    found = {key: {} for key, *_ in _JOBS}
    for (key, formulas, network), draw in zip(_JOBS, draws, strict=True):
      errors = jax.vmap(functools.partial(formulas, network))(*draw)
      found[key] |= jax.tree.map(jnp.max, errors)
    return found

  return jax.tree.map(np.asarray, measure(draws))


def _error(actual, expected):
  """Relative, over all numbers of two pytrees."""
  difference = optax.tree.sub(actual, expected)
  return optax.tree.norm(difference) / optax.tree.norm(expected)


# Below: (network, params, xs, ys) -> {formula: error}.


def _gradient(network, params, xs, ys):
  example = params, xs[0], ys[0]
  expected = jax.grad(network.cost_of)(*example)
  return {network.name: _error(network.by_hand(*example), expected)}


def _batch(network, params, xs, ys):
  expected = jax.grad(network.mean_cost)(params, xs, ys)
  hand = networks.batch_gradient(network, params, xs, ys)
  return {network.name: _error(hand, expected)}


def _step(network, params, xs, ys):
  fitted = nf.minibatch.fit(
    network.cost_of,
    optax.sgd(0.1),
    params,
    jax.random.key(0),
    *(xs, ys),
    batch_size=len(xs),
    num_epochs=1,
  )
  taken = optax.tree.sub(params, fitted.params)
  hand = networks.batch_gradient(network, params, xs, ys)
  return {network.name: _error(optax.tree.scale(0.1, hand), taken)}


def _biases_and_weights(network, params, xs, ys):
  x, y = xs[0], ys[0]
  expected = jax.grad(network.cost_of)(params, x, y)
  deltas = [layer["b"] for layer in network.by_hand(params, x, y)]
  inputs = (x, *nf.mlp.forward(params, x, network.activations).outputs[:-1])
  by_weight = [*map(jnp.outer, deltas, inputs)]
  return {
    "dC/db_j = delta_j": _error(deltas, [g["b"] for g in expected]),
    "dC/dw_jk = a_k delta_j": _error(by_weight, [g["w"] for g in expected]),
  }


def _forward(network, params, xs, ys):
  x, y = xs[0], ys[0]
  h, influence = networks.forward_accumulation(network, params, x)

  def pull(d):  # dC / dh_k d_k..., summed over k.
    return jnp.tensordot(jax.grad(network.cost)(h, y), d, 1)

  _, printed = networks.forward_accumulation(network, params, x, True)
  hs = nf.mlp.forward(params, x, network.activations).outputs
  corrected = tuple(  # sigma' = h (1 - h) of a sigmoid.
    {"w": pull(d["w"]) * (1 - h)[:, jnp.newaxis], "b": pull(d["b"]) * (1 - h)}
    for d, h in zip(printed, hs, strict=True)
  )
  output = functools.partial(nf.mlp.apply, x=x, activations=network.activations)
  hand = network.by_hand(params, x, y)
  return {
    "dh/dw by autodiff": _error(influence, jax.jacfwd(output)(params)),
    "times dC/dh": _error(jax.tree.map(pull, influence), hand),
    "as printed": _error(jax.tree.map(pull, printed), hand),
    "as printed, times 1 - h_i": _error(corrected, hand),
  }


def _rtrl(network, params, xs, ys):
  """Ties all layers: an autonomous recurrent network of as many steps."""
  (layer,), (tanh,), x, num_steps = params, network.activations, xs[0], 5
  deep = network._replace(activations=(tanh,) * num_steps)
  _, influences = networks.forward_accumulation(deep, params * num_steps, x)
  cell = nf.Cell(
    init=lambda key: layer,
    initial_state=lambda: x,
    step=lambda params, h_tm1, x_t: tanh(params["w"] @ h_tm1 + params["b"]),
  )
  online = nf.training.episode_gradient(
    nf.estimators.rtrl(cell, lambda _, h_t, y_t: jnp.vdot(y_t, h_t)),
    {"cell": layer, "readout": ()},
    jax.random.key(0),
    jnp.zeros((num_steps, 1)),
    jnp.zeros((num_steps, len(x))).at[-1].set(ys[0]),  # y^T h at the end.
    segment=1,
  )
  hand = jax.tree.map(lambda *d: jnp.tensordot(ys[0], sum(d), 1), *influences)
  return {network.name + " against RTRL": _error(hand, online.grads["cell"])}


def _regression(network, params, xs, ys):
  x, label = xs[0], jnp.argmax(ys[0])
  z, e = params[0]["w"] @ x + params[0]["b"], jax.nn.one_hot(label, len(ys[0]))
  a = jnp.exp(z) / jnp.sum(jnp.exp(z))
  (found,) = network.by_hand(params, x, e)
  by_a = jax.grad(nf.losses.cross_entropy)(a, e)
  by_logits = nf.losses.softmax_cross_entropy_with_integer_labels
  return {
    "dl/da = -e_y / a_y": _error(-e / a[label], by_a),
    "dl/dz = a - e_y": _error(a - e, jax.grad(by_logits)(z, label)),
    "dl/dW = (a - e_y) x^T": _error(jnp.outer(a - e, x), found["w"]),
    "dl/db = a - e_y": _error(a - e, found["b"]),
  }


_JOBS = (
  ("four-equations", _gradient, networks.SOFTMAX),
  ("four-equations", _gradient, networks.TANH),
  ("four-equations", _gradient, networks.KINKED),
  ("biases-and-weights", _biases_and_weights, networks.TANH),
  ("batch", _batch, networks.KINKED),
  ("step", _step, networks.TANH),
  ("recurrence", _forward, networks.SIGMOIDS),
  ("recurrence", _rtrl, networks.RECURRENT),
  ("softmax-regression", _regression, networks.SOFTMAX),
)
