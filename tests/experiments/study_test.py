"""Claims: when they hold, and how they are written down."""

import json
import math

import jax.numpy as jnp
import numpy as np
from absl.testing import absltest, parameterized

from experiments import study

INF = math.inf
NAN = math.nan


def make(expected, measured, tolerance=0.0, note=""):
  return study.Claim("P1", "It is.", "Me", expected, measured, tolerance, note)


class ClaimTest(parameterized.TestCase):
  @parameterized.parameters(
    (1.0, 1.0, 0.0, True),
    (1.0, 1.125, 0.125, True),  # Exact in binary: the bound itself is in.
    (1.0, 1.126, 0.125, False),
    (1.0, 0.875, 0.125, True),
    ((2.0, 3.0), 2.0, 0.0, True),
    ((2.0, 3.0), 3.25, 0.25, True),
    ((2.0, 3.0), 1.99, 0.0, False),
    ((4.0, INF), 1e300, 0.0, True),
    ((4.0, INF), 3.0, 0.5, False),
    ((-INF, 0.1), -5.0, 0.0, True),
    ((-INF, 0.1), 0.2, 0.0, False),
    ((-INF, INF), NAN, 1.0, False),
    (1.0, NAN, 1e9, False),
    (1.0, INF, 1e9, False),
    ((4.0, INF), INF, 0.0, True),
    ([2.0, 3.0], 2.5, 0.0, True),
  )
  def test_holds(self, expected, measured, tolerance, holds):
    self.assertIs(make(expected, measured, tolerance).holds, holds)

  @parameterized.parameters(
    ((3.0, 2.0), 0.0), (NAN, 0.0), (1.0, -1.0), (1.0, NAN), (1.0, INF)
  )
  def test_refuses_what_nothing_could_meet(self, expected, tolerance):
    with self.assertRaisesRegex(ValueError, "Claim P1"):
      make(expected, 1.0, tolerance)

  @parameterized.parameters(
    (2.0, 1.0, 2.0, 1.0),
    ((4.0, INF), 5.0, [4.0, None], 5.0),
    ((-INF, 0.1), NAN, [None, 0.1], "nan"),
    ((0, 1), -INF, [0.0, 1.0], "-inf"),
    (INF, 1.0, "inf", 1.0),
  )
  def test_json_is_strict(self, expected, measured, want, want_measured):
    claim = make(expected, measured)
    record = json.loads(json.dumps(claim.as_json("a/b"), allow_nan=False))
    self.assertEqual(
      record,
      {
        "study": "a/b",
        "id": "P1",
        "statement": "It is.",
        "source": "Me",
        "expected": want,
        "measured": want_measured,
        "tolerance": 0.0,
        "holds": claim.holds,
        "note": "",
      },
    )

  @parameterized.parameters(np.float32, np.asarray, jnp.asarray)
  def test_takes_array_scalars(self, as_type):
    record = make(6.0, as_type(6.0), note="So.").as_json("a")
    self.assertIs(record["holds"], True)
    self.assertEqual(json.loads(json.dumps(record))["note"], "So.")


class FormatTest(parameterized.TestCase):
  @parameterized.parameters(
    (0.0, "0"),
    (4.0, "4"),
    (123456.0, "123456"),
    (0.123456, "0.1235"),
    (-1.5, "−1.5"),
    (1e-10, "1e−10"),
    (1.23456e-5, "1.235e−5"),
    (2.5e20, "2.5e20"),
    ("nan", "NaN"),
    ("-inf", "−∞"),
  )
  def test_number(self, value, want):
    self.assertEqual(study.format_number(value), want)

  @parameterized.parameters((0.0, False), (1e-300, True), (-1e-300, False))
  def test_nothing_is_not_positive(self, measured, holds):
    claim = study.Claim("P1", "More.", "theory", study.POSITIVE, measured)
    self.assertEqual(claim.holds, holds)

  def test_positive_takes_no_tolerance(self):
    with self.assertRaisesRegex(ValueError, "expected no tolerance .* got 0.1"):
      study.Claim("P1", "More.", "theory", study.POSITIVE, 1.0, 0.1)

  @parameterized.parameters(
    (4.0, "4"),
    ([4.0, None], "≥ 4"),
    ([study.POSITIVE[0], None], "> 0"),
    ([None, 0.1], "≤ 0.1"),
    ([0.1, 0.2], "0.1 … 0.2"),
    ([None, None], "any number"),
  )
  def test_expected(self, value, want):
    self.assertEqual(study.format_expected({"expected": value}), want)


if __name__ == "__main__":
  absltest.main()
