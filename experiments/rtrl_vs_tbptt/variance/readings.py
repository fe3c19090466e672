"""Names, and what the run, the claims and the figure all read off."""

import numpy as np

from experiments import study
from experiments.rtrl_vs_tbptt.variance import theory

UORO, KF, OK = "UORO", "KF-RTRL", "OK"
PES, NRES = "PES", "NRES"
STOP = 0.1  # c of ARTBP, the chance to stop before a step.


def carried(results: study.Results, row: int, decay: float) -> np.ndarray:
  """Returns the closed form of the variance of a method on the ring  [T]."""
  n, rank = int(results.units[row]), int(results.ranks[row])
  num_steps = results.carried.shape[-1]
  if results.methods[row] == UORO:
    return theory.uoro(n, decay, num_steps, rank)
  return theory.kronecker(decay, num_steps, rank)


def artbp(results: study.Results) -> np.ndarray:
  """Returns the variance of ARTBP by reach  [S, D, T]."""
  num_steps = results.artbp.shape[-1]
  norms = [theory.powers(decay, num_steps) for decay in results.artbp_decays]
  return np.cumsum(results.artbp, axis=-1) / np.stack(norms) - 1


def evolution(results: study.Results) -> np.ndarray:
  """Returns the closed forms of PES and NRES  [E]."""
  variances = theory.evolution(int(results.num_parameters), results.draws)
  return variances / results.pairs
