"""What two documents print and what holds instead, each computed."""

from typing import NamedTuple

import jax
import numpy as np

import nnfun as nf
from experiments.textbook.backpropagation import networks


class Misprints(NamedTuple):
  """M passages of one document."""

  names: np.ndarray  # [M]
  printed: np.ndarray  # Whether what is printed holds, bool  [M]
  instead: np.ndarray  # Whether what is put in its place holds, bool  [M]


def _table(rows):
  names, printed, instead = zip(*rows, strict=True)
  flags = np.array(printed, bool), np.array(instead, bool)
  return Misprints(np.array(names), *flags)


def exercises(num_layers: int) -> Misprints:
  """S0: its binary digits, loops over the layers, and a tower."""
  bits = [[d for d in range(10) if d >> place & 1] for place in range(4)]
  return _table(
    [
      ("1.3: w_k0 > 0.99, w_j0 < 0.01 for x_k, x_j", *_are_activations()),
      (
        "1.3: 1' the second most for the second least significant bit",
        bits[-2] == [2, 3, 6, 7],
        bits[1] == [2, 3, 6, 7],
      ),
      (
        "2.2: loops L - 1 <= l <= 2 and L <= l <= 2 for loops down to 2",
        _visits_all(num_layers, range(num_layers - 1, 3), range(num_layers, 3)),
        _visits_all(
          num_layers, range(num_layers - 1, 1, -1), range(num_layers, 1, -1)
        ),
      ),
      (
        "4.3: two variables' bias between h and h for h and 2h",
        _is_range(1, 1),
        _is_range(1, 2),
      ),
    ]
  )


def _visits_all(last, backward, updated):
  """Whether each error follows on the one above, and all layers are updated."""
  known = {last}
  for layer in backward:
    known |= {layer} if layer + 1 in known else set()
  return known == set(updated) == set(range(2, last + 1))


def _are_activations():
  """Whether w, and whether x, is as said of each odd digit."""
  w, odd = np.where(np.arange(10) % 2, 1.0, -1.0), range(1, 10, 2)
  # The worst inputs of a digit: what is wrong counts against it.
  x = {k: np.where(w < 0, 0.01, 0.0) + 0.99 * (np.arange(10) == k) for k in odd}

  def is_said(said, k):
    return said[k] >= 0.99 and np.delete(said, k).max() <= 0.01

  are_inputs = all(is_said(x[k], k) and w @ x[k] > 0.90 for k in odd)
  return all(is_said(w, k) for k in odd), are_inputs


def _is_range(low, high):
  """Whether just the biases -beta h, low < beta < high, detect both of two."""
  h, betas = 1e4, np.arange(0.25, 3, 0.5)
  one, both = (nf.activations.sigmoid((n - betas) * h) for n in (1, 2))
  is_right = np.asarray((both > 0.99) & (one < 0.01))
  return np.array_equal(is_right, (low < betas) & (betas < high))


def slides(rng: np.random.Generator) -> Misprints:
  """S2: the gradients of its layers."""
  network = networks.KINKED
  params, xs, ys = networks.draw_one(network, rng)
  (w, b), num_layers = (params[0][k] for k in "wb"), len(network.sizes) - 1
  by_bias = np.asarray(jax.jit(jax.jacobian(lambda b: w @ xs[0] + b))(b))
  grads = jax.eval_shape(
    lambda params: networks.by_hand(network, params, xs[0], ys[0]), params
  )
  return _table(
    [
      (
        "gradients (example): layers 1, ..., m, the examples, for 1, ..., L",
        len(grads) == len(xs),
        len(grads) == num_layers,
      ),
      (
        "general layer: dz/db a vector of ones for the identity matrix",
        np.array_equal(by_bias, np.ones(len(b))),
        np.array_equal(by_bias, np.eye(len(b))),
      ),
    ]
  )
