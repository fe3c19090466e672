"""Claims of the study of activations: networks that learn, or do not."""

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, theory
from experiments.gradient_flow.activations import readings

_HE = Source("P15", "he2015", "section 2.2, 30 layers")
_LU = Source("P17", "lu2019", "10 layers, second-hand")
_SILENT = theory("P17", "1 - (1 - 2^-N)^(L - 1), exact for one input", "lu2019")
_SLIDES = Source("S2-activations", "S2", "activation trade-offs")
_TRADE_OFFS = Source("S2-tradeoffs", "S2", "activation trade-offs")
_FORWARD = Source("S2-tradeoffs", "S2", "forward propagation")
_HALF = theory(
  "S2-tradeoffs", "weights are as often negative as positive", "S2"
)
_CHAPTER = Source("S3-1.3", "S3", "section 1.3")


def claims(results: study.Results) -> list[Claim]:
  """Compares learning with what is said of it, dead networks with chances."""
  return [
    *_deep(results),
    *_born_dead(results),
    *_dying(results),
    *_better(results),
    *_sparse_and_leaky(results),
    *_costs(results),
  ]


def _deep(results):
  he, glorot = (
    results.deep[name].train / readings.LN_10 for name in ("He", "Glorot")
  )
  num_epochs = he.shape[-1] - 1
  yield _HE.at_most(
    "he-trains",
    "With He's start a ReLU network of 30 layers trains.",
    0.5,
    measure.mean(he[:, -1]),
    quantity=f"training loss over ln 10 after {num_epochs} epochs",
    note="Knowing nothing costs ln 10 nats.",
  )
  statement = (
    "With Glorot's start a ReLU network of 30 layers stalls, while one with "
    "He's start learns the digits."
  )
  quantity = "training loss over ln 10 when He's is first below a tenth"
  expected = (0.9, 1.1)
  learned = he < 0.1
  if not np.all(np.any(learned, axis=1)):
    yield _HE.not_run(
      "glorot-stalls",
      statement,
      expected,
      quantity=quantity,
      note="Not shown here: a network with He's start did not get that far in "
      f"{num_epochs} epochs.",
    )
    return
  epochs = np.argmax(learned, axis=1)
  yield _HE.between(
    "glorot-stalls",
    statement,
    expected,
    measure.mean(glorot[np.arange(len(epochs)), epochs]),
    quantity=quantity,
    note=f"That is after {epochs.mean():.0f} epochs. Trained for longer, those "
    "with Glorot's start begin to learn too: they learn later.",
  )


def _dead(results, width):
  """Whether networks of a width are silent behind each layer  [nets, 9]."""
  row = list(results.widths).index(width)
  return ~np.any(results.alive[:, row], axis=-1)


def _born_dead(results):
  for width, said, expected in (
    (3, "about 60 %", (0.55, 0.65)),
    (5, "more than 10 %", (0.1, 1.0)),
    (10, "less than 1 %", (0.0, 0.01)),
  ):
    if width in results.widths:
      yield _LU.between(
        f"born-dead-{width}",
        f"Of ReLU networks with ten layers of width {width}, {said} are born "
        "dead.",
        expected,
        measure.share(_dead(results, width)[:, -1]),
        quantity="share of networks",
      )
  silent, num_hidden = ~results.alive[..., -1, 0], results.alive.shape[2]
  yield _SILENT.zero(
    "silent-at-an-input",
    "A ReLU network is silent at a given input as often as the bound for being "
    "born dead says.",
    {
      f"width {width}": measure.mean(
        silent[:, i] - readings.dead_for_one_input(int(width), num_hidden)
      )
      for i, width in enumerate(results.widths)
    },
    tolerance=0.02,
    quantity="share of networks, less the probability",
  )


