"""Claims of the study of gradients by lag."""

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, conjecture, theory
from experiments.gradient_flow.recurrent import readings
from experiments.gradient_flow.recurrent import theory as closed

_ROW = "S0-5.2-gradient"
_REM = Source(_ROW, "S0", "section 5.2, equations 5.1 and 5.4")
_LSTM = Source(
  _ROW,
  "S0",
  'section 5.2: LSTMs "were developed in order to circumvent the vanishing '
  'gradient problem"',
)
_EXACT = theory(_ROW, "product of the step's Jacobians in closed form")
_GATES = theory(_ROW, "eigenvalues of sigmoid(b) + U_g / 4, the state near 0")
_BOUND = Source("P16", "pascanu2013", "equations 6 and 7")
_NECESSARY = Source("P16", "pascanu2013", "section 2.1")
_ORDER = Source("P16", "pascanu2013", "temporal order, T = 20, smart tanh")
_COPY = Source("P9", "arjovsky2016", "copying memory problem")
_ADDING = Source("P9", "arjovsky2016", "adding problem")
# Key, in words, and what a run of five seeds and 30,000 updates found.
_METHODS = {
  "SGD": (
    "order-sgd",
    "SGD",
    "of five runs three are there within 5,000 and one after 27,500",
  ),
  "clipped": (
    "order-clipped",
    "SGD with clipping",
    "of five runs three are there within 10,000",
  ),
  "clipped, Omega": (
    "order-omega",
    "SGD with clipping and the regulariser",
    "every run is there in about a thousand",
  ),
}
_ROUNDING = 1e-10  # Relative, float64 over the lags.


def claims(results: study.Results) -> list[Claim]:
  """Compares gradients with closed forms, and training with the published."""
  parts = (
    _memory,
    _reach,
    _exact,
    _bound,
    _temporal_order,
    _without_memory,
    _copying,
  )
  return [claim for part in parts for claim in part(results)]


def _memory(results):
  for key, what, rem in (
    ("rem-keeps", "keeps for good what stands", 1),
    ("rem-forgets", "forgets at once what stood", 0),
  ):
    left = results.memories[rem, [0, -1]]  # After the first and the last step.
    yield _REM.equal(
      key,
      f"An LSTM {what} in the long-term memory where rem is {rem}.",
      rem,
      {"least": left.min(), "most": left.max()},
      quantity="share left of a component, after one step and after the last",
      tolerance=_ROUNDING,
    )


def _reach(results):
  def gain(name, other, trained=False):
    kept = (readings.kept(results, n, trained) for n in (name, other))
    return measure.difference(*kept)

  first, last = readings.pause(results)
  after = gain("LSTM, bias 3", "tanh", trained=True)
  yield _LSTM.at_least(
    "lstm-keeps",
    "An LSTM with forget bias 3 keeps more of the gradient than a plain tanh "
    "network, before training.",
    0.0,
    gain("LSTM, bias 3", "tanh"),
    quantity=f"log10 of the share left at lag {last + 1}, difference by seed",
    strict=True,
    note="The gates alone do not: it is "
    f"{gain('LSTM, bias 0', 'tanh').value:.2f} with forget bias 0, "
    f"{gain('LSTM, bias 1', 'tanh').value:.2f} with 1; "
    f"{gain('tanh, orthogonal', 'tanh').value:.2f} with an orthogonal tanh "
    f"network. After training on copying it is {after.value:.2f} +- "
    f"{after.error:.2f}.",
  )
  yield _GATES.between(
    "gate-range",
    "An LSTM with forget bias b multiplies the gradient per step by sigmoid(b) "
    "to sigmoid(b) + 1/4, before training.",
    (0.0, 0.25),
    {
      name: measure.mean(readings.rates(net.start, first, last) - gate)
      for name, net in results.networks.items()
      if name.startswith("LSTM")
      for gate in [1 / (1 + np.exp(-float(name[-1])))]
    },
    quantity="factor per step on the copy task, less sigmoid(b)",
  )


def _exact(results):
  errors = {}
  for name, net in results.networks.items():
    errors[name] = np.max(np.abs(net.rest / net.in_theory - 1))
    if name in readings.EXACT:
      with_input = np.max(np.abs(net.start / net.in_theory - 1))
      errors[f"{name}, with input"] = with_input
  yield _EXACT.zero(
    "closed-forms",
    "Gradients by lag at rest are known in closed form for tanh networks, "
    "GRUs, LSTMs and LRUs.",
    errors,
    quantity="largest relative error over lags",
    tolerance=_ROUNDING,
    note="A step multiplies by W, 1/2 + U_n / 4, sigmoid(b) + U_g / 4, lambda.",
  )


