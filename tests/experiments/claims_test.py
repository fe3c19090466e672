"""Claims: when they hold, fail or are undecided, and how they are written."""

import json
import math

import jax.numpy as jnp
import numpy as np
from absl.testing import absltest, parameterized

from experiments import bibliography, claims, measure, verdict

INF, NAN = math.inf, math.nan
SOURCE = claims.Source("P5", "murray2019", "table 1")
# 99 % limits: -+ 2.576; 99.995 %: -+ 4.056.
Z_HOLDS, Z_FAILS = 2.5758, 4.0556


def _between(expected, measured, **kwargs):
  return SOURCE.between(
    "a-key", "Sums are six.", expected, measured, quantity="sum", **kwargs
  )


class VerdictTest(parameterized.TestCase):
  @parameterized.parameters(
    ((1.0, 1.0), 1.0, 0.0, True),
    ((1.0, 1.0), 1.125, 0.125, True),  # Exact in binary: the bound is in.
    ((1.0, 1.0), 1.126, 0.125, False),
    ((2.0, 3.0), 3.25, 0.25, True),
    ((2.0, 3.0), 1.99, 0.0, False),
    ((4.0, INF), 1e300, 0.0, True),
    ((4.0, INF), 3.0, 0.5, False),
    ((-INF, 0.1), 0.2, 0.0, False),
    ((-INF, INF), NAN, 1.0, False),
    ((1.0, 1.0), NAN, 1e9, False),
    ((1.0, 1.0), INF, 1e9, False),
    ((4.0, INF), INF, 0.0, True),
  )
  def test_of_a_number(self, expected, measured, tolerance, holds):
    claim = _between(expected, measured, tolerance=tolerance)
    self.assertIs(claim.holds, holds)

  @parameterized.parameters(
    (Z_HOLDS + 0.01, True),
    (Z_HOLDS - 0.01, None),
    (0.0, None),
    (-Z_FAILS + 0.01, None),
    (-Z_FAILS - 0.01, False),
  )
  def test_of_a_bound(self, errors_above, holds):
    measured = measure.Measured(7.0 + 0.5 * errors_above, 0.5)
    claim = SOURCE.at_least("k", "Sums grow.", 7.0, measured, quantity="sum")
    self.assertIs(claim.holds, holds)
    mirrored = measured._replace(value=-measured.value)
    claim = SOURCE.at_most("k", "Sums fall.", -7.0, mirrored, quantity="sum")
    self.assertIs(claim.holds, holds)

  @parameterized.parameters(
    # Limits are 1.288 to both sides, those for a failure 2.028; margin 2.
    (0.0, True),
    (0.7, True),
    (0.8, None),
    (-4.0, None),
    (4.1, False),
  )
  def test_of_an_equivalence(self, difference, holds):
    claim = SOURCE.equivalent(
      "k",
      "Sums are six.",
      6.0,
      measure.Measured(6 + difference, 0.5),
      margin=2.0,
      quantity="sum",
    )
    self.assertIs(claim.holds, holds)

  def test_noise_is_never_equal(self):
    claim = SOURCE.equivalent(
      "k",
      "Sums are six.",
      6.0,
      measure.Measured(6.0, 1.0),
      margin=1.0,
      quantity="sum",
    )
    self.assertIsNone(claim.holds)

  def test_nothing_is_not_more(self):
    cases = (0.0, False), (1e-300, True), (-1e-300, False), (np.inf, True)
    for value, holds in cases:
      claim = SOURCE.at_least(
        "k", "Sums are positive.", 0.0, value, strict=True, quantity="sum"
      )
      self.assertIs(claim.holds, holds)

  def test_a_share_of_all_proves_no_certainty(self):
    for bound, holds in ((0.5, True), (0.99, None)):
      all_of_20 = measure.share(np.ones(20))
      claim = SOURCE.at_least(
        "k", "Nets learn.", bound, all_of_20, quantity="share"
      )
      self.assertIs(claim.holds, holds)

  def test_a_true_claim_fails_as_rarely_as_is_said(self):
    # At the bound itself: 2.5e-5 of 400,000, which is 10; 4.5 deviations.
    draws = np.random.default_rng(0).normal(size=400_000)
    error = measure.Measured(0.0, 1.0)
    width = error.limits(1 - verdict.FAILS_BY_CHANCE)[1]
    self.assertAlmostEqual(width, Z_FAILS, places=3)
    self.assertLess(np.sum(draws + width < 0), 24)
    self.assertGreater(np.sum(draws + width < 0), 0)


