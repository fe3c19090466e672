"""Identities of backpropagation, measured in float64 on random networks.

An error is norm(a - b) / norm(b) over all numbers of two pytrees, and the
largest over the networks drawn.
"""

import functools
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import flatten_util
from jax import numpy as jnp

import nnfun as nf
from experiments import sweeps
from experiments.textbook.backpropagation import networks, theory

_act, _loss = nf.activations, nf.losses


class Errors(NamedTuple):
  """Largest errors of N formulas."""

  names: np.ndarray  # [N]
  values: np.ndarray  # [N]


class Identities(NamedTuple):
  """Formulas by what they are about."""

  gradients: Errors  # Of networks of one to four layers.
  batches: Errors  # All examples in one matrix.
  step: Errors  # Of mini-batch descent by that matrix, against the library.
  differences: Errors  # Bias and weight gradients, against differences of C.
  recurrence: Errors  # Forward accumulation; then with its printed base case.
  regression: Errors  # Softmax regression, by autodiff of the loss.
  output_layer: Errors  # The same by backpropagation.
  losses: Errors  # Values, and derivatives, as printed.


class Costs(NamedTuple):
  """Operations as XLA counts them, for widths n."""

  widths: np.ndarray  # n, of the input and every layer  [W]
  num_layers: np.ndarray  # N  []
  plain: np.ndarray  # Of a pass without derivatives  [W]
  backward: np.ndarray  # Of backpropagation  [W]
  forward: np.ndarray  # Of forward accumulation  [W]


def identities(num_networks: int, rng: np.random.Generator) -> Identities:
  """Compares what is written by hand with automatic differentiation."""
  jobs = (
    ("gradients", _gradient, "softmax, one layer", networks.SOFTMAX),
    ("gradients", _gradient, "sigmoids, two layers", networks.SHALLOW),
    ("gradients", _gradient, "tanh and sigmoid, three layers", networks.DEEP),
    ("gradients", _gradient, "four kinds in four layers", networks.KINKED),
    ("batches", _batch_gradient, "sigmoids, two layers", networks.SHALLOW),
    ("batches", _batch_gradient, "four kinds in four layers", networks.KINKED),
    ("step", _step, "", networks.DEEP),
    ("differences", _differences, "", networks.DEEP),
    ("recurrence", _forward, "", networks.SIGMOIDS),
    ("recurrence", _rtrl, "", networks.RECURRENT),
    ("regression", _regression, "", networks.SOFTMAX),
    ("output_layer", _output_layer, "", networks.SOFTMAX),
    ("losses", _losses, "", networks.SOFTMAX),
  )

  @sweeps.quick_jit
  def every(draws):
    return [
      jax.vmap(functools.partial(pairs, network))(*drawn)
      for (_, pairs, _, network), drawn in zip(jobs, draws, strict=True)
    ]

  found = every(
    [networks.draw(network, num_networks, rng) for *_, network in jobs]
  )
  errors = {name: {} for name in Identities._fields}
  for (name, _, kind, _), pairs in zip(jobs, found, strict=True):
    errors[name] |= {kind or what: _worst(*p) for what, p in pairs.items()}
  return Identities(
    *(
      Errors(np.array(list(e)), np.array([*e.values()]))
      for e in errors.values()
    )
  )


def _worst(actual, expected):
  actual, expected = map(_flat, (actual, expected))
  error = np.linalg.norm(actual - expected, axis=1)
  return np.max(error / np.linalg.norm(expected, axis=1))


def _flat(tree):
  leaves = map(np.asarray, jax.tree.leaves(tree))
  return np.concatenate([x.reshape(len(x), -1) for x in leaves], axis=1)


# Below: (network, params, xs, ys) -> {formula: (by hand, expected)}.


def _gradient(network, params, xs, ys):
  example = params, xs[0], ys[0]
  return {
    "": (
      networks.by_hand(network, *example),
      jax.grad(networks.cost_of, 1)(network, *example),
    )
  }


def _batch_gradient(network, params, xs, ys):
  hand = theory.batch_gradient(
    params, xs, ys, network.activations, network.cost
  )
  return {"": (hand, jax.grad(networks.mean_cost, 1)(network, params, xs, ys))}


def _step(network, params, xs, ys):
  hand = theory.batch_gradient(
    params, xs, ys, network.activations, network.cost
  )
  after = nf.minibatch.fit(
    functools.partial(networks.cost_of, network),
    optax.sgd(0.1),
    params,
    jax.random.key(0),
    xs,
    ys,
    batch_size=len(xs),
    num_epochs=1,
  ).params
  taken = optax.tree.sub(params, after)
  return {
    "w - w' = eta / m sum delta a^T": (optax.tree.scale(0.1, hand), taken)
  }


def _differences(network, params, xs, ys):
  flat, unravel = flatten_util.ravel_pytree(params)
  steps = 1e-5 * jnp.eye(flat.size)

  def cost(theta):
    return networks.cost_of(network, unravel(theta), xs[0], ys[0])

  change = jax.vmap(lambda step: cost(flat + step) - cost(flat - step))(steps)
  hand, found = (
    networks.by_hand(network, params, xs[0], ys[0]),
    unravel(change / 2e-5),
  )
  return {
    name: ([layer[k] for layer in hand], [layer[k] for layer in found])
    for name, k in (("dC/db_j = delta_j", "b"), ("dC/dw_jk = a_k delta_j", "w"))
  }


