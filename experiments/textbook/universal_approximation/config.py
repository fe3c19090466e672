"""The settings of the study of approximation."""

import dataclasses

from experiments import settings


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """Which networks are designed, which are trained, where they are asked."""

  # Bumps N on [0, 1], ascending; 10 and 50 are those of figure 4.5.
  num_bumps: tuple[settings.Count, ...] = (10, 50, 200)
  # Cells of a plane each way, ascending.
  num_cells: tuple[settings.Count, ...] = (4, 16)
  eps: tuple[settings.Positive, ...] = (0.3, 0.1, 0.03)  # Errors to stay below.
  # ReLUs of interpolation, ascending.
  num_pieces: tuple[settings.Count, ...] = (8, 64, 512)
  # Of random ReLU networks.
  widths: tuple[settings.Count, ...] = (1, 2, 10, 100)
  # k and m of deep networks, ascending.
  folds: tuple[settings.Count, ...] = (1, 2, 4, 8)
  trained_widths: tuple[settings.Count, ...] = (5, 50)  # ReLUs, ascending.
  # Of Adam; the best counts.
  learning_rates: tuple[settings.Positive, ...] = (3e-3, 1e-2)
  num_epochs: settings.Count = 1000  # Passes through the examples.
  num_seeds: settings.Count = 8  # Trained networks of a width and a rate.
  seed: settings.Seed = 0  # Of everything random.

  def __post_init__(self) -> None:
    """Refuses what does not ascend, and parts as narrow as the steps."""
    super().__post_init__()
    ascending = {
      name: getattr(self, name)
      for name in "num_bumps num_cells num_pieces folds trained_widths".split()
    }
    for name, values in ascending.items():
      settings.require(
        len(values) > 1 and list(values) == sorted(set(values)),
        f"two or more ascending {name}",
        **{name: values},
      )
    settings.require(
      self.num_seeds >= 2, "num_seeds >= 2", num_seeds=self.num_seeds
    )
    parts = *self.num_bumps, *self.num_cells
    settings.require(  # 500 parts of 20 / w, which steps take, fill [0, 1].
      2 <= min(parts) and max(parts) <= 500,
      "num_bumps and num_cells from 2 to 500",
      num_bumps=self.num_bumps,
      num_cells=self.num_cells,
    )
