"""What the claims and the figure both read off."""

import numpy as np

from experiments import study

DEPTHS = (2, 3, 4)  # Hidden layers of the networks whose speeds are measured.
WIDTH = 30  # Units of each of them.
# By hidden layers: the norm of the mean dC / d b of each in the author's raw
# data, and the accuracy in the book after 30 epochs, per cent.
PUBLISHED_SPEEDS = {
  2: (0.0657, 0.3092),
  3: (0.0118, 0.0600, 0.2831),
  4: (0.0030, 0.0171, 0.0695, 0.2851),
}
PUBLISHED_ACCURACY = {1: 96.48, 2: 96.90, 3: 96.57, 4: 96.53}
PUBLISHED_EPOCHS = 30
PUBLISHED_IMAGES = 1000  # Over which its gradients were averaged.


def growth(speeds: np.ndarray, num_hidden: int) -> np.ndarray:
  """Returns log(speed of layer l + 1 / speed of l)  [..., num_hidden - 1]."""
  logs = np.log(np.asarray(speeds, float)[..., :num_hidden])
  return np.diff(logs, axis=-1)


def first_over_last(results: study.Results) -> dict[int, np.ndarray]:
  """Returns log(first / last hidden layer's speed) by depth  [R, E + 1]."""
  return {
    n: -growth(results.in_training[:, i], n).sum(axis=-1)
    for i, n in enumerate(DEPTHS)
  }


def equation_123(weights: np.ndarray) -> np.ndarray:
  """Returns 2 / |w| ln(|w| (1 + sqrt(1 - 4 / |w|)) / 2 - 1); 0 for |w| < 4."""
  possible = np.maximum(weights, 4.0)
  root = np.sqrt(1 - 4 / possible)
  return 2 / possible * np.log(possible * (1 + root) / 2 - 1)


def expected_growth(mean_square: float) -> np.ndarray:
  """Returns what mean-field theory says of E log(speed of l + 1 / of l)  [4].

  That is -log(chi_1) / 2 + (3 k - 1) / 4 N at the variance q of layer l, with
  chi_1 = E[sigma'(z)^2], z ~ N(0, q), and k = E[sigma'^4] / chi_1^2.
  """
  nodes, masses = np.polynomial.hermite_e.hermegauss(80)
  masses = masses / masses.sum()
  q, found = 1 + mean_square, []
  for _ in range(4):
    sigma = 1 / (1 + np.exp(-np.sqrt(q) * nodes))
    slope = sigma * (1 - sigma)
    chi_1, fourth = masses @ slope**2, masses @ slope**4
    found.append((3 * fourth / chi_1**2 - 1) / (4 * WIDTH) - np.log(chi_1) / 2)
    q = 1 + masses @ sigma**2
  return np.array(found)
