"""What the claims and the figure both read off."""

import numpy as np

from experiments import study

WEIGHT = GAIN = 1e4  # w of the steps and h of the bumps, as in figure 4.3.
TOWER_GAIN = 20.0  # h of the towers: small, so that margins are seen.
WEIGHTS = (10.0, 30.0, 100.0, 1000.0)  # w of the steps that are drawn.
STEP, BUMP = 0.4, (0.3, 0.7)  # s; s_1 and s_2
BUMP_PLACES = (0.0, 0.3, 0.5, 0.7, 1.0)  # Left, s_1, inside, s_2, right.
LEVELS = (0.1, 0.5, 0.9)  # Of a step.
TOWER = np.array([[1.0, 2.0], [-2.0, 0.0], [0.0, 1.5], [-1.0, 1.0]])
# Where the bias stands between -(m - 1) h, at 0, and -m h, at 1.
BIAS_PLACES = np.array([-0.1, 0.1, 0.3, 0.5, 0.7, 0.9, 1.1])
LINE = np.linspace(0, 1, 401)  # Where steps and bumps are drawn.
SURFACE = (np.linspace(0.5, 2.5, 61), np.linspace(-2.5, 0.5, 61))  # A tower.
SHEET = np.linspace(-10, 10, 2001)  # Where the sheet's networks are compared.


def best_errors(results: study.Results) -> np.ndarray:
  """Returns trained errors [S, W] at the rate that is best at each width."""
  errors = results.training.errors
  best = np.argmin(np.mean(np.log(errors), axis=0), axis=1)
  return errors[:, np.arange(len(best)), best]
