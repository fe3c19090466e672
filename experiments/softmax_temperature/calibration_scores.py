"""How good a classifier's probabilities are, before and after scaling.

Logits [2, N, C] and labels [2, N] are of the validation and of the test set.
"""

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf
from nnfun import calibration

# Inverse temperatures around the fitted one.
GRID = 2.0 ** np.linspace(-3, 3, 61)
_NUM_DRAWS = 20  # Of perfect outcomes, for the error that is chance.

_log_softmax = jax.vmap(nf.activations.log_softmax, (0, None))


def judge(logits: jax.Array, labels: jax.Array) -> dict[str, jax.Array]:
  """Fits the inverse temperature on the first set, and scores both sets.

  Args:
    logits: of both sets [2, N, C].
    labels: of both sets [2, N].

  Returns:
    `c` [], and for both sets before and after the scaling by it [2, 2] the
    means `nll`, `entropy` (both in nats) and `error`.
  """
  c = calibration.fit_inverse_temperature(logits[0], labels[0])
  scales = jnp.stack([jnp.ones_like(c), c])
  by_scale = jax.vmap(_scores, (None, None, 0))
  return {"c": c, **jax.vmap(by_scale, (0, 0, None))(logits, labels, scales)}


def diagnose(
  key: jax.Array,
  logits: jax.Array,
  labels: jax.Array,
  *,
  num_bins: int,
) -> dict[str, jax.Array]:
  """Scores a trained classifier.

  Args:
    key: randomness of the error that is chance.
    logits: of both sets [2, N, C].
    labels: of both sets [2, N].
    num_bins: of the calibration error, M.

  Returns:
    What `judge` returns; on the test set before and after [2] the mean
    `confidence`, its `ece`, and the diagrams `bin_counts`, `bin_confidence` and
    `bin_accuracy` [2, M]; `changed` [], how many of its predictions c changes;
    `chance_ece` [], the mean ece if the scaled probabilities were right;
    `grid_nll` [G], the validation loss at c `GRID`; and, largest over the test
    set, `simplex_error`, how far the outputs are from a distribution, and
    `loss_error`, the loss trained with minus the printed one.
  """
  scores = judge(logits, labels)
  scales = jnp.stack([jnp.ones_like(scores["c"]), scores["c"]])
  log_p = jax.vmap(_log_softmax, (None, 0))(logits[1], scales)
  confidences = jnp.exp(jnp.max(log_p, axis=-1))
  predictions = jnp.argmax(log_p, axis=-1)
  is_correct = predictions == labels[None, 1]
  bins = jax.vmap(
    lambda *pair: calibration.reliability(*pair, num_bins=num_bins)
  )
  ece = jax.vmap(
    lambda *pair: calibration.expected_calibration_error(
      *pair, num_bins=num_bins
    )
  )
  diagrams = bins(confidences, is_correct)
  sure = jnp.tile(confidences[1], (_NUM_DRAWS, 1))
  outcomes = jax.random.bernoulli(key, sure)
  return {
    **scores,
    **{f"bin_{name}": values for name, values in diagrams._asdict().items()},
    "confidence": jnp.mean(confidences, axis=1),
    "ece": ece(confidences, is_correct),
    "chance_ece": jnp.mean(ece(sure, outcomes)),
    "changed": jnp.sum(predictions[1] != jnp.argmax(logits[1], axis=1)),
    "grid_nll": jax.vmap(_scores, (None, None, 0))(
      logits[0], labels[0], scores["c"] * GRID
    )["nll"],
    **_checks(logits[1], labels[1]),
  }


def _scores(logits, labels, c):
  log_p = _log_softmax(logits, c)
  is_wrong = jnp.argmax(log_p, axis=1) != labels
  entropies = jnp.sum(jax.scipy.special.entr(jnp.exp(log_p)), axis=1)
  return {
    "nll": -jnp.mean(jnp.take_along_axis(log_p, labels[:, None], axis=1)),
    "entropy": jnp.mean(entropies),
    "error": jnp.mean(is_wrong, dtype=log_p.dtype),
  }


def _checks(logits, labels):
  p = jax.vmap(nf.activations.softmax)(logits)
  off = jnp.maximum(jnp.abs(jnp.sum(p, axis=1) - 1), -jnp.min(p, axis=1))
  is_class = jax.nn.one_hot(labels, p.shape[1], dtype=p.dtype)
  printed = -jnp.sum(jnp.log(p) * is_class, axis=1)
  trained = jax.vmap(nf.losses.softmax_cross_entropy_with_integer_labels)
  return {
    "simplex_error": jnp.max(off),
    "loss_error": jnp.max(jnp.abs(trained(logits, labels) - printed)),
  }