def _dying(results):
  deep = results.alive.shape[2]
  yield _SLIDES.at_least(
    "deeper-dies",
    "Dying ReLU happens in deeper networks: with twice the hidden layers more "
    "networks are born dead.",
    0.0,
    {
      f"width {width}": measure.difference(dead[:, -1], dead[:, deep // 2 - 1])
      for width in results.widths
      if width <= 5  # Of wider ones hardly any are.
      for dead in [_dead(results, width)]
    },
    strict=True,
    quantity=f"share born dead, {deep} hidden layers less {deep // 2}",
  )
  silent, gradient = results.leaky.silent[:, 0], results.leaky.gradient
  yield _SLIDES.at_least(
    "dead-no-gradient",
    "ReLU networks have no gradient if they are silent at all inputs, and only "
    "then.",
    0.95,
    measure.share(silent == (gradient[:, 0] == 0)),
    quantity="share of networks in which both go together",
    note=f"{silent.mean():.0%} of {len(silent)} networks are silent.",
  )
  leaky = gradient[:, readings.leaky(results)]
  yield _SLIDES.at_least(
    "leaky-mitigates",
    "LeakyReLU mitigates the dying ReLU problem: networks dead with ReLU keep "
    "more than a hundredth of a living one's gradient.",
    -2.0,  # With a slope of 0.1: as if in two layers all units were off.
    measure.contrast(
      np.log10(leaky[silent]), np.log10(gradient[~silent & (leaky > 0), 0])
    ),
    strict=True,
    quantity="log10 of the gradient's norm, dead networks less living ones",
  )


def _better(results):
  curves = {
    name: np.log10(readings.best_curves(results, name)[:, 1:]).mean(axis=1)
    for name in readings.SHALLOW
  }
  listed = ", ".join(
    f"{name} {results.rates[readings.best_rate(results, name)]:g}"
    for name in curves
  )
  speeds = {
    name: np.log10(results.shallow[name].train[..., 1:]).mean(axis=(0, 2))
    for name in readings.SHALLOW
  }
  ahead = results.rates[speeds["ReLU"] < speeds["tanh"]]
  for source, key, better, worse, statement in (
    (_CHAPTER, "tanh-better", "tanh", "sigmoid", "leads to better training"),
    (_CHAPTER, "relu-better-still", "ReLU", "tanh", "leads to better training"),
    (_TRADE_OFFS, "relu-faster", "ReLU", "sigmoid", "converges faster"),
  ):
    yield source.at_most(
      key,
      f"{better.capitalize() if better == 'tanh' else better} {statement} than "
      f"{worse}.",
      0.0,
      measure.difference(curves[better], curves[worse]),
      strict=True,
      quantity="log10 of the training loss, mean over epochs, "
      f"{better} less {worse}",
      note="Networks of three hidden layers on digits, each at the rate that "
      f"is best on other images: {listed}. ReLU starts as He has it, the "
      "others as Glorot. At equal rates ReLU is ahead of tanh at "
      f"{', '.join(f'{rate:g}' for rate in ahead) or 'none'}.",
    )


def _sparse_and_leaky(results):
  zeros = results.shallow["ReLU"].zeros
  rate = readings.best_rate(results, "ReLU")
  others = max(results.shallow[n].zeros.max() for n in ("sigmoid", "tanh"))
  yield _HALF.equivalent(
    "relu-sparse",
    "ReLU introduces sparsity: at the start half of its hidden outputs are "
    "exactly zero.",
    0.5,
    measure.mean(zeros[:, 0, 0]),
    margin=0.1,
    quantity="share of zeros, mean over images and networks",
    note=f"After training {zeros[:, rate, -1].mean():.0%}; with sigmoid and "
    f"tanh at most {others:.0%}.",
  )
  learned = results.leaky.loss < readings.LEARNED
  shares = ", ".join(
    f"{share:.0%} ({alpha:g})"
    for alpha, share in zip(results.alphas, learned.mean(axis=0), strict=True)
  )
  middle = learned[:, readings.leaky(results)]
  yield _TRADE_OFFS.at_least(
    "alpha-needs-tuning",
    "LeakyReLU's alpha needs tuning: fewer networks learn with 0.001 or 1 than "
    "with 0.1.",
    0.1,
    {
      f"alpha {results.alphas[i]:g}": measure.difference(middle, learned[:, i])
      for i in (1, -1)
    },
    quantity="share that learns |x| with alpha 0.1, less that with another",
    note=f"Shares: {shares}.",
  )


def _costs(results):
  sigmoid, tanh, relu = results.costs.transcendentals
  for name, other, note in (
    ("ReLU", relu, ""),
    ("sigmoid", sigmoid, " The slides do not say dearer than what."),
  ):
    yield _TRADE_OFFS.at_least(
      f"tanh-dearer-than-{name.lower()}",
      f"Tanh is more computationally expensive than {name}.",
      0.0,
      tanh - other,
      strict=True,
      quantity=f"transcendental operations per unit, tanh less {name}",
      note="As XLA counts, forward and backward. Other operations of sigmoid, "
      f"tanh and ReLU: {', '.join(map('{:g}'.format, results.costs.others))}."
      f"{note}",
    )
  looped, vectors = 1e3 * results.looped.seconds
  yield _FORWARD.zero(
    "looped-or-vectors",
    "A forward pass in vector notation gives what two loops, over layers and "
    "over neurons, give.",
    results.looped.difference,
    tolerance=1e-12,
    quantity="largest difference of the outputs",
    note=f"Here the loops took {looped:.2f} ms, the vectors {vectors:.3f} ms.",
  )
