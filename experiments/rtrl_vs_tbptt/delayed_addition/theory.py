"""What a predictor of delayed addition can know, and what one has learned.

y_t = 0.5 + 0.5 x_{t - t1} - 0.25 x_{t - t2}, x_t fair coins
"""

import itertools

import numpy as np
from scipy import special

_COEFFICIENTS = (0.5, -0.25)


def entropy(p: np.ndarray) -> np.ndarray:
  """Returns the entropy of (p, 1 - p) in nats, elementwise."""
  return special.entr(p) + special.entr(1 - p)


def loss_floors() -> np.ndarray:
  """Returns the least cross-entropies: of who knows nothing, t1, t2, both.

  The least loss given what is known is the entropy of the mean target given
  that; the four values of the two coins are equally probable.
  """
  coins = list(itertools.product((0, 1), repeat=2))
  target = {coin: 0.5 + float(np.dot(_COEFFICIENTS, coin)) for coin in coins}
  floors = []
  for known in ((), (0,), (1,), (0, 1)):
    groups = {}
    for coin in coins:
      groups.setdefault(tuple(coin[i] for i in known), []).append(target[coin])
    floors.append(np.mean([entropy(np.mean(g)) for g in groups.values()]))
  return np.array(floors)


def sampled_floors(
  coins: np.ndarray, target: np.ndarray, delays: tuple[int, int]
) -> np.ndarray:
  """Returns the same of streams [S, T], as cross-entropies [S, 4].

  The best predictor given some of the coins is their group's mean target.
  """
  longest, num_steps = max(delays), coins.shape[1]
  first, second = (
    coins[:, longest - d : num_steps - d].astype(int) for d in delays
  )
  target = target[:, longest:]
  floors = []
  for group in (0 * first, first, second, 2 * first + second):
    means = np.array(
      [target[group == g].mean() for g in range(group.max() + 1)]
    )
    predicted = means[group]
    floors.append(
      -special.xlogy(target, predicted)
      - special.xlog1py(1 - target, -predicted)
    )
  return np.stack([f.mean(axis=1) for f in floors], axis=1)


def excess_loss(log_odds: np.ndarray, target: np.ndarray) -> np.ndarray:
  """Returns the cross-entropy less the entropy of the target, elementwise."""
  log_odds = np.asarray(log_odds, float)
  losses = np.logaddexp(0, log_odds) - target * log_odds
  return losses - entropy(target)


def learned_shares(
  log_odds: np.ndarray,
  coins: np.ndarray,
  delays: tuple[int, int],
  *,
  warm_up: int,
) -> np.ndarray:
  """Returns how much of each dependency predictions [..., T] hold [..., 2].

  The regression of the predicted p on the two coins [T], in units of the
  target's own coefficients: 0 is no trace, 1 all of it.
  """
  steps = np.arange(warm_up + max(delays), len(coins))
  columns = [np.ones(len(steps)), *(coins[steps - d] for d in delays)]
  predictions = special.expit(np.asarray(log_odds, float)[..., steps])
  shape = predictions.shape[:-1]
  fit, *_ = np.linalg.lstsq(
    np.stack(columns, axis=1), predictions.reshape(-1, len(steps)).T, rcond=None
  )
  return (fit[1:].T / _COEFFICIENTS).reshape(*shape, 2)
