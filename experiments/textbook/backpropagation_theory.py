"""Backpropagation and what belongs to it, written out by hand.

Matrices of a batch have one column for each example, as in the sources; the
parameters are those of `nf.mlp`. Nothing here differentiates through a layer
automatically.
"""

from collections.abc import Callable, Iterable, Sequence

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf

Activation = nf.activations.Activation
# (slope of the layer, its output) -> d h_i / d (w_ij h_j), [N]
BaseCase = Callable[[jax.Array, jax.Array], jax.Array]


def batch_gradient(
  params: nf.base.Params,
  xs: jax.Array,
  ys: jax.Array,
  activations: Sequence[Activation],
  cost: nf.mlp.Cost,
  *,
  backward: Iterable[int] | None = None,
) -> nf.base.Params:
  """Returns the gradient of the mean cost, all examples in one matrix.

    Delta^L = grad_A C * sigma'(Z^L),
    Delta^l = (W^{l+1})^T Delta^{l+1} * sigma'(Z^l),
    dC / dW^l = Delta^l (A^{l-1})^T / m,  dC / db^l = row sums of Delta^l / m.

  Layers are numbered as Nielsen does, the input being layer 1.

  Args:
    params: layers 2 ... L, w [N_l, N_{l-1}].
    xs: [m, N_1].
    ys: [m, N_L].
    activations: elementwise, of layers 2 ... L.
    cost: (a^L, y) -> scalar.
    backward: the layers in the order in which the error is computed; None is
      L - 1, ..., 2. A layer not visited keeps the error 0.

  Returns:
    The gradient in the structure of the parameters.

  References:
    Sikdar, Neural networks and deep learning: exercises, 2021, section 2.2
  """
  layers = dict(enumerate(params, start=2))
  last = max(layers)
  z, a = {}, {1: xs.T}
  for i, layer in layers.items():
    z[i] = layer["w"] @ a[i - 1] + layer["b"][:, jnp.newaxis]
    a[i] = activations[i - 2](z[i])
  delta = {i: jnp.zeros_like(z[i]) for i in layers}
  delta[last] = jax.vmap(jax.grad(cost))(a[last].T, ys).T
  delta[last] *= activations[last - 2].slope(z[last])
  for i in range(last - 1, 1, -1) if backward is None else backward:
    error = layers[i + 1]["w"].T @ delta[i + 1]
    delta[i] = error * activations[i - 2].slope(z[i])
  return tuple(
    {"w": delta[i] @ a[i - 1].T / len(xs), "b": jnp.mean(delta[i], axis=1)}
    for i in layers
  )


def descend(
  params: nf.base.Params,
  grads: nf.base.Params,
  learning_rate: float,
  updated: Iterable[int],
) -> nf.base.Params:
  """Steps down the gradient in some layers, numbered from 2 on.

    W^i <- W^i - eta dC / dW^i,  b^i <- b^i - eta dC / db^i.

  Args:
    params: layers 2 ... L.
    grads: their gradient.
    learning_rate: eta.
    updated: the layers the loop visits.

  Returns:
    The parameters after the step.
  """
  updated = set(updated)
  return tuple(
    jax.tree.map(lambda p, g: p - learning_rate * g, *pair)
    if i in updated
    else pair[0]
    for i, pair in enumerate(zip(params, grads, strict=True), start=2)
  )


def forward_accumulation(
  params: nf.base.Params,
  x: jax.Array,
  activations: Sequence[Activation],
  *,
  base: BaseCase = lambda slope, h: slope,
) -> tuple[jax.Array, nf.base.Params]:
  """Carries the derivative of every weight forward, layer by layer.

    d h_k^l / d w_ij^n = sigma'(s_k) sum_t w_kt^l d h_t^{l-1} / d w_ij^n, l > n,
    d h_k^n / d w_ij^n = delta_ki sigma'(s_i) h_j^{n-1}.

  The base case is printed with h_i^n in the place of sigma'(s_i), which is true
  of no common activation. With the layers for time steps, and one matrix for
  all of them, this is real-time recurrent learning.

  Args:
    params: the layers, w [N_l, N_{l-1}].
    x: one input [N_0].
    activations: elementwise, one for each layer.
    base: what stands before h_j in the base case.

  Returns:
    The output h [N_L], and its derivative, leaves [N_L, ...].

  References:
    Chapter 1, Introduction: 1.1 Neural networks (lecture notes), theorem 1.5.1
  """
  h, influences = x, []
  for layer, activation in zip(params, activations, strict=True):
    s = layer["w"] @ h + layer["b"]
    slope, h_next = activation.slope(s), activation(s)
    jacobian = slope[:, jnp.newaxis] * layer["w"]
    influences = jax.tree.map(
      lambda d, jacobian=jacobian: jnp.tensordot(jacobian, d, 1), influences
    )
    own = jnp.diag(base(slope, h_next))
    outer = own[:, :, jnp.newaxis] * h[jnp.newaxis, jnp.newaxis]
    influences.append({"w": outer, "b": own})
    h = h_next
  return h, tuple(influences)