class ClaimTest(parameterized.TestCase):
  def test_worst_of_its_variants(self):
    variants = {"tanh": 6.01, "relu": 6.2, "linear": 5.9}
    claim = _between((6.0, 6.0), variants, tolerance=0.3, note="Six.")
    self.assertEqual(claim.measurement.value, 6.2)
    self.assertEqual(claim.note, "Six. Nearest to failing of 3: relu.")
    claim = _between((6.0, 6.0), variants | {"gelu": NAN}, tolerance=0.3)
    self.assertIs(claim.holds, False)
    self.assertIn("gelu", claim.note)

  def test_a_certain_failure_is_not_hidden_by_a_wide_one(self):
    measured = {
      "wide": measure.Measured(0.0, 10.0),
      "sure": measure.Measured(-1.0, 0.01),
    }
    self.assertIs(_between((0.0, INF), measured).holds, False)

  def test_one_of_many_variants_fails_as_rarely_as_one(self):
    # 4.2 errors below the bound: beyond the 4.056 of one, not the 5.2 of 100.
    below = measure.Measured(-4.2, 1.0)
    self.assertIs(_between((0.0, INF), below).holds, False)
    others = {f"seed {i}": measure.Measured(9.0, 1.0) for i in range(99)}
    self.assertIsNone(_between((0.0, INF), {"it": below} | others).holds)

  @parameterized.parameters(
    dict(expected=(3.0, 2.0)),
    dict(expected=(NAN, NAN)),
    dict(tolerance=-1.0),
    dict(tolerance=INF),
    dict(tolerance=0.1, strict=True),
  )
  def test_refuses_what_nothing_could_meet(self, expected=(1.0, 1.0), **kwargs):
    with self.assertRaisesRegex(ValueError, "claim P5 'a-key': expected"):
      _between(expected, 1.0, **kwargs)

  @parameterized.parameters(
    "It is six.",
    "So it is.",
    "Its sum is six.",
    "Nor is it.",
    "No full stop",
    "",
    "word " * 25 + "end.",
  )
  def test_refuses_what_no_reader_could_follow(self, statement):
    with self.assertRaisesRegex(ValueError, "statement|sentence"):
      SOURCE.equal("k", statement, 6.0, 6.0, tolerance=0.0, quantity="sum")

  def test_refuses_an_unknown_text(self):
    source = claims.Source("P5", "murray1919", "table 1")
    with self.assertRaisesRegex(ValueError, "bibliography, got 'murray1919'"):
      source.zero("k", "Sums are zero.", 0.0, tolerance=0.0, quantity="sum")

  @parameterized.parameters(
    ((2.0, 2.0), 1.0, 2.0, 1.0, 0.0),
    ((4.0, INF), 5.0, [4.0, None], 5.0, 0.0),
    ((INF, INF), 5.0, "inf", 5.0, 0.0),
    ((-INF, 0.1), NAN, [None, 0.1], "nan", 0.0),
    ((0, 1), measure.Measured(0.5, 0.25), [0.0, 1.0], 0.5, 0.25),
  )
  def test_json_is_strict(self, expected, measured, want, value, error):
    claim = _between(expected, measured)
    record = json.loads(json.dumps(claim.as_json("a/b"), allow_nan=False))
    self.assertEqual(
      [record[name] for name in ("expected", "measured", "error", "holds")],
      [want, value, error, claim.holds],
    )
    self.assertEqual(record["study"], "a/b")
    self.assertEqual(record["kind"], "published")
    self.assertTrue(record["source"].startswith("Murray, Local online"))
    self.assertTrue(record["source"].endswith("table 1"))
    self.assertTrue(record["url"].startswith("https://"))

  def test_not_run(self):
    claim = SOURCE.not_run(
      "k", "Sums are six.", 6.0, quantity="sum", note="By --full."
    )
    record = claim.as_json("a")
    self.assertEqual(record["kind"], "not run here")
    self.assertEqual(record["expected"], 6.0)
    self.assertIsNone(record["holds"])
    self.assertIsNone(record["measured"])

  @parameterized.parameters(np.float32, np.asarray, jnp.asarray)
  def test_takes_array_scalars(self, as_type):
    record = _between((6.0, 6.0), as_type(6.0)).as_json("a")
    self.assertIs(record["holds"], True)
    json.dumps(record)

  def test_kinds(self):
    derived = claims.theory("P5", "a sum of squares")
    claim = derived.equal("k", "A is B.", 1.0, 1.0, tolerance=0.0, quantity="a")
    self.assertEqual((claim.kind, claim.url), (claims.Kind.THEORY, ""))
    self.assertEqual(claim.source, "a sum of squares")
    ours = claims.conjecture("P5", "question 2", "S4")
    claim = ours.equal("k", "A is B.", 1.0, 1.0, tolerance=0.0, quantity="a")
    self.assertEqual(claim.kind, claims.Kind.CONJECTURE)
    self.assertEqual(claim.source, "Problem sheet 4, question 2")


class FamilyTest(absltest.TestCase):
  def test_chance_of_a_red_page(self):
    certain = [_between((0, 1), 0.5).as_json("a")] * 50
    uncertain = _between((0, 1), measure.Measured(0.5, 0.01)).as_json("a")
    chance = claims.family_chance([*certain, *[uncertain] * 100])
    self.assertAlmostEqual(chance, 1 - (1 - 5e-5) ** 100)
    self.assertEqual(claims.family_chance(certain), 0.0)
    # 200 claims, all of them uncertain, stay below one of a hundred.
    self.assertLess(claims.family_chance([uncertain] * 200), 0.01)


class BibliographyTest(absltest.TestCase):
  def test_in_order_and_linked(self):
    names = list(bibliography.TEXTS)
    documents = [
      name for name in names if name in ("S0", "S1", "S2", "S3", "S4")
    ]
    self.assertEqual(names, documents + sorted(set(names) - set(documents)))
    for name, text in bibliography.TEXTS.items():
      self.assertTrue(text.title, name)
      self.assertRegex(text.url, "^(https?://.*)?$")


if __name__ == "__main__":
  absltest.main()