def _forward(network, params, xs, ys):
  x, y, activations = xs[0], ys[0], network.activations
  accumulate = functools.partial(
    theory.forward_accumulation, params, x, activations
  )
  h, influence = accumulate()

  def pull(d):  # dC / dh_k d_k..., summed over k.
    return jnp.tensordot(jax.grad(network.cost)(h, y), d, 1)

  hand = networks.by_hand(network, params, x, y)
  hs = nf.mlp.forward(params, x, activations).outputs
  wrong = tuple(
    {"w": g["w"] / (1 - h)[:, jnp.newaxis], "b": g["b"] / (1 - h)}
    for g, h in zip(hand, hs, strict=True)
  )
  output = functools.partial(nf.mlp.apply, x=x, activations=activations)
  printed = jax.tree.map(pull, accumulate(as_printed=True)[1])
  return {
    "dh/dw against forward-mode autodiff": (
      influence,
      jax.jacfwd(output)(params),
    ),
    "times dC/dh against backpropagation": (
      jax.tree.map(pull, influence),
      hand,
    ),
    "printed": (printed, hand),
    "printed, over 1 - h_i": (printed, wrong),
  }


def _rtrl(network, params, xs, ys):
  """Ties all layers: an autonomous recurrent network of as many steps."""
  (layer,), x, y, num_steps = params, xs[0], ys[0], 5
  (tanh,) = network.activations
  cell = nf.Cell(
    init=lambda key: layer,
    initial_state=lambda: x,
    step=lambda params, h_tm1, x_t: tanh(params["w"] @ h_tm1 + params["b"]),
  )
  h, influence = theory.forward_accumulation(
    (layer,) * num_steps, x, (tanh,) * num_steps
  )
  total = jax.tree.map(lambda *d: sum(d), *influence)
  is_last = jnp.arange(num_steps) == num_steps - 1
  online = nf.training.episode_gradient(
    nf.estimators.rtrl(
      cell, lambda _, h_t, y_t: y_t.weight * network.cost(h_t, y_t.value)
    ),
    {"cell": layer, "readout": ()},
    jax.random.key(0),
    jnp.zeros((num_steps, 1)),
    nf.Target(jnp.tile(y, (num_steps, 1)), is_last),
    segment=1,
  )
  hand = jax.tree.map(lambda d: jnp.tensordot(h - y, d, 1), total)
  return {"tied layers against RTRL": (hand, online.grads["cell"])}


def _regression(network, params, xs, ys):
  del network
  (layer,), x, label = params, xs[0], jnp.argmax(ys[0])
  nll = _loss.softmax_cross_entropy_with_integer_labels

  def logits(layer):
    return layer["w"] @ x + layer["b"]

  z, e = logits(layer), jax.nn.one_hot(label, len(ys[0]))
  a = jnp.exp(z) / jnp.sum(jnp.exp(z))
  auto = jax.grad(lambda layer: nll(logits(layer), label))(layer)
  return {
    "dl/da = -e_y / a_y": (-e / a[label], jax.grad(_loss.cross_entropy)(a, e)),
    "dl/dz = a - e_y": (a - e, jax.grad(nll)(z, label)),
    "dl/dW = (a - e_y) x^T": (jnp.outer(a - e, x), auto["w"]),
    "dl/db = a - e_y": (a - e, auto["b"]),
  }


def _output_layer(network, params, xs, ys):
  (found,) = networks.by_hand(network, params, xs[0], ys[0])
  error = nf.mlp.apply(params, xs[0], network.activations) - ys[0]
  return {
    "dC/db_j = a_j - y_j": (error, found["b"]),
    "dC/dw_jk = a_k (a_j - y_j)": (jnp.outer(error, xs[0]), found["w"]),
  }


def _losses(network, params, xs, ys):
  """Takes inputs for outputs: any numbers will do."""
  del network, params, ys
  z, other = xs[0], xs[1]
  y, e = jnp.where(other > 0, 1.0, 0.0), jax.nn.one_hot(2, len(z))
  a, p = 1 / (1 + jnp.exp(-z)), jnp.exp(z) / jnp.sum(jnp.exp(z))
  binary = -jnp.sum(y * jnp.log(a) + (1 - y) * jnp.log(1 - a))
  by_a = -y / a + (1 - y) / (1 - a)
  return {
    "squared": (jnp.sum((z - other) ** 2) / 2, _loss.quadratic(z, other)),
    "binary": (binary, _loss.binary_cross_entropy(a, y)),
    "binary, by logits": (binary, _loss.sigmoid_cross_entropy(z, y)),
    "classes": (-jnp.log(p[2]), _loss.cross_entropy(p, e)),
    "classes, by logits": (-jnp.log(p[2]), _loss.softmax_cross_entropy(z, e)),
    "dJ/da, binary": (by_a, jax.grad(_loss.binary_cross_entropy)(a, y)),
    "dJ/dz, binary": (a - y, jax.grad(_loss.sigmoid_cross_entropy)(z, y)),
  }


def costs(widths: tuple[int, ...], num_layers: int) -> Costs:
  """Counts operations of programs as they are written; no arrays are made."""
  activations = [_act.sigmoid] * num_layers
  programs = (
    lambda p, x, y: nf.mlp.apply(p, x, activations),
    lambda p, x, y: nf.mlp.backpropagation(
      p, x, y, activations, _loss.quadratic
    ),
    lambda p, x, y: theory.forward_accumulation(p, x, activations),
  )
  counted = []
  for n in widths:
    vector = jax.ShapeDtypeStruct((n,), np.float64)
    matrix = jax.ShapeDtypeStruct((n, n), np.float64)
    params = ({"w": matrix, "b": vector},) * num_layers
    lowered = [jax.jit(f).lower(params, vector, vector) for f in programs]
    counted.append([program.cost_analysis()["flops"] for program in lowered])
  return Costs(np.array(widths), np.array(num_layers), *np.array(counted).T)
