"""Measures how rounding grows where errors, or influences, are inverted."""

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, settings, sweeps
from experiments.rtrl_vs_tbptt.forward_errors import (
  greens,
  layers,
  published,
  readings,
)

_NUM_INPUTS, _NUM_OUTPUTS = 4, 4  # Of the tanh network.


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """The published networks, layers of one radius, and a tanh network."""

  # T of the published comparison: 100, 300, 1000.
  lengths: settings.Ascending[settings.Count] = (100, 300)
  num_networks: settings.Several = 32  # Of each published point.
  # T of the layers whose units have one radius.
  layer_lengths: settings.Ascending[settings.Count] = (50, 100)
  # r of those layers, near where each T and precision loses the gradient.
  radii: settings.Ascending[settings.Fraction] = (
    *(0.42, 0.44, 0.46, 0.48, 0.6, 0.64, 0.66, 0.68, 0.7, 0.72),
    *(0.8, 0.82, 0.84, 0.86),
  )
  num_layers: settings.Several = 16  # Of each T and r.
  num_units: settings.Count = 16  # Of the tanh network.
  num_steps: settings.at_least(10) = 40  # Of its sequence.
  num_tanh: settings.Several = 16  # Such networks.
  seed: settings.Seed = 0  # Of all networks and sequences.

  def rules(self) -> Iterator[tuple[bool, str]]:
    """Asks for lengths that are published, and for a growth."""
    known = {length for length, _ in readings.PUBLISHED}
    yield set(self.lengths) <= known, f"lengths among {sorted(known)}"
    yield len(self.layer_lengths) >= 2, "two layer_lengths or more"
    yield 0 < self.radii[0] and self.radii[-1] < 1, "radii between 0 and 1"


class Published(NamedTuple):
  """Published points; delta_0 by a pass with inverses, or by a sum."""

  lengths: np.ndarray  # T of each point  [P]
  r_mins: np.ndarray  # [P]
  cosine: np.ndarray  # [S, P, 2]
  error: np.ndarray  # Relative to the norm of the exact gradient  [S, P, 2]


class Layers(NamedTuple):
  """Layers of one radius: the library's estimator beside the gradient."""

  lengths: np.ndarray  # T  [L]
  radii: np.ndarray  # [R]
  error: np.ndarray  # By precision, 64 and 32 bits  [S, 2, L, R]
  cosine: np.ndarray  # [S, 2, L, R]


class Inverses(NamedTuple):
  """Every step's gradient of a tanh network, errors relative."""

  greens: np.ndarray  # By the Green's function  [S, T]
  lazy: np.ndarray  # By lazy RTRL  [S, T]
  condition: np.ndarray  # Of the product of Jacobians  [S, T]


class Results(NamedTuple):
  """Published networks, layers of one radius, and a dense network."""

  published: Published
  layers: Layers
  inverses: Inverses


def run(config: Config) -> Results:
  """Compares errors forward with errors backward, and inverses with none."""
  with jax.enable_x64(True), progress.parts("networks", 4) as done:
    keys = jax.random.split(jax.random.key(config.seed), 3)
    at_points = done(_published(config, keys[0]))
    lengths, radii = map(np.array, (config.layer_lengths, config.radii))
    layer_keys = jax.random.split(keys[1], config.num_layers)
    found = layers.compare(layer_keys, lengths, radii, done)
    law = Layers(lengths, radii, *found)
    return Results(at_points, law, done(_inverses(config, keys[2])))


def _published(config, key):
  points = [p for p in readings.PUBLISHED if p[0] in config.lengths]
  lengths, r_mins = map(np.array, zip(*points, strict=True))
  num_steps = int(lengths.max())

  def one(key):
    return lax.map(
      lambda p: published.compare(key, *p, num_steps=num_steps),
      (r_mins, lengths),
    )

  keys = jax.random.split(key, config.num_networks)
  return Published(lengths, r_mins, *sweeps.sweep(one, keys, quick=True))


def _inverses(config, key):
  n, num_steps = config.num_units, config.num_steps
  cell = nf.cells.vanilla(num_inputs=_NUM_INPUTS, num_units=n)

  def loss_fn(params, h_t, y_t):
    return 0.5 * jnp.sum((params["readout"] @ h_t - y_t) ** 2)

  def losses(w, readout, xs, ys):
    def body(h_tm1, inputs):
      h_t = cell.step(w, h_tm1, inputs[0])
      return h_t, loss_fn({"readout": readout}, h_t, inputs[1])

    return lax.scan(body, nf.base.initial_state(cell, w), (xs, ys))[1]

  def one(key):
    keys = jax.random.split(key, 4)
    w = cell.init(keys[0]).astype(np.float64)
    readout = jax.random.normal(keys[1], (_NUM_OUTPUTS, n)) / n**0.5
    xs = jax.random.normal(keys[2], (num_steps, _NUM_INPUTS))
    ys = jax.random.normal(keys[3], (num_steps, _NUM_OUTPUTS))
    params = {"cell": w, "readout": readout}
    estimator = nf.estimators.rtrl(cell, loss_fn, flush_every=n // 2)

    def body(state, inputs):
      state, estimate = estimator.update(params, state, *inputs)
      return state, estimate.grads["cell"]

    start = estimator.init(params, keys[0])
    _, by_lazy = lax.scan(body, start, (xs[:, None], ys[:, None]))
    by_greens, condition = greens.gradients(cell, loss_fn, params, xs, ys)
    exact = jax.jacrev(losses)(w, readout, xs, ys)

    def error(grads):
      norm = jax.vmap(jnp.linalg.norm)
      return norm(grads - exact) / norm(exact)

    return Inverses(error(by_greens), error(by_lazy), condition)

  keys = jax.random.split(key, config.num_tanh)
  return sweeps.sweep(one, keys, quick=True)
