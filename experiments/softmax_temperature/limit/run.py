"""Evaluates softmax and sparsemax over all temperatures."""

import dataclasses
import functools
from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, settings, sweeps
from experiments.softmax_temperature.limit import theory

_MAX_MAXIMA = 3  # Logits with k = 1, 2, 3 equal maxima.
_TEMPERATURES = np.array([0.3, 1.0, 3.0])  # Of Gumbel noise.
_DTYPES = ("float16", "bfloat16", "float32", "float64")
_FAMILY = ("softmax", "log_softmax", "sparsemax")
# Logits tried in every dtype; the first is one rounding error from a tie.
_LOGITS = (
  (1.0, 1.0, 0.0, -1.0),
  (1.0, 1.0, 0.0, -1.0),
  (1.0, 0.5, 0.0, -1.0),
  (1.0, 1.0, 1.0, 1.0),
  (1.0, -np.inf, 0.5, 0.0),
  (1.0, -np.inf, 1.0, -np.inf),
)


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """How many logits are drawn, and how finely c is resolved."""

  num_classes: settings.at_least(_MAX_MAXIMA + 1) = 10  # n.
  num_vectors: settings.Several = 100  # Logits [n] for each number of maxima.
  # c, 1e-2 to 1e3, log-spaced.
  num_inverse_temperatures: settings.Several = 41
  num_draws: settings.Several = 100_000  # Of Gumbel noise.
  seed: settings.Seed = 0  # Of logits and noise.


class Format(NamedTuple):
  """What a number format makes of softmax, log-softmax and sparsemax."""

  smallest: np.ndarray  # Normal number  []
  epsilon: np.ndarray  # Distance from 1 to the next number  []
  cs: np.ndarray  # [E]
  logits: np.ndarray  # [X, 4]
  values: np.ndarray  # [X, E, 3, 4]
  slopes: np.ndarray  # Derivatives by the logits  [X, E, 3, 4, 4]


class Results(NamedTuple):
  """K families of V logits of N classes; norms are l_1, l_2, l_infinity."""

  logits: np.ndarray  # With 1 ... K equal maxima  [K, V, N]
  cs: np.ndarray  # [C]
  softmax: np.ndarray  # [K, V, C, N]
  sparsemax: np.ndarray  # [K, V, C, N]
  limits: np.ndarray  # Softmax at c = 1e30 and infinity  [K, V, 2, N]
  # Sparsemax at c k gap a billionth below and above 1.
  brinks: np.ndarray  # [K, V, 2, N]
  cost_gradients: np.ndarray  # Of -ln a_0 by z, over c  [K, V, C, N]
  jacobian_norms: np.ndarray  # Of d softmax(c z) / d z  [3, K, V, C]
  pair_cs: np.ndarray  # [X]
  pair_norms: np.ndarray  # l_2 of the Jacobian, two classes (1, 0)  [X]
  formats: dict[str, Format]
  temperatures: np.ndarray  # T  [T]
  picked: np.ndarray  # Largest of the first logits plus T G  [T, R]


def run(config: Config) -> Results:
  """Evaluates values, Jacobians, number formats and noise."""
  rng = np.random.default_rng(config.seed)
  logits = _logits(config, rng)
  cs = np.logspace(-2, 3, config.num_inverse_temperatures)
  k = np.arange(1, _MAX_MAXIMA + 1)[:, None]
  brinks = (1 + np.array([-1e-9, 1e-9])) / (k * theory.gaps(logits))[..., None]
  pair_cs = np.logspace(-1, 1.5, 601)
  noise = rng.gumbel(size=(config.num_draws, config.num_classes))
  with jax.enable_x64(True):
    values_at = jax.vmap(functools.partial(_values, cs))
    *values, jacobians = sweeps.sweep(values_at, logits, brinks, quick=True)
    pairs = np.tile([1.0, 0.0], (len(pair_cs), 1))
    of_pair = sweeps.sweep(_jacobian, pairs, pair_cs, quick=True)
    formats = {
      dtype: evaluate(dtype)
      for dtype in progress.track(_DTYPES, "number formats")
      if _is_there(dtype)
    }
  orders = (1, 2, np.inf)
  return Results(
    logits,
    cs,
    *values,
    np.stack([np.linalg.norm(jacobians, p, axis=(-2, -1)) for p in orders]),
    pair_cs,
    np.linalg.norm(of_pair, 2, axis=(-2, -1)),
    formats,
    _TEMPERATURES,
    np.stack([(logits[0, 0] + t * noise).argmax(1) for t in _TEMPERATURES]),
  )


def _logits(config, rng):
  """Draws logits; in the k-th block the k largest are made equal."""
  shape = (_MAX_MAXIMA, config.num_vectors, config.num_classes)
  logits = np.sort(rng.normal(size=shape), axis=-1)[..., ::-1]
  for k in range(_MAX_MAXIMA):
    logits[k, :, : k + 1] = logits[k, :, :1]
  return rng.permuted(logits, axis=-1)


_jacobian = jax.jacrev(nf.activations.softmax)


def _values(cs, z, brink):
  def gradient(z, c):
    return jax.grad(lambda z: -nf.activations.log_softmax(z, c)[0])(z) / c

  def at(fn, cs):
    return jax.vmap(fn, (None, 0))(z, jnp.asarray(cs))

  return (
    at(nf.activations.softmax, cs),
    at(nf.activations.sparsemax, cs),
    at(nf.activations.softmax, np.array([1e30, np.inf])),
    at(nf.activations.sparsemax, brink),
    at(gradient, cs),
    at(_jacobian, cs),
  )


def _is_there(dtype):
  # Of a CPU without instructions for float16 XLA has no conversions.
  try:
    jax.block_until_ready(sweeps.quick_jit(jnp.exp)(np.ones(4, dtype)))
  except jax.errors.JaxRuntimeError:
    return False
  return True


def evaluate(dtype: str) -> Format:
  """Evaluates functions and gradients from c = 1e-30 to 1e30, in x64 mode."""
  info, logits = jnp.finfo(dtype), np.array(_LOGITS)
  logits[0, 1] -= float(info.epsneg)
  zs, cs = logits.astype(info.dtype), 10.0 ** np.arange(-30, 31)

  def family(z, c):
    values = [getattr(nf.activations, name)(z, c) for name in _FAMILY]
    return (jnp.stack(values),) * 2

  def evaluate_all(z):
    slopes_and_values = jax.jacrev(family, has_aux=True)
    return jax.vmap(lambda c: slopes_and_values(z, c))(jnp.asarray(cs))

  slopes, values = sweeps.sweep(evaluate_all, zs, quick=True)
  sizes = np.array(float(info.tiny)), np.array(float(info.eps))
  return Format(*sizes, cs, *(x.astype(float) for x in (zs, values, slopes)))
