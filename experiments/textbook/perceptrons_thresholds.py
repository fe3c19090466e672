"""Threshold networks under scaling, and what sigmoid networks tend to.

A network is in the form of `nf.mlp`, leaves [M, ...] for M of them. All is
meant to be called under float64.
"""

import functools
import itertools
from collections.abc import Sequence

import jax
import numpy as np
import optax
from jax import numpy as jnp

import nnfun as nf

_act = nf.activations
# For programs that run for milliseconds and compile for seconds.
jit = functools.partial(
  jax.jit, compiler_options={"xla_backend_optimization_level": 0}
)


def binary_inputs(num_inputs: int) -> np.ndarray:
  """Returns all inputs of zeros and ones, [2^n, n]."""
  return np.array(list(itertools.product((0.0, 1.0), repeat=num_inputs)))


def scaling(
  seed: int, sizes: Sequence[int], num_networks: int
) -> dict[str, np.ndarray]:
  """Multiplies weights and biases of perceptrons by positive constants.

  Args:
    seed: of networks and inputs.
    sizes: inputs and units of each layer.
    num_networks: M.

  Returns:
    `num_compared`, the outputs of neurons looked at for each constant, and how
    many of them change: `changed_binary`, `changed_real` [13] on all binary and
    on normal inputs at c = 10^-6 ... 10^6; `changed_ties` [13] at
    c = 2^-24 ... 2^24 in networks of small integers, where `num_ties` weighted
    inputs are 0; `changed_zero` at c = 0, and `num_firing` at c = 1.
  """
  rng = np.random.default_rng(seed)
  binary = binary_inputs(sizes[0])
  reals = rng.normal(size=binary.shape)
  normal = draw(rng, sizes, num_networks)
  integers = jax.tree.map(
    lambda leaf: np.round(1.2 * leaf), draw(rng, sizes, num_networks)
  )
  tens, twos = 10.0 ** np.arange(-6, 7), 2.0 ** np.arange(-24, 25, 4)

  @jit
  def count(params, xs, scales):
    outputs, ties = _threshold_outputs(params, xs)

    def changed(c):
      scaled = jax.tree.map(lambda leaf: c * leaf, params)
      return jnp.sum(_threshold_outputs(scaled, xs)[0] != outputs)

    return jax.lax.map(changed, scales), jnp.sum(ties), jnp.sum(outputs)

  changed_binary, _, firing = count(normal, binary, tens)
  changed_ties, num_ties, _ = count(integers, binary, twos)
  return {
    "num_compared": len(binary) * num_networks * sum(sizes[1:]),
    "changed_binary": changed_binary,
    "changed_real": count(normal, reals, tens)[0],
    "changed_ties": changed_ties,
    "num_ties": num_ties,
    "changed_zero": count(normal, binary, np.zeros(13))[0][0],
    "num_firing": firing,
  }


def draw(
  rng: np.random.Generator, sizes: Sequence[int], num_networks: int
) -> nf.base.Params:
  """Draws weights and biases from N(0, 1).

  Args:
    rng: randomness.
    sizes: inputs and units of each layer.
    num_networks: M.

  Returns:
    Layers {"w": [M, out, in], "b": [M, out]}.
  """
  return tuple(
    {
      "w": rng.normal(size=(num_networks, n, m)),
      "b": rng.normal(size=(num_networks, n)),
    }
    for m, n in zip(sizes[:-1], sizes[1:], strict=True)
  )


def _threshold_outputs(params, xs):
  """Returns the outputs of all neurons [M, X, N], and where z = 0."""

  def one(params, x):
    layers = [_act.threshold] * len(params)
    z, a = nf.mlp.forward(params, x, layers)
    return jnp.concatenate(a), jnp.concatenate(z) == 0

  return jax.vmap(jax.vmap(one, (None, 0)), (0, None))(params, xs)


def limit(
  seed: int, sizes: Sequence[int], num_networks: int
) -> dict[str, np.ndarray]:
  """Lets the weights of sigmoid networks grow, against their perceptrons.

  The constants c = t / m are powers of two, which scale without rounding; m is
  the least abs(z) of all perceptrons of a network over all binary inputs. With
  the error d of the layer before, a neuron errs at most by
  exp(-c (abs(z) - sum_j abs(w_j) d_j)).

  Args:
    seed: of the networks.
    sizes: inputs and units of each layer.
    num_networks: M.

  Returns:
    `times` t, near 0.1 ... 300, and `worst`, the log of the largest error of
    any neuron for any input, [M, T]; `excess`, by how much the log of an error
    is above that of its bound at most, relative to 1 - log(bound); in the first
    layer the ratios of error and bound, largest and least, `first_ratios` [2];
    and `rounding`, the largest relative error of a weighted input.
  """
  times = np.logspace(-1, 2.5, 29)
  params = draw(np.random.default_rng(seed), sizes, num_networks)
  xs = binary_inputs(sizes[0])
  found = jit(
    lambda params: jax.lax.map(lambda p: _limit(p, xs, times), params)
  )(params)
  worst, times, excess, first, rounding = map(np.asarray, found)
  return {
    "times": times,
    "worst": worst,
    "excess": np.max(excess),
    "first_ratios": np.array([np.max(first[:, 0]), np.min(first[:, 1])]),
    "rounding": np.max(rounding),
  }


