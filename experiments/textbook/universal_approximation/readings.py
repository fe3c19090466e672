"""Settings and functions that the networks, claims and figure share."""

import numpy as np

from experiments import study

WEIGHT = GAIN = 1e4  # w of the steps and h of the bumps, as in figure 4.3.
TOWER_GAIN = 20.0  # h of the towers: small, so that margins are seen.
WEIGHTS = (10.0, 30.0, 100.0, 10000.0)  # w of the steps that are drawn.
STEP, BUMP = 0.4, (0.3, 0.7)  # s; s_1 and s_2
TOWER = np.array([[1.0, 2.0], [-2.0, 0.0], [0.0, 1.5], [-1.0, 1.0]])
# Where the bias stands between -(m - 1) h, at 0, and -m h, at 1.
BIAS_PLACES = np.array([-0.1, 0.1, 0.5, 0.9, 1.1])
LINE = np.arange(201) / 200  # Where functions of one variable are drawn.
SURFACE = (np.linspace(0.5, 2.5, 61), np.linspace(-2.5, 0.5, 61))  # A tower.
SHEET = np.arange(-1000, 1001) / 100  # Where the sheet's network is drawn.
WIDTHS = (1, 2, 10, 100)  # ReLUs of random networks.
FOLDS = np.array([1, 2, 4, 8])  # k and m of deep networks.
NUM_CELLS = 16  # Of a plane each way.
_LIPSCHITZ = 8.1  # Of `target`: 0.8 + 0.3 + 4.5 + 2.5, term by term on [0, 1].
# Of Weierstrass's sum, 2^-k: what the terms left out add is 2e-6.
_AMPLITUDES = 0.5 ** np.arange(20)
_FREQUENCIES = np.pi * 3.0 ** np.arange(20)


def target(x: np.ndarray) -> np.ndarray:
  """Returns 0.2 + 0.4 x^2 + 0.3 x sin(15 x) + 0.05 cos(50 x) of any shape."""
  wave = 0.3 * x * np.sin(15 * x) + 0.05 * np.cos(50 * x)
  return 0.2 + 0.4 * np.square(x) + wave


def largest_slopes() -> tuple[float, float]:
  """Returns max|f'| and max|f''| of `target` on [0, 1]."""
  x = np.linspace(0, 1, 10**5 + 1)
  sine, cosine = np.sin(15 * x), np.cos(15 * x)
  first = 0.8 * x + 0.3 * sine + 4.5 * x * cosine - 2.5 * np.sin(50 * x)
  second = 0.8 + 9 * cosine - 67.5 * x * sine - 125 * np.cos(50 * x)
  return float(np.max(np.abs(first))), float(np.max(np.abs(second)))


def weierstrass(x: np.ndarray) -> np.ndarray:
  """Returns sum_k 2^-k cos(3^k pi x), twenty terms, of any shape."""
  return np.cos(np.multiply.outer(x, _FREQUENCIES)) @ _AMPLITUDES


def weierstrass_modulus(width: float) -> float:
  """Returns sum_k 2^-k min(2, 3^k pi width), a modulus of `weierstrass`."""
  return float(np.minimum(2, _FREQUENCIES * width) @ _AMPLITUDES)


def best_errors(results: study.Results) -> np.ndarray:
  """Returns trained errors [S, W] at the rate that is best at each width."""
  errors = results.training.errors
  best = np.argmin(np.mean(np.log(errors), axis=0), axis=1)
  return errors[:, np.arange(len(best)), best]


# name -> the function and a modulus of continuity.
CERTIFIED = {
  "f": (target, lambda width: _LIPSCHITZ * width),
  "Weierstrass's sum": (weierstrass, weierstrass_modulus),
}
