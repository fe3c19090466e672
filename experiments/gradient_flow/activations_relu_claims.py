"""Claims of the study of activations about starts and dead ReLU networks.

The arrays are described at `activations.run`.
"""

import math

import numpy as np

from experiments import study
from experiments.gradient_flow import activations_theory as theory

_GLOROT = (
  "Glorot, Bengio, Understanding the difficulty of training deep feedforward "
  "neural networks, 2010, section 4.2"
)
_HE = "He, Zhang, Ren, Sun, Delving deep into rectifiers, 2015, section 2.2"
_LU = (
  "Lu, Shin, Su, Karniadakis, Dying ReLU and initialization, 2019 (second-hand)"
)
_KENT = "Kent, Introduction to deep learning, slides, activation trade-offs"
# By width: share of 10-layer networks born dead, in an earlier simulation.
_BORN_DEAD = {2: 0.880, 3: 0.579, 5: 0.128, 10: 0.0013}
_SAID = {3: "about 60 %", 5: "more than 10 %", 10: "less than 1 %"}


def all_claims(results: study.Results) -> list[study.Claim]:
  """Compares starts, and shares of dead networks with probabilities."""
  return [
    *_singular_values(results),
    *_vgg(results),
    *_training(results),
    *_born_dead(results),
    *_one_ray(results),
    *_consequences(results),
  ]


def dead_shares(results: study.Results) -> tuple[np.ndarray, np.ndarray]:
  """Returns the shares of networks whose two rays, or first ray, are dead.

  Args:
    results: what `activations.run` returned.

  Returns:
    Two arrays [widths, layers].
  """
  alive = results["alive"]
  both = 1 - np.mean(np.any(alive, axis=-1), axis=-1)
  return both, 1 - np.mean(alive[..., 0], axis=-1)


def binomial_error(share: np.ndarray, num_draws: int) -> np.ndarray:
  """Returns the standard error of a share, sqrt(p (1 - p) / n).

  Args:
    share: p.
    num_draws: n.

  Returns:
    The shape of `share`; that of one event in n at least.
  """
  share = np.clip(share, 1 / num_draws, 1 - 1 / num_draws)
  return np.sqrt(share * (1 - share) / num_draws)


def _singular_values(results):
  values = results["singular_values"]
  for row, (name, published, variance) in enumerate(
    (("standard", 0.5, 1 / 3), ("normalised", 0.8, 1.0))
  ):
    small, large = values[row]
    error = np.std(small, ddof=1) / math.sqrt(len(small))
    expected = theory.quarter_circle_mean(variance)
    note = (
      f"{(np.mean(small) - expected) / error:+.1f} standard errors over "
      f"{len(small)} networks. With inputs of variance 1, where tanh saturates,"
      f" it is {np.mean(large):.3f}."
    )
    yield study.Claim(
      "P15",
      f"Mean singular value of the layer Jacobians of a tanh network with the "
      f"{name} start, as published.",
      f"{_GLOROT}: about {published}",
      published,
      float(np.mean(small)),
      0.05,  # One digit is given.
      note,
    )
    yield study.Claim(
      "P15",
      f"The same in theory, {name} start and small inputs.",
      "the quarter-circle law of random matrices, 8 sqrt(n Var W) / (3 pi)",
      expected,
      float(np.mean(small)),
      float(4 * error),
      note,
    )


def _vgg(results):
  ratios = np.asarray(results["vgg"], np.float64)
  mean = np.mean(ratios)
  error = np.std(ratios, ddof=1) / math.sqrt(len(ratios)) / mean / 2
  yield study.Claim(
    "P15",
    "Started with deviation 0.01, VGG-B shrinks the gradient from conv10 to "
    "conv2 by 1 / 1.7e4: log10 of the root mean square over networks.",
    _HE,
    -math.log10(1.7e4),
    float(math.log10(mean) / 2),
    # Of the mean square's root, and half a digit of the published number.
    float((4 * error + 0.03) / math.log(10)),
    f"{100 * (math.sqrt(mean) * 1.7e4 - 1):+.1f} %, standard error "
    f"{100 * error:.1f} % over {len(ratios)} networks.",
  )


