"""Deep ReLU networks that fold the unit interval.

The tent map g(z) = 2 z for z <= 1/2, 2 - 2 z above, laid upon itself k times
has 2^(k-1) teeth: every layer doubles what a wide layer has to add one by one.
"""

from experiments.textbook.constructions import layers
from nnfun import base


def sawtooth(num_folds: int) -> base.Params:
  """Returns f^k, Telgarsky's function of 2^(k-1) teeth on [0, 1].

    f(z) = relu(2 relu(z) - 4 relu(z - 1/2)).

  Args:
    num_folds: k >= 1, how often f is applied.

  Returns:
    2 k layers of 2, 1, 2, 1, ... units, 3 k in all; all activations relu.

  Raises:
    ValueError: if there is no fold.

  References:
    Telgarsky, Benefits of depth in neural networks, 2016,
    https://arxiv.org/abs/1602.04485
  """
  _check(num_folds)
  fold = (
    layers.affine([[1.0], [1.0]], [0.0, -0.5]),
    layers.affine([[2.0, -4.0]], [0.0]),
  )
  return fold * num_folds


def square(num_folds: int) -> base.Params:
  """Returns f_m, Yarotsky's approximation of x^2 on [0, 1].

    f_m(x) = x - sum_{s=1}^m g^s(x) / 4^s,  |f_m(x) - x^2| <= 2^(-2 m - 2),

  which interpolates x^2 at the 2^m + 1 multiples of 2^-m. The partial sums are
  carried along in one unit of each layer, where they pass the ReLU unchanged,
  being positive.

  Args:
    num_folds: m >= 1, how many sawtooth functions are added.

  Returns:
    m layers of 3 units and an output; activations (relu, ..., relu, identity).

  Raises:
    ValueError: if there is no fold.

  References:
    Yarotsky, Error bounds for approximations with deep ReLU networks, 2017,
    https://arxiv.org/abs/1610.01145 (proposition 2)

  >>> [layer["w"].shape for layer in square(3)]
  [(3, 1), (3, 3), (3, 3), (1, 3)]
  """
  _check(num_folds)
  network = [layers.affine([[1.0]] * 3, [0.0, -0.5, 0.0])]
  for s in range(1, num_folds + 1):
    # g = 2 u_1 - 4 u_2 of the units u_1 = relu(z), u_2 = relu(z - 1/2).
    tent, partial_sum = [2.0, -4.0, 0.0], [-2.0 / 4**s, 4.0 / 4**s, 1.0]
    network.append(layers.affine([tent, tent, partial_sum], [0.0, -0.5, 0.0]))
  network[-1] = layers.affine([partial_sum], [0.0])
  return tuple(network)


def _check(num_folds):
  if num_folds < 1:
    raise ValueError(f"expected num_folds >= 1, got {num_folds}")
