"""Networks that learn, and what their activations cost."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import numpy as jnp

import nnfun as nf
from experiments import images, sweeps
from experiments.gradient_flow.activations import networks, readings


class Learned(NamedTuple):
  """Of K kinds of networks, S seeds and R rates."""

  losses: np.ndarray  # In nats, mean over an epoch's batches  [K, S, R, E]
  zeros: np.ndarray  # Share of hidden outputs at 0, at the start  [K, S, R]


def learn_digits(
  rng: np.random.Generator,
  starts: Sequence[str],
  activation_of: Callable[[jax.Array], nf.activations.Activation],
  rates: Sequence[float],
  hidden: Sequence[int],
  *,
  num_seeds: int,
  num_epochs: int,
) -> Learned:
  """Trains networks, kinds 0, 1, ... with these starts and activations."""
  (pixels, labels), *_ = images.load()
  pixels = (pixels - pixels.mean()) / pixels.std()

  def fit(kind, params, key, rate):
    def forward(params, x):
      return networks.forward(params, x, activation_of(kind))

    def loss_fn(params, x, y):
      scores, _ = forward(params, x)
      return nf.losses.softmax_cross_entropy_with_integer_labels(scores, y)

    fitted = nf.minibatch.fit(
      loss_fn,
      optax.sgd(rate, momentum=0.9),
      params,
      key,
      pixels,
      labels,
      batch_size=40,
      num_epochs=num_epochs,
    )
    _, outputs = jax.vmap(forward, (None, 0))(params, pixels[:300])
    return Learned(fitted.losses, jnp.mean(outputs == 0))

  sizes = pixels.shape[1], *hidden, 10
  drawn = [networks.draw(name, rng, num_seeds, sizes) for name in starts]
  key = jax.random.key(rng.integers(2**31))
  keys, rates = jax.random.split(key, num_seeds), jnp.array(rates)
  over_rates = jax.vmap(fit, (None, None, None, 0))
  over_seeds = jax.vmap(over_rates, (None, 0, 0, None))
  return sweeps.sweep(
    lambda kind, params: over_seeds(kind, params, keys, rates),
    np.arange(len(starts)),
    jax.tree.map(lambda *leaves: np.stack(leaves), *drawn),
  )


def learn_absolute(
  rng: np.random.Generator, *, num_nets: int, num_steps: int
) -> np.ndarray:
  """Fits |x| with ten LeakyReLU layers of width 3, from the same starts.

  Returns what Adam leaves of the variance of |x| for each slope [nets, A].
  """
  xs = jnp.linspace(-1, 1, 16)[:, jnp.newaxis]

  def fit(alpha, params):
    def activation(z):  # At 0 too its slope is that of ReLU if alpha is 0.
      return jnp.where(z > 0, z, alpha * z)

    def loss_fn(params, x, y):
      return jnp.sum((networks.forward(params, x, activation)[0] - y) ** 2)

    fitted = nf.minibatch.fit(
      loss_fn,
      optax.adam(0.01),
      params,
      jax.random.key(0),  # All examples are one batch: nothing is shuffled.
      xs,
      jnp.abs(xs),
      batch_size=len(xs),
      num_epochs=num_steps,
    )
    return fitted.losses[-1] / jnp.var(jnp.abs(xs))

  params = networks.draw("He", rng, num_nets, (1, *[3] * 9, 1))
  over_alphas, alphas = jax.vmap(fit, (0, None)), jnp.array(readings.ALPHAS)
  return sweeps.sweep(lambda params: over_alphas(alphas, params), params)


def costs() -> np.ndarray:
  """Counts a unit's transcendental operations, forward and backward  [3]."""
  units, found = jax.ShapeDtypeStruct((1000,), jnp.float32), []
  for activation in networks.ACTIVATIONS[: len(readings.SHALLOW)]:
    both = jax.vmap(jax.value_and_grad(activation.fn))
    # As compiled: before, what is computed twice counts twice.
    cost = jax.jit(both).lower(units).compile().cost_analysis()
    found.append(cost.get("transcendentals", 0.0) / 1000)
  return np.array(found)


def looped(rng: np.random.Generator) -> np.ndarray:
  """Runs three layers of 100 tanh units by loops, and in vector notation  [3].

  Returns how far apart the outputs are, and the seconds of both.
  """
  weights, x = rng.standard_normal((3, 100, 100)) / 10, rng.standard_normal(100)
  params = [{"w": w, "b": np.zeros(100)} for w in weights]

  @sweeps.quick_jit
  def in_vectors(params, x):
    return nf.mlp.apply(params, x, [nf.activations.tanh] * 3)

  with jax.enable_x64(True):
    jax.block_until_ready(in_vectors(params, x))  # Compiles.
    start = time.perf_counter()
    output = np.asarray(in_vectors(params, x))
  middle = time.perf_counter()
  by_loops = x
  for w in weights:
    by_loops = np.array([np.tanh(sum(row * by_loops)) for row in w])
  end = time.perf_counter()
  return np.array(
    [np.abs(by_loops - output).max(), end - middle, middle - start]
  )
