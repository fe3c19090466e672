"""Builds, trains and measures networks that approximate."""

from typing import NamedTuple

import jax

from experiments.textbook.universal_approximation import config as config_lib
from experiments.textbook.universal_approximation import (
  depth,
  relu,
  sigmoid,
  training,
)

Config = config_lib.Config


class Results(NamedTuple):
  """What is kept."""

  steps: sigmoid.Steps
  sums: sigmoid.Sums
  towers: sigmoid.Towers
  sheet: relu.Sheet
  certificates: relu.Certificates
  pieces: relu.Pieces
  tails: relu.Tails
  depth: depth.Depth
  training: training.Training


def run(config: Config) -> Results:
  """Builds, trains and measures the networks."""
  with jax.enable_x64(True):
    designed = (
      sigmoid.measure_steps(),
      sigmoid.measure_sums(config),
      sigmoid.measure_towers(config),
      relu.measure_sheet(config),
      relu.measure_certificates(config),
      relu.measure_pieces(config),
      relu.measure_tails(config),
      depth.measure(config),
    )
  return Results(*designed, training.measure(config))
