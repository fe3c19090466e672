"""What two documents print and what holds instead, each computed."""

import functools

import jax
import numpy as np
from scipy import special

from experiments.textbook.backpropagation import networks


def misprints(rng: np.random.Generator) -> dict[str, dict[str, np.ndarray]]:
  """Returns whether passages hold as printed, and as put right, by document."""
  digits, layers = np.arange(10), range(1, 5)  # 1, ..., L.
  bits = [digits[digits >> place & 1 == 1].tolist() for place in range(4)]
  weights = np.where(digits % 2, 1.0, -1.0)  # Of the least significant bit.
  outputs = np.where(digits == 3, 0.99, 0.01)
  visited = [
    ([i for i in layers if 3 <= i <= 2], [i for i in layers if 4 <= i <= 2]),
    ([i for i in layers if 2 <= i <= 3], [i for i in layers if 2 <= i <= 4]),
  ]
  # Biases -beta h of a neuron that is to detect that both of two inputs are h.
  h, betas = 1e4, np.arange(0.25, 3, 0.5)
  one, both = (special.expit((n - betas) * h) for n in (1, 2))
  detects = (both > 0.99) & (one < 0.01)
  network = networks.KINKED
  params, xs, ys = jax.tree.map(lambda leaf: leaf[0], network.draw(1, rng))
  gradient = functools.partial(networks.batch_gradient, network)
  layers_of_gradient = len(jax.eval_shape(gradient, params, xs, ys))
  w, b = params[0]["w"], params[0]["b"]
  dz_db = jax.jit(jax.jacobian(lambda b: w @ xs[0] + b))(b)
  exercises = {
    "1.3: w_k0 > 0.99, w_j0 < 0.01 for x_k, x_j": [
      np.sum(v >= 0.99) == 1 and np.sum(v <= 0.01) == 9
      for v in (weights, outputs)
    ],
    "1.3: 1' the second most for the second least significant bit": [
      bits[place] == [2, 3, 6, 7] for place in (-2, 1)
    ],
    "2.2: loops L - 1 <= l <= 2 and L <= l <= 2 for loops down to 2": [
      both_loops == ([2, 3], [2, 3, 4]) for both_loops in visited
    ],
    "4.3: two variables' bias between h and h for h and 2h": [
      np.array_equal(detects, (betas > 1) & (betas < end)) for end in (1, 2)
    ],
  }
  slides = {
    "gradients (example): layers 1, ..., m, the examples, for 1, ..., L": [
      layers_of_gradient == num for num in (len(xs), len(network.activations))
    ],
    "general layer: dz/db a vector of ones for the identity matrix": [
      np.array_equal(dz_db, said) for said in (np.ones(len(b)), np.eye(len(b)))
    ],
  }
  return {
    cite: {name: np.array(holds) for name, holds in passages.items()}
    for cite, passages in (("S0", exercises), ("S2", slides))
  }
