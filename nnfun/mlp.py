"""The multilayer perceptron, with backpropagation written out by hand.

Parameters are a tuple of layers {"w": [out, in], "b": [out]}, first layer
first. Layer l computes z^l = w^l a^{l-1} + b^l and a^l = sigma^l(z^l) with
a^0 = x; `activations` names one `Activation` for each layer, the last too.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

from nnfun import activations as activations_lib
from nnfun import base

Activation = activations_lib.Activation
Cost = Callable[[base.Array, base.PyTree], base.Array]
Initializer = jax.nn.initializers.Initializer


def init(
  key: base.Array,
  sizes: Sequence[int],
  *,
  weight_init: Initializer | None = None,
  bias_init: Initializer = jax.nn.initializers.zeros,
  dtype: jax.typing.DTypeLike | None = None,
) -> base.Params:
  """Draws the parameters of a network.

  Args:
    key: randomness.
    sizes: units of the input and of each layer, [I, N_1, ..., N_L].
    weight_init: of each w [out, in], whose fan-in is the last axis; LeCun
      normal (variance 1 / fan-in) by default.
    bias_init: of each b [out].
    dtype: of all parameters, None for JAX's default floating dtype.

  Returns:
    A tuple of L layers {"w": [N_l, N_{l-1}], "b": [N_l]}.

  Raises:
    ValueError: if there are fewer than two sizes or one is not a positive
      integer.

  >>> jax.tree.map(jnp.shape, init(jax.random.key(0), [2, 3, 1]))
  ({'b': (3,), 'w': (3, 2)}, {'b': (1,), 'w': (1, 3)})
  """
  are_counts = all(isinstance(n, int | np.integer) and n > 0 for n in sizes)
  if len(sizes) < 2 or not are_counts:
    raise ValueError(
      "expected sizes [inputs, ..., outputs], two or more positive integers, "
      f"got {list(sizes)}"
    )
  weight_init = weight_init or jax.nn.initializers.lecun_normal(
    in_axis=-1, out_axis=-2
  )

  def layer(key, num_inputs, num_units):
    key_weights, key_biases = jax.random.split(key)
    return {
      "w": weight_init(key_weights, (num_units, num_inputs), dtype),
      "b": bias_init(key_biases, (num_units,), dtype),
    }

  keys = jax.random.split(key, len(sizes) - 1)
  return tuple(map(layer, keys, sizes[:-1], sizes[1:]))


class Forward(NamedTuple):
  """What the layers compute for one example, first layer first."""

  preactivations: tuple[base.Array, ...]  # z^1 ... z^L
  outputs: tuple[base.Array, ...]  # a^1 ... a^L


def forward(
  params: base.Params, x: base.Array, activations: Sequence[Activation]
) -> Forward:
  """Computes every layer.

    z^l = w^l a^{l-1} + b^l,  a^l = sigma^l(z^l),  a^0 = x.

  Args:
    params: the layers, w [N_l, N_{l-1}].
    x: one input [I].
    activations: sigma^1 ... sigma^L.

  Returns:
    z^l and a^l of every layer.

  Raises:
    ValueError: if x or a layer has another size than the layer above it
      expects, or there is not one activation for each layer.
  """
  _check(params, x, activations)
  preactivations, outputs = [], [x]
  for layer, activation in zip(params, activations, strict=True):
    preactivations.append(layer["w"] @ outputs[-1] + layer["b"])
    outputs.append(activation(preactivations[-1]))
  return Forward(tuple(preactivations), tuple(outputs[1:]))


def apply(
  params: base.Params, x: base.Array, activations: Sequence[Activation]
) -> base.Array:
  """Returns the output a^L of the network for one input.

  Args:
    params: the layers, w [N_l, N_{l-1}].
    x: one input [I].
    activations: sigma^1 ... sigma^L, here also plain functions.

  Returns:
    [N_L].

  Raises:
    ValueError: as `forward` does.

  >>> xor = (
  ...   {"w": jnp.array([[1.0, 1.0], [1.0, 1.0]]), "b": jnp.array([0.0, -1.0])},
  ...   {"w": jnp.array([[1.0, -2.0]]), "b": jnp.array([0.0])},
  ... )
  >>> layers = [activations_lib.relu, activations_lib.identity]
  >>> [
  ...   float(apply(xor, jnp.array(x), layers)[0])
  ...   for x in ([0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0])
  ... ]
  [0.0, 1.0, 1.0, 0.0]
  """
  return forward(params, x, activations).outputs[-1]


def backpropagation(
  params: base.Params,
  x: base.Array,
  y: base.PyTree,
  activations: Sequence[Activation],
  cost: Cost,
) -> base.Estimate:
  """Returns the cost of one example and its gradient, by the four equations.

    delta^L = grad_a C * sigma'(z^L)                       (BP1)
    delta^l = (w^{l+1})^T delta^{l+1} * sigma'(z^l)        (BP2)
    dC / d b^l = delta^l                                   (BP3)
    dC / d w^l = delta^l (a^{l-1})^T                       (BP4)

  with * elementwise. Where an activation mixes the units of its layer, as
  softmax does, its slope is the Jacobian J and * means J^T in its place.

  The equations take grad_a C as given: it is `jax.grad` of the cost alone, no
  network in it. It can be infinite where sigma' underflows to 0 (a saturated
  sigmoid or softmax under a cross-entropy). Then leave the last activation to
  the cost: the identity with `losses.sigmoid_cross_entropy` or
  `losses.softmax_cross_entropy` gives delta^L = a - y.

  Args:
    params: the layers, w [N_l, N_{l-1}].
    x: one input [I].
    y: the target, whatever the cost takes.
    activations: sigma^1 ... sigma^L.
    cost: (a^L, y) -> scalar.

  Returns:
    The cost, and its gradient in structure and dtypes of the parameters.

  Raises:
    ValueError: as `forward` does, or if a slope has a wrong shape.

  References:
    Nielsen, Neural networks and deep learning, 2015, chapter 2,
    http://neuralnetworksanddeeplearning.com/chap2.html
  """
  preactivations, outputs = forward(params, x, activations)
  loss, cost_gradient = jax.value_and_grad(cost)(outputs[-1], y)
  inputs = (x, *outputs[:-1])
  delta = _pull(activations[-1], preactivations[-1], cost_gradient)
  grads = [_layer_gradient(delta, inputs[-1])]
  for i in reversed(range(len(params) - 1)):
    error = params[i + 1]["w"].T @ delta
    delta = _pull(activations[i], preactivations[i], error)
    grads.append(_layer_gradient(delta, inputs[i]))
  # An input in a wider dtype widens all that is computed from it.
  grads = jax.tree.map(
    lambda g, p: g.astype(jnp.result_type(p)), tuple(reversed(grads)), params
  )
  return base.Estimate(loss=loss, grads=grads)


def _layer_gradient(delta, layer_input):
  return {"w": jnp.outer(delta, layer_input), "b": delta}


def _pull(activation, z, error):
  """Returns dC / dz from dC / da: (da / dz)^T error."""
  slope = activation.slope(z)
  if slope.shape == z.shape:
    return error * slope
  if slope.shape == z.shape * 2:
    return slope.T @ error
  raise ValueError(
    f"expected a slope of shape {list(z.shape)} (elementwise) or "
    f"{list(z.shape * 2)} (a Jacobian), got {list(slope.shape)}"
  )


def _check(params, x, activations):
  """Checks that layers, input and activations fit one another."""
  if not len(params) == len(activations) > 0:
    raise ValueError(
      "expected one activation for each layer, and a layer at least, got "
      f"{len(activations)} activations and {len(params)} layers"
    )
  size = jnp.shape(x)
  for i, layer in enumerate(params):
    w, b = jnp.shape(layer["w"]), jnp.shape(layer["b"])
    if len(size) != 1 or len(w) != 2 or w[1:] != size or b != w[:1]:
      what = "x" if i == 0 else f"the output of layer {i}"
      raise ValueError(
        f"expected layer {i + 1} with w [out, in] and b [out] and its input "
        f"[in] (one example, `jax.vmap` adds the batch), got w {list(w)}, b "
        f"{list(b)} and {what} {list(size)}"
      )
    size = b
