"""What the claims and the figure both read off."""

from experiments import study

LEARNED = (0.1, 0.5, 0.9)  # Of a mode's final strength: when is it reached?


def at_rank(results: study.Results, rank: int) -> int:
  """Returns the place of a number of hidden units among the ranks."""
  return results.ranks.tolist().index(rank)
