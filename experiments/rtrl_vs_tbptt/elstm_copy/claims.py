"""Claims of the study of copies by an eLSTM."""

from experiments import measure, study
from experiments.claims import Claim, Source, conjecture
from experiments.rtrl_vs_tbptt.elstm_copy import readings

_IRIE = "irie2024"
_COPY = Source("P8", _IRIE, "copy task")
_SMALL = conjecture("P8", "100 % on the copy task; here of fewer bits", _IRIE)
_CREDIT = conjecture("P8", "credit that ends before the symbol", _IRIE)
_MOST = 0.5
_SHARE = "share of networks that say all patterns without an error"


def claims(results: study.Results) -> list[Claim]:
  """Counts the networks that make no error."""
  exact = results.shares[readings.RTRL]
  num_seeds, _, length = exact.shape
  within = f"Within {int(results.num_sequences):,} sequences"
  return [
    _SMALL.at_least(
      "solved",
      f"Most eLSTMs of {results.num_units} units learn by exact RTRL, without "
      f"a curriculum, to copy all patterns of up to {length} bits.",
      _MOST,
      measure.share(readings.succeeds(exact)),
      strict=True,
      quantity=_SHARE,
      note=f"{within}. All {2 ** (length + 1) - 2} patterns are tested; one is "
      "right, as in the paper, if all of its bits are.",
    ),
    _CREDIT.at_most(
      "truncated",
      "By truncated BPTT, with segments no longer than the longest gap, most "
      "eLSTMs do not learn this in the same number of sequences.",
      _MOST,
      {
        name: measure.share(readings.succeeds(shares))
        for name, shares in results.shares.items()
        if name != readings.RTRL
      },
      strict=True,
      quantity=_SHARE,
      note=f"{within}, the same ones. Of the longest patterns right: "
      f"{_longest(results.shares)}.",
    ),
    _COPY.not_run(
      "published",
      "The eLSTM of 2048 units, trained by exact RTRL, solves the copy task up "
      "to a length of 1000.",
      1.0,
      quantity="share of copies that are right",
      note="In no setting: the length is that of sequences, of patterns of up "
      f"to 500 bits in the authors' code. Up to {length} bits "
      f"{readings.succeeds(exact).sum()} of {num_seeds} networks do.",
    ),
  ]


def _longest(shares):
  return ", ".join(
    f"{name} {found[:, -1, -1].mean():.0%}" for name, found in shares.items()
  )
