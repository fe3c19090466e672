"""Settings: what each type of field refuses."""

import dataclasses
import math
from collections.abc import Iterator

from absl.testing import absltest, parameterized

from experiments import settings


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """One field of each kind."""

  count: settings.Count = 1
  whole: settings.Whole = 0
  positive: settings.Positive = 0.1
  share: settings.Fraction = 0.0
  any_number: float = -1.0
  rates: tuple[settings.Positive, ...] = (0.1, 0.2)
  shapes: tuple[tuple[settings.Count, ...], ...] = ((1, 2), (3,))
  name: str = ""
  several: settings.Several = 2
  many: settings.at_least(20) = 20
  sizes: settings.Ascending[settings.Count] = (1, 2)
  seed: settings.Seed = 0

  def rules(self) -> Iterator[tuple[bool, str]]:
    """Asks for as many counts as wholes."""
    yield self.whole <= self.count, "whole <= count"
    # Never reached while the first is broken.
    yield self.count // (self.count - self.whole + 1) < 9, "count < 9 wholes"


class SettingsTest(parameterized.TestCase):
  @parameterized.parameters(
    dict(),
    dict(count=5, whole=5),
    dict(share=1.0),
    dict(seed=2**32 - 1),
    dict(positive=1e-300),
    dict(shapes=((7,),)),
  )
  def test_takes(self, **fields):
    Config(**fields)

  @parameterized.parameters(
    (dict(count=0), "count to be a finite number >= 1, got count=0"),
    (dict(whole=-1), "whole to be a finite number >= 0, got whole=-1"),
    (dict(positive=0.0), "positive to be a finite number > 0, got"),
    (dict(positive=math.inf), "positive to be a finite number > 0, got"),
    (dict(positive=math.nan), "positive to be a finite number > 0, got"),
    (dict(share=1.5), "share to be a finite number >= 0 and <= 1, got"),
    (dict(any_number=math.nan), "any_number to be a finite number, got"),
    (dict(rates=(0.1, -0.1)), "rates to be a finite number > 0, got rates=-0"),
    (dict(rates=()), "at least one value of rates"),
    (dict(shapes=((1,), (0,))), "shapes to be a finite number >= 1"),
    (dict(seed=-1), "seed to be a finite number >= 0 and <= 4"),
    (dict(seed=2**32), "seed to be"),
    (dict(several=1), "several to be a finite number >= 2, got several=1"),
    (dict(many=19), "many to be a finite number >= 20, got many=19"),
    (dict(sizes=(0, 2)), "sizes to be a finite number >= 1, got sizes=0"),
    (dict(sizes=(2, 2)), r"sizes to be ascending, got sizes=\(2, 2\)"),
    (dict(sizes=(3, 1)), r"sizes to be ascending, got sizes=\(3, 1\)"),
    (dict(whole=2), "expected whole <= count, got count=1, whole=2$"),
    (dict(whole=9, count=9), "expected count < 9 wholes, got count=9$"),
  )
  def test_refuses(self, fields, message):
    with self.assertRaisesRegex(ValueError, message):
      Config(**fields)


if __name__ == "__main__":
  absltest.main()
