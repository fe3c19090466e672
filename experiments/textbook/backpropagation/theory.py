"""Backpropagation and what belongs to it, written out by hand.

Matrices of a batch have one column for each example, as in the sources; the
parameters are those of `nf.mlp`. Nothing here differentiates through a layer
automatically.
"""

from collections.abc import Sequence

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf

Activations = Sequence[nf.activations.Activation]


def batch_gradient(
  params: nf.base.Params,
  xs: jax.Array,
  ys: jax.Array,
  activations: Activations,
  cost: nf.mlp.Cost,
) -> nf.base.Params:
  """Returns the gradient of the mean cost, all examples in one matrix."""
  z, a = [], [xs.T]
  for layer, activation in zip(params, activations, strict=True):
    z.append(layer["w"] @ a[-1] + layer["b"][:, jnp.newaxis])
    a.append(activation(z[-1]))
  # Delta^L = grad_A C * sigma'(Z^L),
  # Delta^l = (W^{l+1})^T Delta^{l+1} * sigma'(Z^l),
  # dC / dW^l = Delta^l (A^{l-1})^T / m,  dC / db^l = row sums of Delta^l / m.
  error, grads = jax.vmap(jax.grad(cost))(a[-1].T, ys).T, []
  for i in reversed(range(len(params))):
    delta = error * activations[i].slope(z[i])
    grads.append({"w": delta @ a[i].T / len(xs), "b": jnp.mean(delta, axis=1)})
    error = params[i]["w"].T @ delta
  return tuple(reversed(grads))


def forward_accumulation(
  params: nf.base.Params,
  x: jax.Array,
  activations: Activations,
  *,
  as_printed: bool = False,
) -> tuple[jax.Array, nf.base.Params]:
  """Returns the output h [K] and dh / d weights [K, ...], layer by layer."""
  # d h_k^l / d w_ij^n = sigma'(s_k) sum_t w_kt^l d h_t^{l-1} / d w_ij^n, l > n,
  # d h_k^n / d w_ij^n = delta_ki sigma'(s_i) h_j^{n-1}.
  # The base case is printed with h_i^n in the place of sigma'(s_i), which is
  # true of no common activation (theorem 1.5.1).
  h, influences = x, []
  for layer, activation in zip(params, activations, strict=True):
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


def batch_noise(gradients: np.ndarray, batch_size: int) -> float:
  """Returns E norm(g_B - g)^2 of batches drawn from gradients g_i [N, P]."""
  # (1 / B) (N - B) / (N - 1) mean_i norm(g_i - g)^2: the variance of a sample
  # mean, with the correction for a finite population.
  n = len(gradients)
  spread = gradients - np.mean(gradients, axis=0)
  variance = np.mean(np.sum(spread**2, axis=1))
  return float(variance / batch_size * (n - batch_size) / (n - 1))