def _bound(results):
  ratios = {
    name: readings.tightness(results, name) for name in ("tanh", "sigmoid")
  }
  yield _BOUND.equal(
    "bound",
    "No gradient exceeds (lambda_1 gamma)^k times that at lag 0; orthogonal "
    "matrices attain the bound.",
    1.0,
    # At lag 0 it is 1 by definition.
    {name: np.max(ratio[..., 1:]) for name, ratio in ratios.items()},
    quantity="largest ratio of gradient and bound, lags from 1 on",
    tolerance=1e-9,  # Rounding, float64.
    note="lambda_1 is the largest singular value, gamma the largest slope. "
    "Erratum: equation 5 prints the transpose of W in the Jacobian.",
  )
  above = results.bounds.gains > 1
  last = ratios["tanh"].shape[-1] - 1
  yield _NECESSARY.at_most(
    "not-sufficient",
    "That lambda_1 is above 1 / gamma is necessary for an explosion, not "
    "sufficient: gradients may still vanish.",
    1.0,
    {
      name: np.min(readings.rates(results.bounds.lags[name][above], 1, last))
      for name in ratios
    },
    quantity="smallest factor per step among networks with it",
    strict=True,
  )


def _temporal_order(results):
  order = results.order
  budget = int(order.checks[-1])
  updates = {name: readings.updates(results, name) for name in order.errors}
  for method, published in closed.PUBLISHED_UPDATES.items():
    key, by, at_full_length = _METHODS[method]
    statement = f"Temporal order is learned by {by} in {published:,} updates."
    if published > budget or method not in updates:
      yield _ORDER.not_run(
        key,
        statement,
        published,
        quantity="updates until at most 1 % errors",
        note=f"Tested by --full, for 30,000 updates: {at_full_length}.",
      )
      continue
    yield _ORDER.at_least(
      key,
      statement,
      0.5,
      measure.share(updates[method] <= published),
      quantity="share of runs with at most 1 % errors by then",
      strict=True,
      note="More than half, so that a typical run is there. Median "
      f"{np.median(updates[method]):,.0f} updates.",
    )
  updates = {name: np.minimum(u, budget) for name, u in updates.items()}
  late = updates.pop("clipped, Omega")
  yield _ORDER.at_least(
    "order-faster",
    "With clipping and the regulariser temporal order is learned in fewer "
    "updates than without the regulariser.",
    0.0,
    {
      name: measure.difference(u, late[: len(u)]) for name, u in updates.items()
    },
    quantity="updates until at most 1 % errors, difference by network",
    strict=True,
    note=f"A run which is not there counts as {budget:,} updates.",
  )


def _without_memory(results):
  yield _COPY.equal(
    "copy-floor",
    "Without memory copying 10 symbols of 8 over 100 blanks costs 0.1733 nats "
    "per step.",
    0.1733,
    results.copy_guess,
    quantity="nats per step of answering blanks, then guessing",
    tolerance=5e-5,  # The digits printed.
  )
  yield _ADDING.equivalent(
    "adding-floor",
    "Without memory the adding problem costs a squared error of 0.167.",
    0.167,
    measure.mean(results.adding_guess),
    quantity="squared error of always predicting the mean",
    margin=0.005,
  )


def _copying(results):
  length, delay = int(results.copy_length), int(results.copy_delay)
  source = _COPY
  if (length, delay) != (10, 100):
    source = conjecture(
      "P9", f"as published for 100 blanks, here over {delay}", "arjovsky2016"
    )
    yield _COPY.not_run(
      "copy-published",
      "Tanh networks and LSTMs stay at the cost without memory when they learn "
      "to copy over 100 blanks.",
      0.1733,
      quantity="nats per step",
      note=f"Tested by --full; here {length} symbols over {delay} blanks.",
    )

  def recalled(names, part):
    nets = {name: results.networks[name].trained for name in names}
    return {
      name: measure.mean(readings.recalled(results, getattr(net, part)))
      for name, net in nets.items()
    }

  forgetful = ("tanh", "LSTM, bias 0", "LSTM, bias 3")
  quantity = "1 - loss / loss without memory, last tenth of the training"
  yield source.at_most(
    "copy-forgotten",
    f"Over {delay} blanks tanh networks and LSTMs do not learn to copy: they "
    "stay at the cost without memory.",
    1 / length,
    recalled(forgetful, "losses"),
    quantity=quantity,
    note="Up to one symbol recalled.",
  )
  yield conjecture("P9", "a control: the same networks and updates").at_least(
    "copy-at-once",
    "Without blanks the same tanh networks and LSTMs learn to copy, in as many "
    "updates.",
    0.5,
    recalled(forgetful, "at_once"),
    quantity=quantity,
  )
  yield source.at_least(
    "copy-kept",
    f"Over {delay} blanks a linear recurrence that starts orthogonal learns to "
    "copy.",
    0.5,
    recalled(["linear, orthogonal"], "losses"),
    quantity=quantity,
    note="It stands for the unitary network of the paper.",
  )