def _limit(params, xs, times):
  def hard(x):
    return nf.mlp.forward(params, x, [_act.threshold] * len(params))

  z, a = jax.vmap(hard)(xs)
  margin = jnp.min(jnp.abs(jnp.concatenate(z, axis=1)))

  def at(c):
    scaled = jax.tree.map(lambda leaf: c * leaf, params)
    soft = jax.vmap(
      lambda x: nf.mlp.forward(scaled, x, [_act.sigmoid] * len(params))
    )(xs)
    logs, bounds, error = [], [], jnp.zeros_like(xs)
    for layer, z_l, a_l, soft_z in zip(
      params, z, a, soft.preactivations, strict=True
    ):
      # log(1 - sigma(z)) for a perceptron that fires: no digit is lost.
      logs.append(jax.nn.log_sigmoid(jnp.where(a_l > 0, -soft_z, soft_z)))
      reach = error @ jnp.abs(layer["w"]).T
      bounds.append(-c * jnp.maximum(jnp.abs(z_l) - reach, 0))
      error = jnp.exp(bounds[-1])
    log, bound = (jnp.concatenate(v, axis=1) for v in (logs, bounds))
    # Relative, for some exponents are -1e8.
    excess = jnp.max((log - bound) / (1 - bound))
    # Where exponents have all their digits.
    ratio = jnp.where(bounds[0] > -1e3, jnp.exp(logs[0] - bounds[0]), jnp.nan)
    first = jnp.stack([jnp.nanmax(ratio), jnp.nanmin(ratio)])
    return jnp.max(log), excess, first

  scales = jnp.ldexp(1.0, jnp.round(jnp.log2(times / margin)).astype(int))
  worst, excess, first = jax.lax.map(at, scales)
  first = jnp.stack([jnp.nanmax(first), jnp.nanmin(first)])
  terms = [jnp.sum(jnp.abs(p["w"]), 1) + jnp.abs(p["b"]) for p in params]
  rounding = jnp.finfo(float).eps * jnp.max(jnp.concatenate(terms)) / margin
  return worst, scales * margin, jnp.max(excess), first, rounding


def at_zero() -> dict[str, np.ndarray]:
  """Builds a network on w.x + b = 0, where perceptron and sigmoid differ.

  A hidden neuron sees x1 - x2, which is 0 for two of the four binary inputs;
  the output fires if the hidden one is above 1/4.

  Returns:
    For c = 1, 10 ... 10^6 the sigmoid network's `zero_hidden` [7] at (1, 1) and
    its `zero_outputs` [7, 4]; the perceptrons' `zero_hidden_perceptron` [] and
    `zero_perceptron` [4].
  """
  params = (
    {"w": jnp.array([[1.0, -1.0]]), "b": jnp.array([0.0])},
    {"w": jnp.array([[1.0]]), "b": jnp.array([-0.25])},
  )
  xs = jnp.asarray(binary_inputs(2))

  def outputs(c, activation):
    scaled = jax.tree.map(lambda leaf: c * leaf, params)
    layers = [activation] * 2
    return jax.vmap(lambda x: nf.mlp.forward(scaled, x, layers).outputs)(xs)

  hidden, out = jit(jax.vmap(lambda c: outputs(c, _act.sigmoid)))(
    10.0 ** np.arange(7)
  )
  hard_hidden, hard_out = jit(lambda: outputs(1.0, _act.threshold))()
  return {
    "zero_hidden": hidden[:, -1, 0],
    "zero_outputs": out[..., 0],
    "zero_hidden_perceptron": hard_hidden[-1, 0],
    "zero_perceptron": hard_out[:, 0],
  }


def threshold_cost(
  seed: int, xs: np.ndarray, ys: np.ndarray, num_points: int
) -> dict[str, np.ndarray]:
  """Measures the slope of the error rate of perceptrons in their weights.

  Args:
    seed: of the networks 2-4-1 and directions.
    xs: points [N, 2].
    ys: their classes [N].
    num_points: networks K, a direction for each.

  Returns:
    For `steps` h [3] along the direction `cost_changes`, in what fraction of
    the networks the cost changes, with `num_points` for its error; and
    `cost_jump`, the least change in units of 1 / N.
  """
  rng = np.random.default_rng(seed)
  sizes, steps = (2, 4, 1), np.array([1e-2, 1e-3, 1e-9])
  params, directions = (draw(rng, sizes, num_points) for _ in range(2))

  def cost(params):
    layers = [_act.threshold] * 2
    y = jax.vmap(lambda x: nf.mlp.apply(params, x, layers)[0])(xs)
    return jnp.mean(jnp.square(y - ys))

  def one(params, direction):
    size = optax.tree.norm(direction)
    moved = jax.lax.map(
      lambda h: cost(
        jax.tree.map(lambda p, d: p + h / size * d, params, direction)
      ),
      steps,
    )
    return jnp.abs(moved - cost(params))

  change = np.asarray(jit(jax.vmap(one))(params, directions))
  jumps = change[change > 0] * len(xs)
  return {
    "steps": steps,
    "cost_changes": np.mean(change > 0, axis=0),
    "num_points": num_points,
    "cost_jump": np.min(jumps) if jumps.size else np.nan,
  }