def _training(results):
  starts = list(results["starts"])
  loss, accuracy = results["loss"][..., -1], results["accuracy"][..., -1]
  num_seeds = loss.shape[1]

  def summary(row):
    errors = [
      np.std(value[row], ddof=1) / math.sqrt(num_seeds)
      for value in (loss, accuracy)
    ]
    return (
      f"Loss {np.mean(loss[row]):.3f} +- {errors[0]:.3f} nats, test accuracy "
      f"{100 * np.mean(accuracy[row]):.1f} +- {100 * errors[1]:.1f} %, standard"
      f" errors of {num_seeds} networks."
    )

  for name in ("Glorot", "standard"):
    row = starts.index(name)
    yield study.Claim(
      "P15",
      f"A deep ReLU network stalls with the {name} start: its loss after "
      "training is that of knowing nothing, the worst seed's distance.",
      f"{_HE}: 30 layers; ln 10 nats for ten classes",
      0.0,
      float(np.max(np.abs(loss[row] - math.log(10)))),
      0.01,  # What the output's bias can learn: classes are not quite equal.
      summary(row),
    )
  row = starts.index("He")
  error = np.std(loss[row], ddof=1) / math.sqrt(num_seeds)
  yield study.Claim(
    "P15",
    "With He's start it trains: of ln 10 nats at most half is left after "
    "training, mean share.",
    f"{_HE}: 30 layers",
    (0.0, 0.5),
    float(np.mean(loss[row]) / math.log(10)),
    float(2 * error / math.log(10)),
    summary(row),
  )


def _born_dead(results):
  both, _ = dead_shares(results)
  num_nets = results["alive"].shape[2]
  for width, share in zip(results["widths"], both[:, -1], strict=True):
    published = _BORN_DEAD.get(int(width))
    if published is None:
      continue
    error = binomial_error(np.array(published), num_nets)
    said = _SAID.get(int(width))
    yield study.Claim(
      "P17",
      f"Share of 10-layer ReLU networks of width {width} that are born dead"
      + (f": {said}." if said else "."),
      f"{_LU}; the number by simulation",
      published,
      float(share),
      # Half a unit of the last digit that is given, and sampling.
      float(4 * error + (0.00005 if published < 0.01 else 0.0005)),
      f"{(share - published) / error:+.1f} standard errors over {num_nets} "
      "networks.",
    )


def _one_ray(results):
  both, one = dead_shares(results)
  num_nets, layers = results["alive"].shape[2], np.arange(1, both.shape[1] + 1)
  expected = np.stack(
    [theory.one_ray_dead(int(width), layers) for width in results["widths"]]
  )
  scores = (one - expected) / binomial_error(expected, num_nets)
  yield study.Claim(
    "P17",
    "At a given input the network is silent with probability 1 - (1 - 2^-N)^"
    "(L - 1): largest distance in standard errors over widths N and depths.",
    f"{_LU}, the upper bound; exact for one input",
    (0.0, 5.0),
    float(np.max(np.abs(scores))),
  )
  yield study.Claim(
    "P17",
    "That is an upper bound for networks born dead: the largest share over the "
    "bound, last layer.",
    _LU,
    (0.0, 1.0),
    float(np.max(both[:, -1] / expected[:, -1])),
  )
  rises = np.diff(both, axis=1)
  yield study.Claim(
    "S2-activations",
    "Dying ReLU happens in deeper networks: the least increase of the share "
    "born dead from one layer to the next, narrowest network.",
    _KENT,
    study.POSITIVE,
    float(np.min(rises[np.argmin(results["widths"]), 1:])),
    note="After the first layer, where one of the two rays always passes.",
  )


def _consequences(results):
  silent, none = results["silent"], results["no_gradient"]
  yield study.Claim(
    "S2-activations",
    "In a dead network gradients are 0: share of ReLU networks for which "
    "being silent at all inputs and having no gradient at all go together.",
    _KENT,
    1.0,
    float(np.mean(silent == none)),
    note=f"{100 * np.mean(silent):.0f} % of {len(silent)} networks are silent.",
  )
  alive = results["leaky_alive"]
  yield study.Claim(
    "S2-activations",
    "LeakyReLU mitigates the dying ReLU problem: share of 10-layer networks "
    "of width 3 born dead.",
    _KENT,
    0.0,
    float(1 - np.mean(np.any(alive, axis=-1))),
    note=f"Of {len(alive)} networks.",
  )
