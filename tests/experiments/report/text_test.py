"""Numbers and expectations as a reader writes them."""

from xml.etree import ElementTree

from absl.testing import absltest, parameterized

from experiments.report import text


class FormulaTest(absltest.TestCase):
  def test_is_mathml(self):
    latex = r"\frac{\partial C}{\partial w} < 1"
    math = ElementTree.fromstring(text.formula(latex))
    self.assertEqual("".join(math.itertext()), "∂C∂w<1")
    names = {element.tag.partition("}")[2] for element in math.iter()}
    self.assertContainsSubset({"math", "mfrac"}, names)


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
    self.assertEqual(text.format_number(value), want)

  @parameterized.parameters(
    (4.0, "4"),
    ([4.0, None], "≥ 4"),
    ([None, 0.1], "≤ 0.1"),
    ([0.1, 0.2], "0.1 … 0.2"),
    ([None, None], "any number"),
  )
  def test_expected(self, value, want):
    self.assertEqual(text.format_expected({"expected": value}), want)


if __name__ == "__main__":
  absltest.main()
