"""Claims of the study of online gradients in deep stacks."""

import math

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, conjecture, theory
from experiments.rtrl_vs_tbptt.deep_online import readings

_PAPER = Source("P10", "zucchet2023", "the gradient against depth")
_LAST = theory("P10", "no layer above the last one carries its influence")
_OURS = conjecture("P10", "how much is lost, where, and by what", "zucchet2023")
_ROUNDING = math.sqrt(np.finfo(np.float32).eps)  # Half of the digits.
_OWN, _SPATIAL = range(len(readings.ESTIMATORS))


def claims(results: study.Results) -> list[Claim]:
  """Compares alignment over depth, layers and memory."""
  parts = _exact(results), _deeper(results), _lost(results)
  return [claim for part in parts for claim in part]


def _exact(results):
  names = [
    f"{n} layers, r_min = {r}"
    for n, r in zip(results.num_layers, results.r_min, strict=True)
  ]
  errors = results.last_error[..., _OWN].max(axis=(0, 2))
  yield _PAPER.zero(
    "one-layer",
    "Layer-local diagonal RTRL gives one layer its exact gradient.",
    errors[0],
    tolerance=_ROUNDING,
    quantity="relative error, largest of all stacks and times",
    note="Within the step alone it is "
    f"{results.last_error[:, 0, :, _SPATIAL].mean():.2f} on average.",
  )
  yield _LAST.zero(
    "last-layer",
    "The last layer of a stack has its exact gradient, however many there are "
    "below it.",
    dict(zip(names[1:], errors[1:], strict=True)),
    tolerance=_ROUNDING,
    quantity="relative error, largest of all stacks and times",
  )


def _deeper(results):
  depth = readings.by_depth(results)
  losses = 1 - results.cosine[..., _OWN][:, depth].mean(axis=2)
  yield _PAPER.at_least(
    "deeper",
    "In deeper stacks layer-local diagonal RTRL, with backpropagation through "
    "the layers of a step, is an approximation.",
    0.01,  # Eight degrees; rounding has 1e-7.
    {
      f"{depth[i] + 1} layers": measure.mean(losses[:, i])
      for i in range(1, len(depth))
    },
    quantity="1 minus the cosine with the exact gradient, mean over times",
  )
  yield _OURS.at_least(
    "depth",
    "The deepest stack is less aligned than that of two layers.",
    0.0,
    measure.difference(losses[:, -1], losses[:, 1]),
    strict=True,
    quantity=f"fall of the cosine from 2 to {len(depth)} layers, mean over "
    "times",
  )
  times = [f"after {n} updates" for n in results.checkpoints]
  gaps = (results.cosine[..., _OWN] - results.cosine[..., _SPATIAL])[:, depth]
  yield _OURS.at_least(
    "spatial",
    "At every depth, before and after training, influences within layers bring "
    "the gradient nearer than errors within the step alone.",
    0.0,
    {
      f"{depth[i] + 1} layers, {time}": measure.mean(gaps[:, i, k])
      for i in range(len(depth))
      for k, time in enumerate(times)
    },
    strict=True,
    quantity="rise of the cosine with the exact gradient",
    note="The loss is "
    f"{results.loss[:, depth, 0].mean():.2f} nats a symbol at first and "
    f"{results.loss[:, depth, -1].mean():.2f} at the end.",
  )


def _lost(results):
  deepest = readings.deepest(results)
  own = readings.below(results)  # [S, C, K]
  first = results.layer_cosine[:, deepest[0], :, _OWN].mean(axis=1)
  num_layers = results.num_layers[deepest[0]]
  yield _OURS.at_most(
    "below",
    "In a deep stack the gradient of a layer points the further away the more "
    "layers are above it.",
    0.0,
    measure.slope(np.arange(num_layers), first[:, :num_layers]),
    strict=True,
    quantity="cosine of a layer's own gradient, by layer above it",
  )
  yield _OURS.at_least(
    "memory",
    "Layers below the last one lose more alignment where the layers above "
    "remember longer.",
    0.0,
    {
      f"r_min = {results.r_min[i]}": measure.mean(
        (own[:, deepest[0]] - own[:, i]).mean(axis=1)
      )
      for i in deepest[-1:]  # The largest.
    },
    strict=True,
    quantity=f"fall of the layers' mean cosine from r_min = "
    f"{results.r_min[deepest[0]]}, mean over times",
  )
