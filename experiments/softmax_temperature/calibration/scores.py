"""How good a classifier's probabilities are, before and after scaling.

Logits [2, N, C] and labels [2, N] are of the validation and of the test set.
"""

from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf
from nnfun import calibration

_NUM_DRAWS = 20  # Of perfect outcomes, for the error that is chance.

_log_softmax = jax.vmap(nf.activations.log_softmax, (0, None))


class Scores(NamedTuple):
  """Means over a set: validation and test, before and after the scaling."""

  c: np.ndarray  # Inverse temperature, fitted on the validation set  [...]
  nll: np.ndarray  # Cross-entropy, nats  [..., 2, 2]
  entropy: np.ndarray  # Nats  [..., 2, 2]
  error: np.ndarray  # Share of wrong predictions  [..., 2, 2]


class Diagnosis(NamedTuple):
  """What is known of a trained network's test set, before and after [2]."""

  confidences: np.ndarray  # Largest probability  [S, 2, N]
  predictions: np.ndarray  # Its class  [S, 2, N]
  labels: np.ndarray  # [S, N]
  ece: np.ndarray  # Expected calibration error  [S, 2]
  chance_ece: np.ndarray  # Its mean if the scaled were perfect  [S]
  simplex_error: np.ndarray  # Distance from sum 1 and from positive  [S]
  loss_error: np.ndarray  # Loss trained with minus -log h(x)_y  [S]


def judge(logits: jax.Array, labels: jax.Array) -> Scores:
  """Fits the inverse temperature on the first set, and scores both sets."""
  c = calibration.fit_inverse_temperature(logits[0], labels[0])
  by_scale = jax.vmap(_means, (None, None, 0))
  scales = jnp.stack([jnp.ones_like(c), c])
  return Scores(c, *jax.vmap(by_scale, (0, 0, None))(logits, labels, scales))


def diagnose(
  key: jax.Array, logits: jax.Array, labels: jax.Array, num_bins: int
) -> tuple[Scores, Diagnosis]:
  """Scores a trained classifier; the key is for the error that is chance."""
  scores = judge(logits, labels)
  scales = jnp.stack([jnp.ones_like(scores.c), scores.c])
  log_p = jax.vmap(_log_softmax, (None, 0))(logits[1], scales)
  confidences = jnp.exp(jnp.max(log_p, axis=-1))
  predictions = jnp.argmax(log_p, axis=-1)

  def error(confidences, is_correct):
    return calibration.expected_calibration_error(
      confidences, is_correct, num_bins=num_bins
    )

  ece = jax.vmap(error)(confidences, predictions == labels[None, 1])
  scaled = jnp.tile(confidences[1], (_NUM_DRAWS, 1))
  perfect = jax.random.bernoulli(key, scaled)
  chance = jnp.mean(jax.vmap(error)(scaled, perfect))
  errors = _output_errors(logits[1], labels[1])
  return scores, Diagnosis(
    confidences, predictions, labels[1], ece, chance, *errors
  )


def _means(logits, labels, c):
  log_p = _log_softmax(logits, c)
  of_label = jnp.take_along_axis(log_p, labels[:, None], axis=1)
  entropies = jnp.sum(jax.scipy.special.entr(jnp.exp(log_p)), axis=1)
  is_wrong = jnp.argmax(log_p, axis=1) != labels
  error = jnp.mean(is_wrong, dtype=log_p.dtype)
  return -jnp.mean(of_label), jnp.mean(entropies), error


def _output_errors(logits, labels):
  p = jax.vmap(nf.activations.softmax)(logits)
  off = jnp.maximum(jnp.abs(jnp.sum(p, axis=1) - 1), -jnp.min(p, axis=1))
  is_class = jax.nn.one_hot(labels, p.shape[1], dtype=p.dtype)
  printed = -jnp.sum(jnp.log(p) * is_class, axis=1)
  losses = jax.vmap(nf.losses.softmax_cross_entropy_with_integer_labels)
  return jnp.max(off), jnp.max(jnp.abs(losses(logits, labels) - printed))