def forward_cost(num_units: int, num_layers: int) -> float:
  """Returns the products of forward accumulation per product of a plain pass.

  The recurrence multiplies an n x n matrix with an n x n^2 one for each pair of
  a layer and an earlier one, N (N - 1) / 2 pairs; the pass has N n^2 products:

    n^4 N (N - 1) / 2 / (N n^2) = P (N - 1) / (2 N),  P = N n^2.

  Args:
    num_units: n, of the input and every layer.
    num_layers: N.
  """
  return num_units**2 * (num_layers - 1) / 2


def backward_cost(num_layers: int) -> float:
  """Returns the operations of backpropagation per operation of a plain pass.

  Of the pass 2 N n^2, of the errors (BP2) 2 (N - 1) n^2, of the outer products
  (BP4) N n^2: (5 N - 2) / (2 N), whatever the width.

  Args:
    num_layers: N.
  """
  return (5 * num_layers - 2) / (2 * num_layers)


def softmax_regression(
  params: dict[str, jax.Array], x: jax.Array, label: jax.Array
) -> dict[str, jax.Array]:
  """Returns the four derivatives of l = -log a_y, a = softmax(W x + b).

    dl/da = -e_y / a_y,  dl/dz = a - e_y,  dl/dW = (a - e_y) x^T,
    dl/db = a - e_y.

  Args:
    params: {"w": [C, D], "b": [C]}.
    x: [D].
    label: y, an integer.

  Returns:
    "a" [C], "z" [C], "w" [C, D] and "b" [C].

  References:
    Problem sheet 4, question 1
  """
  z = params["w"] @ x + params["b"]
  a = jnp.exp(z) / jnp.sum(jnp.exp(z))
  e = jax.nn.one_hot(label, len(z), dtype=z.dtype)
  return {"a": -e / a[label], "z": a - e, "w": jnp.outer(a - e, x), "b": a - e}


def batch_noise(gradients: np.ndarray, batch_size: int) -> float:
  """Returns E norm(g_B - g)^2 of mini-batches drawn without replacement.

    (1 / B) (N - B) / (N - 1) mean_i norm(g_i - g)^2,

  the variance of a sample mean with the correction for a finite population.

  Args:
    gradients: g_i, one row for each example, [N, P].
    batch_size: B.
  """
  num_examples = len(gradients)
  spread = gradients - np.mean(gradients, axis=0)
  variance = np.mean(np.sum(spread**2, axis=1))
  correction = (num_examples - batch_size) / max(num_examples - 1, 1)
  return float(variance * correction / batch_size)


def excess_after_an_epoch(ys: np.ndarray, rates: np.ndarray) -> float:
  """Returns how far SGD on (w - y)^2 / 2 ends above the minimum, on average.

  After one pass in random order w = sum_t c_t y_t, c_t = alpha_t prod_{s > t}
  (1 - alpha_s). If the c_t add up to 1, as they do for alpha_1 = 1,

    E (w - mean y)^2 / 2 = var(y) / 2 N / (N - 1) (sum_t c_t^2 - 1 / N).

  With alpha_t = 1 / t every c_t is 1 / N and nothing is left.

  Args:
    ys: [N].
    rates: the learning rates alpha_1 = 1, alpha_2, ..., [N].
  """
  n = len(ys)
  later = np.append(np.cumprod((1 - rates)[::-1])[::-1][1:], 1.0)
  weights = rates * later
  return float(
    np.var(ys) / 2 * n / (n - 1) * max(np.sum(weights**2) - 1 / n, 0.0)
  )


def entropy_floors(frequencies: np.ndarray) -> np.ndarray:
  """Returns the least loss of a network that does not see its input.

  It can only predict the frequencies p of the classes. Left are
  (1 - sum p^2) / 2 of half the squared distance to the one-hot code, the sum of
  binary entropies H(p_j) of yes-no outputs, and the entropy H(p) of a softmax.

  Args:
    frequencies: p [C], all in (0, 1).

  Returns:
    [3].
  """
  p, q = np.asarray(frequencies), 1 - np.asarray(frequencies)
  entropy = -np.sum(p * np.log(p))
  return np.array(
    [(1 - np.sum(p**2)) / 2, entropy - np.sum(q * np.log(q)), entropy]
  )
