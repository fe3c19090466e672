"""What training finds, against networks designed with as many ReLUs."""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import optax
from jax import numpy as jnp

import nnfun as nf
from experiments import study
from experiments.textbook import approximation_networks as networks
from experiments.textbook import approximation_theory as theory
from experiments.textbook import constructions

_KENT = "Kent, Introduction to deep learning, universal approximators"


def measure(config: Any) -> dict[str, np.ndarray]:
  """Trains networks of one ReLU layer on the target, with Adam.

  Every width is trained as the widest one with units switched off, which never
  learn: so the width is a number, and all networks are trained at once.

  Args:
    config: of the study.

  Returns:
    `trained_errors` [widths, rates, seeds], the largest errors on [0, 1] after
    training at `learning_rates`, and with as many ReLUs `designed_errors`
    [widths], for the `trained_widths`.
  """
  train = _fit(config)
  for axes in ((None, None, 0), (None, 0, None), (0, None, None)):
    train = jax.vmap(train, axes)
  widths, rates = map(np.array, (config.trained_widths, config.learning_rates))
  keys = jax.random.split(jax.random.key(config.seed), config.num_seeds)
  starts = jax.jit(jax.vmap(_start(config)), compiler_options=networks.COMPILER)
  fine = _points(config)[1]
  designed = [
    constructions.interpolate_function(theory.target, num_pieces=int(width))
    for width in widths
  ]
  return {
    "trained_widths": widths,
    "learning_rates": rates,
    "trained_errors": np.asarray(jax.jit(train)(widths, rates, starts(keys))),
    "designed_errors": np.array(
      [
        np.max(abs(networks.evaluate_relu(params, fine) - theory.target(fine)))
        for params in designed
      ]
    ),
  }


def _points(config):
  """Returns where networks are trained, and where they are judged."""
  count = config.num_examples
  return jnp.linspace(0.0, 1.0, count), jnp.linspace(0.0, 1.0, 16 * count)


def _start(config):
  """Returns a draw of the widest network, and the key of its training."""
  widest = max(config.trained_widths)

  def draw(key):
    key_init, key_kinks, key_fit = jax.random.split(key, 3)
    first, second = nf.mlp.init(key_init, [1, widest, 1])
    kinks = jax.random.uniform(key_kinks, (widest,))  # All over the interval.
    first = {"w": first["w"], "b": -kinks * first["w"][:, 0]}
    return (first, second), key_fit

  return draw


def _fit(config):
  """Returns the training of one network, to its largest error."""
  widest, (xs, fine) = max(config.trained_widths), _points(config)

  def output(params, x, is_on):
    layers = [lambda z: is_on * jax.nn.relu(z), jax.nn.identity]
    return nf.mlp.apply(params, x[None], layers)[0]

  def train(width, learning_rate, start):
    (first, second), key = start
    is_on = (jnp.arange(widest) < width).astype(jnp.float32)
    # The variance of the initial outputs is that of the smaller network.
    second = {"w": second["w"] * jnp.sqrt(widest / width), "b": second["b"]}
    params = nf.minibatch.fit(
      lambda params, x, y: (output(params, x, is_on) - y) ** 2,
      optax.adam(learning_rate),
      (first, second),
      key,
      xs,
      theory.target(xs),
      batch_size=config.batch_size,
      num_epochs=config.num_epochs,
    ).params
    ys = jax.vmap(lambda x: output(params, x, is_on))(fine)
    return jnp.max(jnp.abs(ys - theory.target(fine)))

  return train


def best_errors(results: study.Results) -> np.ndarray:
  """Returns the errors at the learning rate that is best at each width.

  Args:
    results: with the arrays of `measure`.

  Returns:
    [widths, seeds].
  """
  errors = results["trained_errors"]
  best = np.argmin(np.mean(np.log(errors), axis=-1), axis=1)
  return errors[np.arange(len(errors)), best]


def claims(results: study.Results) -> Iterator[study.Claim]:
  """Compares trained networks with one another and with designed ones.

  Args:
    results: with the arrays of `measure`.

  Yields:
    The claims of the row S2-approximation about learning.
  """
  errors, designed = best_errors(results), results["designed_errors"]
  widths = results["trained_widths"]
  first, last = np.log(errors[0]), np.log(errors[-1])
  standard = np.sqrt(
    (np.var(first, ddof=1) + np.var(last, ddof=1)) / first.size
  )
  yield study.Claim(
    "S2-approximation",
    "With more neurons a trained network comes closer to the function: the "
    f"largest error with {widths[-1]} ReLUs over that with {widths[0]}, "
    f"geometric mean of {first.size} seeds, plus two standard errors.",
    _KENT,
    (0.0, 1.0),
    float(np.exp(np.mean(last - first) + 2 * standard)),
  )
  last = np.log(errors[-1] / designed[-1])
  standard = np.std(last, ddof=1) / np.sqrt(last.size)
  yield study.Claim(
    "S2-approximation",
    "It essentially learns the function: what training finds is no worse than "
    "what the same neurons can do by design. The trained error over the "
    f"designed one with {widths[-1]} ReLUs, geometric mean less two standard "
    "errors.",
    _KENT,
    (0.0, 1.0),
    float(np.exp(np.mean(last) - 2 * standard)),
    note="That a network exists does not say that gradient descent finds it.",
  )
