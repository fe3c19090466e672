"""Does another activation cure the vanishing gradient?

The exercises ask it of an activation steeper than the sigmoid, and of one with
|sigma'| >> 1/4. What a student should take from this:

- No: the gradient is unstable. In a random network it changes by a factor each
  layer, sqrt(chi_1) with chi_1 = sigma_w^2 E[sigma'^2], and only one gain
  sigma_w of the weights makes that factor 1. At gain 1 a sigmoid of slope 1/4
  loses a factor 4.2 a layer, one of slope 1 a factor 1.6; slope 4 gains 1.2
  and slope 16 gains 2.4.
- A steeper activation is the same network with larger weights. It moves the
  balanced gain (to 2.8 / slope) and makes the balanced interval no wider.
  Deeper networks have a narrower one: twice the layers, half the width.
- ReLU "avoids the vanishing gradient problem" at sigma_w^2 = 2, He's start, and
  nowhere else: 30 layers learn with it and stall with Glorot's start.
- Narrow ReLU networks are often born dead: at ten layers 88 % of those of
  width 2, 0.1 % of those of width 10. LeakyReLU cannot die.

  python -m experiments.gradient_flow.activations

takes 20 seconds (--full: some 5 minutes). Numbers to expect: rates within 5
standard errors, the worst of all, of mean-field theory with its first
correction in 1 / N; balanced gains 2.8 / slope, 1.2 (tanh), 1.43 (ReLU); born
dead 0.88, 0.58, 0.13, 0.001. That 30 layers stall with Glorot's start fails in
--full: wider and trained for longer they begin to learn, 17 % of the digits.

Departures: He et al. train convolutional networks on ImageNet, here it is 30
fully connected layers on 8 x 8 digits; their VGG-B is measured on a torus,
without pooling, by default with 1/8 of the filters.
"""

import dataclasses

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf
from experiments import cli, progress, study
from experiments.gradient_flow import activations_claims, activations_figure
from experiments.gradient_flow import activations_networks as networks
from experiments.gradient_flow import activations_relu as relu


@dataclasses.dataclass(frozen=True)
class Config:
  """Sizes of the networks, and how many are drawn."""

  num_layers: int = 50  # L of the random networks.
  width: int = 100  # N, units of each of their layers.
  num_seeds: int = 16  # Draws of them.
  # Of the gains: 4 in each octave, from 1/4 to 16 over the largest slope.
  num_gains: int = 25
  num_chains: int = 1000  # Chains of four neurons.
  num_jacobian_nets: int = 8  # Tanh networks for the singular values.
  jacobian_width: int = 100  # Their units.
  vgg_divisor: int = 8  # VGG-B has this many times as many filters.
  num_vgg_nets: int = 64  # Draws of it.
  widths: tuple[int, ...] = (2, 3, 5, 10)  # Of the networks that may be dead.
  num_narrow_nets: int = 20000  # Draws for each width.
  num_train: int = 1000  # Digits to train on, of 1,797.
  train_layers: int = 30  # Layers of the networks that are trained.
  train_width: int = 48  # Their units.
  num_train_seeds: int = 3  # Networks for each start.
  num_epochs: int = 10  # Passes through the digits.
  batch_size: int = 20  # Digits in a mini-batch.
  learning_rate: float = 0.001  # Of SGD with momentum 0.9.
  seed: int = 0  # Of everything.


_DEAD_LAYERS = 9  # A network of 10 layers with one input has 9 of ReLU.


def run(config: Config) -> dict[str, np.ndarray]:
  """Draws networks and measures their gradients; trains some.

  Args:
    config: the sizes.

  Returns:
    By activation (A of them) `kinds`, `max_slopes` [A], `gains` [A, gains],
    log norm(dC / d b^l) `log_deltas` [A, gains, seeds, L], mean-field theory's
    `log_chi` and `kurtosis` [A, gains, L] and of the chains `chain_error_1`
    and `chain_error_3` [A, chains]; of tanh networks `singular_values` [2
    starts, 2 sizes of the input, nets]; `vgg` [nets]; of narrow ReLU networks
    `alive` [widths, layers, nets, 2], `leaky_alive` [nets, 2], `silent` and
    `no_gradient` [nets]; training's `accuracy` and `loss` [3 starts, seeds,
    epochs + 1]; the curves of figure 5.1, `x`, `tanh` and `tanh_slope`, and
    `slope_at_10_KIND`; and what the claims need of the config.

  Raises:
    ValueError: if a setting is out of range.
  """
  _check(config)
  rng = np.random.default_rng(config.seed)
  parts = {
    "gradients": _gradients,
    "Jacobians": _jacobians,
    "dead networks": _dead,
    "training": _training,
  }
  found = {
    "kinds": np.array(list(networks.KINDS)),
    "width": np.array(config.width),
    "widths": np.array(config.widths),
    "starts": np.array(relu.STARTS),
    **_curves(),
  }
  for part in progress.track(parts.values(), "activations"):
    found |= part(config, rng)
  return found


def _check(config):
  for field in dataclasses.fields(config):
    value = getattr(config, field.name)
    least = min(value, default=0) if isinstance(value, tuple) else value
    if field.name != "seed" and not least > 0:
      raise ValueError(f"expected {field.name} > 0, got {value}")
  if config.num_layers < 20 or config.num_gains < 25 or config.num_seeds < 2:
    raise ValueError(
      "expected num_layers >= 20, num_gains >= 25 and num_seeds >= 2, got "
      f"{config.num_layers}, {config.num_gains} and {config.num_seeds}"
    )
  if min(networks.VGG_FILTERS) % config.vgg_divisor:
    raise ValueError(
      f"expected vgg_divisor to divide 64, got {config.vgg_divisor}"
    )
  if config.train_layers < 3 or config.num_train_seeds < 2:
    raise ValueError(
      "expected train_layers >= 3 and num_train_seeds >= 2, got "
      f"{config.train_layers} and {config.num_train_seeds}"
    )
  num_digits = len(nf.data.digits().labels)
  if not config.num_train < num_digits:
    raise ValueError(
      f"expected num_train < {num_digits} digits, got {config.num_train}"
    )


