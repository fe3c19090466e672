"""Claims of the study of digit codes."""

import numpy as np
from scipy import special

from experiments import measure, study
from experiments.claims import Claim, Source, conjecture, theory

_LEAST_MARGIN = 0.91  # Bit 3 of 8 and 9: 0.99 - 8 * 0.01.


def claims(results: study.Results) -> list[Claim]:
  """Compares the designed layer and trained networks with the exercises."""
  return [*_designed_layer(results.layer), *_trained(results)]


def _designed_layer(layer):
  margins = layer.margins
  yield Source("S0-1.3", "S0", "exercise 1.3").at_least(
    "margins",
    "With weights +1 and -1 and bias 0 every admissible one-hot code decides "
    "each bit by more than 0.90.",
    0.90,
    {
      f"bit {bit}, digits with {order}": margins[order][:, bit].min()
      for order in ("zero first", "zero last")
      for bit in range(4)
    },
    strict=True,
    quantity="least of z (bit set) and -z over all 2^10 corners",
    note="The exercise shows it of bit 0.",
  )
  logs = np.log(layer.output_errors)
  expected = special.log_expit(-_LEAST_MARGIN * layer.gains)
  yield theory("S0-1.3", "exercise 1.3, 'amplify'", "S0").zero(
    "amplified",
    "Multiplied by c the layer's weights drive its sigmoids to the bits, the "
    "worst up to sigma(-0.91 c).",
    {
      f"c = {c:g}": d for c, d in zip(layer.gains, logs - expected, strict=True)
    },
    tolerance=1e-3,  # At c = 30 rounding of 1 - a is 1e-4 of it.
    quantity="log abs(a - bit) less log sigma(-0.91 c), worst input",
  )
  yield theory("S0-1.3", "exercise 1.3, bit 1; 9 is 1001", "S0").equal(
    "bit-1-of-nine",
    "Bit 1 is set for 2, 3, 6, 7 alone: with weight +1 for 9 as well, the "
    "digit 9 is read as 11.",
    11,
    layer.nine,
    tolerance=0,
    quantity="what 9 is read as",
    note="Erratum: the exercise says 2, 3, 6, 7, 9.",
  )
  table, text = (
    np.sum(np.all(margins[name] > 0, axis=1)) for name in ("table", "text")
  )
  yield Source("S1-P3", "S1", "problem 3, table of the weights").equal(
    "table",
    "The weights in the solution's table, +1 and -1, read all ten digits from "
    "any admissible code; those of its text, +1 and 0, none.",
    10,
    table - text,
    tolerance=0,
    quantity="digits read rightly at every corner, table less text",
    note="Erratum: the text has w = 0 for bits that must be 0. Its example has "
    "0.09 for 0.99, which gives the printed sums, and sigma(0.98) in every row "
    "for sigma of the row's own sum.",
  )


def _trained(results):
  yield theory(
    "S4-2.0", "question 2; the loss is a sum over outputs", "S4"
  ).zero(
    "order",
    "Whether the digit 0 comes first or last is a matter of names: gradients "
    "of the squared loss are the same.",
    results.order_difference,
    tolerance=1e-11,  # Float64 sums over 100 images in another order.
    quantity="largest difference, rows put in the same order",
  )
  accuracy, sizes = results.accuracy, results.hidden_sizes
  ten = accuracy["ten"][:, -1]
  yield Source("S4-2.2", "S4", "question 2.2").equivalent(
    "same-error",
    "From a trained network of high accuracy the designed layer makes a binary "
    "one with roughly the same error.",
    0,
    measure.difference(accuracy["designed"][:, -1], ten),
    margin=0.01,  # Within one point in a hundred we call it roughly the same.
    quantity=f"difference of accuracies, {sizes[-1]} hidden neurons",
    note=f"Accuracy {ten.mean():.4f} by the largest output.",
  )
  statements = {
    "bits": "Four outputs trained directly recognise less, at every size of "
    "the hidden layer, than ten outputs and the designed layer.",
    "deep": "The network with the extra layer, trained as a whole, recognises "
    "less at every size than with that layer designed.",
  }
  for name, id in (("bits", "S4-2.1"), ("deep", "S4-2.3")):
    lost = accuracy["designed"] - accuracy[name]
    where = f"question {id.removeprefix('S4-')}, which asks"
    yield conjecture(id, where, "S4").at_least(
      f"{name}-harder",
      statements[name],
      0,
      {
        f"{size} hidden neurons": measure.mean(lost[:, i])
        for i, size in enumerate(sizes)
      },
      strict=True,
      quantity="accuracy lost on test images, same seeds",
      note="The sheet asks what one thinks of it; the conjecture is ours.",
    )
