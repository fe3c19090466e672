"""Claims of the study of gradients by lag."""

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, conjecture, theory
from experiments.gradient_flow.recurrent import readings

_ROW = "S0-5.2-gradient"
_REM = Source(_ROW, "S0", "section 5.2, equations 5.1 and 5.4")
_LSTM = Source(
  _ROW, "S0", 'section 5.2: "to circumvent the vanishing gradient problem"'
)
_EXACT = theory(_ROW, "product of the step's Jacobians in closed form")
_BOUND = Source("P16", "pascanu2013", "equations 6 and 7")
_ORDER = Source("P16", "pascanu2013", "temporal order, T = 20, smart tanh")
_COPY = Source("P9", "arjovsky2016", "copying memory problem")
_FEWER = conjecture("P9", "published for 100 blanks, not fewer", "arjovsky2016")
# Key, and how many of five runs of 30,000 updates were there by when.
_METHODS = {
  readings.SGD: ("order-sgd", "three within 5,000 and one after 27,500"),
  readings.CLIPPED: ("order-clipped", "three within 10,000"),
  readings.OMEGA: ("order-omega", "all in about a thousand"),
}
_ROUNDING = 1e-10  # Relative, float64 over the lags.


def claims(results: study.Results) -> list[Claim]:
  """Compares gradients with closed forms, and training with the published."""
  parts = (_memory, _reach, _exact, _bound, _temporal_order, _copying)
  return [claim for part in parts for claim in part(results)]


def _memory(results):
  yield _REM.zero(
    "rem",
    "An LSTM keeps for good what stands in the long-term memory where rem is "
    "1, and forgets it at once where rem is 0.",
    {
      f"rem = {rem}": np.max(np.abs(left - rem))
      for rem, left in enumerate(results.memories)
    },
    quantity="largest difference of rem and the share left, over steps",
    tolerance=_ROUNDING,
  )


def _reach(results):
  nets = results.networks
  start = {n: readings.kept(results, net.start) for n, net in nets.items()}
  gains = {n: measure.difference(g, start["tanh"]) for n, g in start.items()}
  lags = (results.trained[name].lags for name in ("LSTM, bias 3", "tanh"))
  after = measure.difference(*(readings.kept(results, g) for g in lags))
  yield _LSTM.at_least(
    "lstm-keeps",
    "An LSTM with forget bias 3 keeps more of the gradient than a plain tanh "
    "network, before training.",
    0.0,
    gains["LSTM, bias 3"],
    quantity=f"log10 of the share left at lag {readings.needed(results)}, "
    "difference by seed",
    strict=True,
    note="The gates alone do not: it is "
    f"{gains['LSTM, bias 0'].value:.2f} with forget bias 0, "
    f"{gains['LSTM, bias 1'].value:.2f} with 1; "
    f"{gains['tanh, orthogonal'].value:.2f} with an orthogonal tanh network. "
    f"After training on copying it is {after.value:.2f} +- {after.error:.2f}.",
  )


def _exact(results):
  yield _EXACT.zero(
    "closed-forms",
    "Gradients by lag at rest are known in closed form for tanh networks, "
    "GRUs, LSTMs and LRUs.",
    {
      name: np.max(np.abs(net.rest / net.in_theory - 1))
      for name, net in results.networks.items()
    },
    quantity="largest relative error over lags",
    tolerance=_ROUNDING,
    note="A step multiplies by W, 1/2 + U_n / 4, sigmoid(b) + U_g / 4, lambda.",
  )


def _bound(results):
  ratios = {name: readings.tightness(results, name) for name in results.gains}
  start = results.networks["tanh"].start[results.gains["tanh"] > 1]
  yield _BOUND.equal(
    "bound",
    "No gradient exceeds (lambda_1 gamma)^k times that at lag 0; orthogonal "
    "matrices attain the bound.",
    1.0,
    # At lag 0 it is 1 by definition.
    max(np.max(ratio[:, 1:]) for ratio in ratios.values()),
    quantity="largest ratio of gradient and bound, lags from 1 on",
    tolerance=1e-5,  # They are orthogonal up to rounding in float32.
    note="lambda_1 is the largest singular value, gamma the largest slope. "
    "Erratum: equation 5 prints the transpose of W in the Jacobian. A lambda_1 "
    "above 1 / gamma is not sufficient for an explosion (section 2.1): down to "
    f"{np.min(start[:, -1] / start[:, 0]):.0e} is left in tanh networks.",
  )


def _temporal_order(results):
  checks = results.order.checks
  for method, published in readings.PUBLISHED_UPDATES.items():
    key, found = _METHODS[method]
    statement = f"{method} learns temporal order in {published:,} updates."
    if published > checks[-1]:
      yield _ORDER.not_run(
        key,
        statement,
        published,
        quantity="updates until at most 1 % errors",
        note=f"Tested by --full; of five runs {found}.",
      )
      continue
    updates = readings.updates(results, method)
    yield _ORDER.at_least(
      key,
      statement,
      0.5,
      measure.share(updates <= published),
      quantity="share of runs with at most 1 % errors by then",
      strict=True,
      note=f"The median run takes {np.median(updates):,.0f} updates.",
    )
  without, budget = readings.updates(results, readings.CLIPPED), checks[-1]
  late = readings.updates(results, readings.OMEGA)[: len(without)]
  what = (
    "order-faster",
    "With the regulariser temporal order is learned in fewer updates than by "
    "clipping alone.",
  )
  quantity = "updates until at most 1 % errors, difference by network"
  if not np.isfinite(late).any():
    note = f"Not shown here: no run with it got there in {budget:,} updates."
    yield _ORDER.not_run(*what, (0, np.inf), quantity=quantity, note=note)
    return
  yield _ORDER.at_least(
    *what,
    0.0,
    measure.difference(np.minimum(without, budget), np.minimum(late, budget)),
    quantity=quantity,
    strict=True,
    note=f"A run which is not there counts as {budget:,} updates.",
  )


def _copying(results):
  length, delay = int(results.copy_length), int(results.copy_delay)
  source = _COPY if (length, delay) == (10, 100) else _FEWER
  if source is _FEWER:
    yield _COPY.not_run(
      "copy-published",
      "Tanh networks and LSTMs stay at the cost without memory when they learn "
      "to copy over 100 blanks.",
      0.1733,
      quantity="nats per step",
      note=f"Tested by --full; here {length} symbols over {delay} blanks.",
    )

  def recalled(names, task):
    return {n: measure.mean(readings.recalled(results, n, task)) for n in names}

  forgetful = ("tanh", "LSTM, bias 3")
  quantity = "1 - loss / loss without memory, last tenth of the training"
  yield source.between(
    "copy-forgotten",
    f"Over {delay} blanks tanh networks and LSTMs do not learn to copy: they "
    "stay within a symbol of the cost without memory.",
    (-1 / length, 1 / length),
    recalled(forgetful, readings.OVER_PAUSE),
    quantity=quantity,
  )
  yield conjecture("P9", "a control: the same networks and updates").at_least(
    "copy-at-once",
    "Without blanks the same tanh networks and LSTMs learn to copy, in as many "
    "updates.",
    0.5,
    recalled(forgetful, readings.AT_ONCE),
    quantity=quantity,
  )
  yield source.at_least(
    "copy-kept",
    f"Over {delay} blanks a linear recurrence that starts orthogonal learns to "
    "copy.",
    0.5,
    recalled(["linear, orthogonal"], readings.OVER_PAUSE),
    quantity=quantity,
    note="It stands for the unitary network of the paper.",
  )