def _curves():
  """Returns tanh and slopes by automatic differentiation."""
  tanh, sigmoid = nf.activations.tanh.fn, nf.activations.sigmoid.fn
  with jax.enable_x64(True):
    x = np.linspace(-5, 5, 201)
    slope = np.asarray(jax.vmap(jax.grad(tanh))(x))
    ends = np.array([-10.0, 10.0])
    slopes = {
      f"slope_at_10_{name}": np.max(jax.vmap(jax.grad(fn))(ends))
      for name, fn in (("tanh", tanh), ("sigmoid", sigmoid))
    }
    return {"x": x, "tanh": np.asarray(tanh(x)), "tanh_slope": slope, **slopes}


def _gradients(config, rng):
  weights = networks.draw(
    rng,
    num_seeds=config.num_seeds,
    num_layers=config.num_layers,
    width=config.width,
  )
  kinds = networks.KINDS
  slopes = np.array([kind.activation.max_slope for kind in kinds.values()])
  gains = 0.25 * 2 ** (np.arange(config.num_gains) / 4) / slopes[:, np.newaxis]
  by_name = dict(zip(kinds, gains, strict=True))
  deltas = {}
  for homogeneous in (False, True):
    group = {n: k for n, k in kinds.items() if k.homogeneous == homogeneous}
    rows = np.stack([by_name[name] for name in group])
    found = networks.log_deltas(list(group.values()), weights, rows)
    deltas |= dict(zip(group, found, strict=True))
  # A sigmoid of slope s at gain g is one of slope 1/4 at gain 4 s g.
  like = {name: name for name in kinds} | dict.fromkeys(
    networks.SIGMOIDS, "sigmoid"
  )
  profiles = {
    name: networks.mean_field_profile(
      kinds[name], by_name[name], config.num_layers
    )
    for name in dict.fromkeys(like.values())
  }
  return {
    "max_slopes": slopes,
    "gains": gains,
    "log_deltas": np.stack([deltas[name] for name in kinds]),
    "log_chi": np.stack([profiles[like[n]].log_chi for n in kinds]),
    "kurtosis": np.stack([profiles[like[n]].kurtosis for n in kinds]),
    **_chains(config, rng),
  }


def _chains(config, rng):
  errors = {1: [], 3: []}
  with jax.enable_x64(True):
    for kind in networks.KINDS.values():
      found = networks.chain_gradients(kind, rng, config.num_chains)
      for first, rows in errors.items():
        error = found[f"b_{first}"] - found[f"product_{first}"]
        rows.append(np.asarray(jnp.abs(error) / found[f"bound_{first}"]))
  return {f"chain_error_{i}": np.stack(rows) for i, rows in errors.items()}


def _jacobians(config, rng):
  num_nets, width = config.num_jacobian_nets, config.jacobian_width
  xs = rng.standard_normal((num_nets, width), np.float32)
  values = []
  for name in ("standard", "Glorot"):
    matrices = networks.start(name, rng, (num_nets, 4, width, width))
    values.append(
      [networks.singular_values(matrices, size * xs) for size in (0.01, 1.0)]
    )
  vgg = networks.vgg_gradient(
    rng, divisor=config.vgg_divisor, size=6, num_nets=config.num_vgg_nets
  )
  return {"singular_values": np.array(values), "vgg": vgg}


def _dead(config, rng):
  sizes = {"num_nets": config.num_narrow_nets, "num_layers": _DEAD_LAYERS}
  alive = [
    relu.rays_alive(rng, width=width, kind="ReLU", **sizes)
    for width in config.widths
  ]
  leaky = relu.rays_alive(rng, width=3, kind="LeakyReLU", **sizes)
  silent, no_gradient = relu.dead_gradients(
    rng, num_nets=1000, width=3, num_layers=_DEAD_LAYERS
  )
  return {
    "alive": np.stack(alive),
    "leaky_alive": leaky[-1],
    "silent": silent,
    "no_gradient": no_gradient,
  }


def _training(config, rng):
  pixels, labels = nf.data.digits()
  return relu.train(
    rng,
    jnp.asarray((pixels - pixels.mean()) / pixels.std()),
    jnp.asarray(labels),
    num_train=config.num_train,
    num_layers=config.train_layers,
    width=config.train_width,
    num_seeds=config.num_train_seeds,
    num_epochs=config.num_epochs,
    batch_size=config.batch_size,
    learning_rate=config.learning_rate,
  )


STUDY = study.Study(
  name="gradient_flow/activations",
  question="Does another activation cure the vanishing gradient?",
  Config=Config,
  run=run,
  claims=activations_claims.all_claims,
  plot=activations_figure.draw,
  full=Config(
    num_layers=100,
    width=200,
    num_seeds=16,
    num_chains=100_000,
    num_jacobian_nets=8,
    jacobian_width=1000,
    vgg_divisor=1,
    num_vgg_nets=8,
    num_narrow_nets=100_000,
    num_train=1200,
    train_width=100,
    num_train_seeds=5,
    num_epochs=50,
  ),
)

if __name__ == "__main__":
  cli.main(STUDY)
