"""Names, and what the run, the claims and the figure all read off."""

import numpy as np

from experiments import study

RANDOM, SYMMETRIC = "RFLO", "RFLO, symmetric, fixed readout"
BPTT, ONE_STEP = "BPTT", "BPTT(1, 1)"
TANH, ADAM = "RFLO, tanh", "RFLO, Adam"


def ratio(results: study.Results, method: str, beyond: int) -> dict:
  """Returns singular value m + beyond over the first [S] by m outputs."""
  values = results.singular[method]
  return {
    f"{method}, m = {m}": values[:, i, m - 1 + beyond] / values[:, i, 0]
    for i, m in enumerate(map(int, results.num_outputs))
  }


def decades(ratios: dict) -> dict:
  """Returns their logarithms to base 10."""
  return {name: np.log10(values) for name, values in ratios.items()}
