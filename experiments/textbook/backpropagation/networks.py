"""Random networks of several kinds, and their gradients written out by hand.

Matrices of a batch have one column for each example, as in the sources; the
parameters are those of `nf.mlp`. Nothing here differentiates through a layer
automatically.
"""

from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf

_act, _loss = nf.activations, nf.losses
Params = nf.base.Params


class Network(NamedTuple):
  """A kind of network, and the cost it is trained with."""

  name: str
  sizes: tuple[int, ...]  # Of the input and of each layer.
  activations: tuple[_act.Activation, ...]
  cost: nf.mlp.Cost

  def draw(
    self, num_networks: int, rng: np.random.Generator
  ) -> tuple[Params, np.ndarray, np.ndarray]:
    """Draws parameters [S, ...], xs [S, M, I], distributions ys [S, M, O]."""
    params = tuple(
      {
        "w": rng.normal(size=(num_networks, n, m)) / m**0.5,
        "b": rng.normal(size=(num_networks, n)),
      }
      for m, n in zip(self.sizes[:-1], self.sizes[1:], strict=True)
    )
    xs = rng.normal(size=(num_networks, 6, self.sizes[0]))
    ys = rng.dirichlet(np.ones(self.sizes[-1]), size=(num_networks, 6))
    return params, xs, ys

  def cost_of(self, params: Params, x: jax.Array, y: jax.Array) -> jax.Array:
    """Returns the cost of one example."""
    return self.cost(nf.mlp.apply(params, x, self.activations), y)

  def mean_cost(
    self, params: Params, xs: jax.Array, ys: jax.Array
  ) -> jax.Array:
    """Returns the mean cost of a batch."""
    return jnp.mean(jax.vmap(self.cost_of, (None, 0, 0))(params, xs, ys))

  def by_hand(self, params: Params, x: jax.Array, y: jax.Array) -> Params:
    """Returns the gradient of one example by the four equations."""
    arguments = params, x, y, self.activations, self.cost
    return nf.mlp.backpropagation(*arguments).grads


SOFTMAX = Network(
  "softmax, one layer", (5, 3), (_act.softmax_layer(),), _loss.cross_entropy
)
TANH = Network(
  "tanh and sigmoid, two layers",
  (4, 6, 3),
  (_act.tanh, _act.sigmoid),
  _loss.binary_cross_entropy,
)
SIGMOIDS = Network(
  "sigmoids, three layers", (4, 5, 4, 3), (_act.sigmoid,) * 3, _loss.quadratic
)
KINKED = Network(
  "four kinds in four layers",
  (4, 5, 6, 5, 3),
  (_act.relu, _act.leaky_relu(), _act.hard_tanh, _act.identity),
  _loss.softmax_cross_entropy,
)
RECURRENT = Network("tied layers", (4, 4), (_act.tanh,), _loss.quadratic)


def batch_gradient(
  network: Network, params: Params, xs: jax.Array, ys: jax.Array
) -> Params:
  """Returns the gradient of the mean cost, all examples in one matrix."""
  z, a = [], [xs.T]
  for layer, activation in zip(params, network.activations, strict=True):
    z.append(layer["w"] @ a[-1] + layer["b"][:, jnp.newaxis])
    a.append(activation(z[-1]))
  # Delta^L = grad_A C * sigma'(Z^L),
  # Delta^l = (W^{l+1})^T Delta^{l+1} * sigma'(Z^l),
  # dC / dW^l = Delta^l (A^{l-1})^T / m,  dC / db^l = row sums of Delta^l / m.
  error, grads = jax.vmap(jax.grad(network.cost))(a[-1].T, ys).T, []
  for i in reversed(range(len(params))):
    delta = error * network.activations[i].slope(z[i])
    grads.append({"w": delta @ a[i].T / len(xs), "b": jnp.mean(delta, axis=1)})
    error = params[i]["w"].T @ delta
  return tuple(reversed(grads))


def forward_accumulation(
  network: Network,
  params: Params,
  x: jax.Array,
  as_printed: bool = False,
) -> tuple[jax.Array, Params]:
  """Returns the output h [K] and dh / d weights [K, ...], layer by layer."""
  # d h_k^l / d w_ij^n = sigma'(s_k) sum_t w_kt^l d h_t^{l-1} / d w_ij^n, l > n,
  # d h_k^n / d w_ij^n = delta_ki sigma'(s_i) h_j^{n-1}.
  # The base case is printed with h_i^n in the place of sigma'(s_i), which is
  # true of no common activation (theorem 1.5.1).
  h, influences = x, []
  for layer, activation in zip(params, network.activations, strict=True):
    s = layer["w"] @ h + layer["b"]
    slope, h_next = activation.slope(s), activation(s)
    jacobian = slope[:, jnp.newaxis] * layer["w"]
    influences = jax.tree.map(
      lambda d, jacobian=jacobian: jnp.tensordot(jacobian, d, 1), influences
    )
    own = jnp.diag(h_next if as_printed else slope)
    outer = own[:, :, jnp.newaxis] * h[jnp.newaxis, jnp.newaxis]
    influences.append({"w": outer, "b": own})
    h = h_next
  return h, tuple(influences)
