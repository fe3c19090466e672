"""What the claims and the figure both read off."""

import numpy as np

LEARNED = (0.1, 0.5, 0.9)  # Of a mode's final strength: when is it reached?
RANKS = (2, 4, 6, 9, 25)  # Hidden units of the networks for digits.


def times(curves: np.ndarray, levels: np.ndarray) -> np.ndarray:
  """Returns the epochs, interpolated, at which modes reach levels [L, P].

  NaN for a mode that never does; curves of strengths [E + 1, P].
  """
  after = np.argmax(curves >= levels[:, np.newaxis], axis=1)
  before = np.maximum(after - 1, 0)
  low, high = (np.take_along_axis(curves, i, axis=0) for i in (before, after))
  with np.errstate(divide="ignore", invalid="ignore"):
    fraction = (levels - low) / (high - low)
  return np.where(after > 0, before + fraction, np.nan)


def step_delay(
  levels: np.ndarray, strengths: np.ndarray, u_0: float
) -> np.ndarray:
  """Returns by how many epochs finite steps lag behind the flow [L, P].

  One of two equal factors, u = a^2, moves in steps a <- a + lr f(a), f(a) =
  a (s - a^2). To first order they follow da / dt = f - lr f f' / 2, which takes
  longer by 1/2 log[f(a_end) / f(a_0)] epochs, whatever the learning rate.
  """

  def speed(u):
    return u**0.5 * (strengths - u)

  return 0.5 * np.log(speed(levels) / speed(u_0))
