"""Evaluates softmax and sparsemax over all temperatures."""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, settings, sweeps
from experiments.softmax_temperature.limit import extremes

_GAPS = np.array([0.5, 1.0, 2.0])
_LARGE = 1e30  # A c at which the limit is reached.


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """How many logits are drawn, and how finely c is resolved."""

  num_classes: settings.Count = 10  # n.
  max_maxima: settings.Count = 3  # Vectors with k = 1, 2 ... K equal maxima.
  num_vectors: settings.Count = 100  # Logits [n] drawn for each k.
  num_inverse_temperatures: settings.Count = 41  # c, 1e-2 to 1e3, log-spaced.
  num_keys: settings.Count = 100  # Independent estimates by Gumbel noise.
  num_samples: settings.Count = 1000  # Draws of the noise in each.
  temperatures: tuple[settings.Positive, ...] = (0.3, 1.0, 3.0)  # Of the noise.
  seed: settings.Seed = 0  # Of logits, weights and noise.

  def __post_init__(self) -> None:
    """Asks for ties, for a class below them, and for pairs."""
    super().__post_init__()
    settings.require(
      2 <= self.max_maxima < self.num_classes,
      "2 <= max_maxima < num_classes",
      max_maxima=self.max_maxima,
      num_classes=self.num_classes,
    )
    for name in ("num_vectors", "num_inverse_temperatures", "num_keys"):
      value = getattr(self, name)
      settings.require(value >= 2, f"{name} >= 2", **{name: value})


class Results(NamedTuple):
  """K families of V logits of N classes; norms are l_1, l_2, l_infinity."""

  logits: np.ndarray  # With 1 ... K equal maxima  [K, V, N]
  cs: np.ndarray  # [C]
  softmax: np.ndarray  # [K, V, C, N]
  sparsemax: np.ndarray  # [K, V, C, N]
  ends: np.ndarray  # Softmax at c = 0, 1e30 and infinity  [K, V, 3, N]
  thresholds: np.ndarray  # Least c at which sparsemax is its limit  [K, V]
  # Of the cost -ln a_0 by z, over c; at `cs` and at c = 1e30.
  cost_gradients: np.ndarray  # [K, V, C + 1, N]
  jacobian_norms: np.ndarray  # Of d softmax(c z) / d z  [K, V, C, 3]
  half_norms: np.ndarray  # The same where one probability is 1/2  [C, 3]
  gaps: np.ndarray  # [G]
  peak_xs: np.ndarray  # c gap  [X]
  peak_norms: np.ndarray  # l_2, of two classes at (gap, 0)  [G, X]
  formats: dict[str, extremes.Format]
  temperatures: np.ndarray  # Of Gumbel noise G  [T]
  noisy_logits: np.ndarray  # x  [N]
  # How often each class has the largest x + T G, R estimates.
  picked: np.ndarray  # [T, R, N]


def run(config: Config) -> Results:
  """Evaluates values, Jacobians, number formats and noise."""
  rng = np.random.default_rng(config.seed)
  logits = _logits(config, rng)
  cs = np.logspace(-2, 3, config.num_inverse_temperatures)
  with jax.enable_x64(True):
    formats = {
      dtype: extremes.evaluate(dtype)
      for dtype in progress.track(extremes.DTYPES, "number formats")
    }
    return Results(
      logits=logits,
      cs=cs,
      **_values(logits, cs),
      **_jacobians(logits, cs),
      formats=formats,
      **_gumbel(config, rng),
    )


def _logits(config, rng):
  """Draws logits; in the k-th block the k largest are made equal."""
  shape = (config.max_maxima, config.num_vectors, config.num_classes)
  logits = np.sort(rng.normal(size=shape), axis=-1)[..., ::-1]
  for k in range(config.max_maxima):
    logits[k, :, : k + 1] = logits[k, :, :1]
  return rng.permuted(logits, axis=-1)


def _values(logits, cs):
  ends, cs = jnp.array([0, _LARGE, np.inf]), jnp.asarray(cs)

  def softmax(z, cs):
    return jax.vmap(nf.activations.softmax, (None, 0))(z, cs)

  def gradient(z, c):
    return jax.grad(lambda z: -nf.activations.log_softmax(z, c)[0])(z) / c

  def of(z):
    return {
      "softmax": softmax(z, cs),
      "sparsemax": jax.vmap(nf.activations.sparsemax, (None, 0))(z, cs),
      "ends": softmax(z, ends),
      "thresholds": _threshold(z),
      "cost_gradients": jax.vmap(gradient, (None, 0))(
        z, jnp.append(cs, _LARGE)
      ),
    }

  return sweeps.sweep(jax.vmap(of), logits, quick=True)


def _threshold(z):
  """Bisects for the least c at which sparsemax is uniform over the maxima."""
  is_max = z == jnp.max(z)
  limit = is_max / jnp.sum(is_max)

  def halve(_, ends):
    middle = jnp.sqrt(ends[0] * ends[1])
    distance = jnp.abs(nf.activations.sparsemax(z, middle) - limit)
    is_below = jnp.any(distance > 2 * jnp.finfo(z.dtype).eps)
    low, high = jnp.stack([middle, ends[1]]), jnp.stack([ends[0], middle])
    return jnp.where(is_below, low, high)

  return lax.fori_loop(0, 60, halve, jnp.array([1e-6, 1e9]))[1]


def _jacobians(logits, cs):
  """Norms by automatic differentiation, also where a closed form is known."""
  n = logits.shape[-1]
  first, xs = np.eye(n)[0], np.logspace(-1, 1.5, 601)
  two = np.where(np.arange(n) < 2, 0.0, -np.inf)

  def norms(z, c):
    jacobian = jax.jacfwd(nf.activations.softmax)(z, c)
    return jnp.stack([jnp.linalg.norm(jacobian, p) for p in (1, 2, np.inf)])

  over = jax.vmap(norms, (None, 0))  # All c of one z.
  gaps = _GAPS[:, None]
  each_cs = np.broadcast_to(cs, (*logits.shape[:2], len(cs)))
  half = np.log(n - 1) / cs[:, None] * first
  return {
    "jacobian_norms": sweeps.sweep(jax.vmap(over), logits, each_cs),
    "half_norms": sweeps.sweep(norms, half, cs, quick=True),
    "gaps": _GAPS,
    "peak_xs": xs,
    "peak_norms": sweeps.sweep(over, gaps * first + two, xs / gaps)[..., 1],
  }


def _gumbel(config, rng):
  x = rng.normal(size=config.num_classes)
  keys = jax.random.split(jax.random.key(config.seed), config.num_keys)

  def estimate(key):
    noise = jax.random.gumbel(key, (config.num_samples, x.size))
    picked = [jnp.argmax(x[None] + t * noise, 1) for t in config.temperatures]
    return jax.nn.one_hot(jnp.stack(picked), x.size).mean(axis=1)

  return {
    "temperatures": np.array(config.temperatures),
    "noisy_logits": x,
    "picked": np.swapaxes(sweeps.sweep(estimate, keys, quick=True), 0, 1),
  }
