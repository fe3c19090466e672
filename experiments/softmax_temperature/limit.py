"""What does softmax(c z) become as c grows, and what becomes of its gradient?

The exercise multiplies the logits by a constant c and asks for the limit of the
activations as c -> infinity. Its answer is the one-hot vector of the maximum.
What a student should take from this:

- That is right for one maximum; k equal maxima get 1 / k each, and c changes
  nothing about it. The exercise's denominator goes to k, not to 1.
- The limit is reached exponentially: what is left on the others is less than
  (n - 1) exp(-c gap). Sparsemax reaches it at a finite c, 1 / (gap k), exactly.
- The gradient goes with it. The Jacobian of softmax(c z) is small for small c
  and vanishes like c exp(-c gap) for large c; in between two classes pass on at
  most 0.448 / gap, at c gap = 1.54. The cross-entropy's gradient c (a - y) does
  not vanish, it grows like c, wherever the label is not the only maximum.
- All of it is a trade of error for smoothness: the Lipschitz constant is c / 2
  in every l_p norm, and softmax(c z) picks a logit that is on average at most
  W((n - 1) / e) / c below the maximum (the usual bound is ln(n) / c).
- None of it may depend on the number format. As printed, exp(c z) overflows at
  c z = 11 in float16 and at 89 in float32. With the maximum subtracted before
  the scaling, values and both modes of differentiation are right from c = 1e-30
  to 1e30 in four formats, with ties and with logits of -infinity.
- Adding Gumbel noise and taking the maximum is softmax, without an exponential
  in sight: an independent check, of the gradient too.

  python -m experiments.softmax_temperature.limit --config.num_classes=4

takes 11 seconds (--full: 1 minute). Numbers to expect: every bound kept, every
identity to rounding, and no NaN. The source leaves ties out and names no
numbers; logits are drawn from N(0, 1), and all but the number formats is
measured in float64.
"""

import dataclasses

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import cli, progress, study
from experiments.softmax_temperature import (
  limit_claims,
  limit_extremes,
  limit_figure,
  limit_jacobians,
)

_softmax = nf.activations.softmax
_sparsemax = nf.activations.sparsemax


@dataclasses.dataclass(frozen=True)
class Config:
  """How many logits are drawn, and how finely c is resolved."""

  num_classes: int = 10  # n.
  max_maxima: int = 3  # Vectors with k = 1, 2 ... this many equal maxima.
  num_vectors: int = 100  # Logits [n] drawn for each k.
  num_inverse_temperatures: int = 41  # c from 1e-2 to 1e3, log-spaced.
  num_keys: int = 100  # Independent estimates by Gumbel noise.
  num_samples: int = 1000  # Draws of the noise in each.
  temperatures: tuple[float, ...] = (0.3, 1.0, 3.0)  # Of the Gumbel noise.
  seed: int = 0  # Of logits, weights and noise.

  def __post_init__(self) -> None:
    """Checks the counts and the temperatures.

    Raises:
      ValueError: if one is out of range.
    """
    if not 2 <= self.max_maxima < self.num_classes:
      raise ValueError(
        "expected 2 <= max_maxima < num_classes, so that there are ties and a "
        f"class below them, got {self.max_maxima} and {self.num_classes}"
      )
    for name, least in (
      ("num_vectors", 2),
      ("num_inverse_temperatures", 2),
      ("num_keys", 2),
      ("num_samples", 1),
    ):
      if getattr(self, name) < least:
        raise ValueError(
          f"expected {name} >= {least}, got {getattr(self, name)}"
        )
    if not self.temperatures or min(self.temperatures) <= 0:
      raise ValueError(
        f"expected positive temperatures, got {self.temperatures}"
      )


def run(config: Config) -> dict[str, np.ndarray]:
  """Evaluates softmax and sparsemax over all temperatures.

  Args:
    config: the sizes.

  Returns:
    `logits` [k, V, n] with 1 ... k equal maxima and `cs` [C]; on them
    `softmax`, `sparsemax` [k, V, C, n] and `logsumexp` of c z [k, V, C]; `ends`
    [k, V, 3, n], softmax at c = 0, 1e30 and infinity; and what
    `limit_jacobians.measure`, `_gradients`, `_thresholds`,
    `limit_extremes.evaluate` and `_gumbel` return.
  """
  rng = np.random.default_rng(config.seed)
  logits = _logits(config, rng)
  cs = np.logspace(-2, 3, config.num_inverse_temperatures)
  results = {"seed": np.array(config.seed), "logits": logits, "cs": cs}
  parts = (
    lambda: _values(logits, cs),
    lambda: limit_jacobians.measure(logits, cs),
    lambda: _gradients(config, rng),
    lambda: _thresholds(logits),
    limit_extremes.evaluate,
    lambda: _gumbel(config, rng),
  )
  with jax.enable_x64(True):
    for part in progress.track(parts, "softmax limit"):
      results |= part()
  return results


def _values(logits, cs):
  def on_grid(fn, cs):
    for axes in ((None, 0), (0, None), (0, None)):
      fn = jax.vmap(fn, axes)
    return np.asarray(jax.jit(fn)(logits, cs))

  softmax = on_grid(_softmax, np.concatenate([cs, [0, 1e30, np.inf]]))
  return {
    "softmax": softmax[:, :, :-3],
    "ends": softmax[:, :, -3:],
    "sparsemax": on_grid(_sparsemax, cs),
    "logsumexp": on_grid(lambda z, c: jax.nn.logsumexp(c * z), cs),
  }


def _logits(config, rng):
  """Draws logits; in the k-th block the k largest are made equal."""
  shape = (config.max_maxima, config.num_vectors, config.num_classes)
  logits = np.sort(rng.normal(size=shape), axis=-1)[..., ::-1]
  for k in range(config.max_maxima):
    logits[k, :, : k + 1] = logits[k, :, :1]
  return rng.permuted(logits, axis=-1)


def _gradients(config, rng):
  """Returns c (a - y), and autodiff's gradient of the cost as it is printed.

  One layer z = w x + b of 5 inputs, cost -log(e^{c z_r} / sum e^{c z_i}) for
  c = `gradient_cs` [3]; `gradient_b` [V, 3, n] and `gradient_w` [V, 3, n, 5]
  beside `gradient_error` [V, 3, n] = c (a - y) and `gradient_x` [V, 5].
  """
  cs = np.array([0.1, 1.0, 10.0])
  shape = (config.num_vectors, config.num_classes)
  w, b = rng.normal(size=(*shape, 5)), rng.normal(size=shape)
  x, r = rng.normal(size=(shape[0], 5)), rng.integers(0, shape[1], shape[0])

  def compare(w, b, x, r, c):
    def cost(w, b):
      powers = jnp.exp(c * (w @ x + b))
      return -jnp.log(powers[r] / jnp.sum(powers))

    a, y = _softmax(w @ x + b, c), jax.nn.one_hot(r, b.size, dtype=b.dtype)
    return *jax.grad(cost, (0, 1))(w, b), c * (a - y)

  by_c = jax.vmap(compare, (None, None, None, None, 0))
  found = jax.jit(jax.vmap(by_c, (0, 0, 0, 0, None)))(w, b, x, r, cs)
  names = ("gradient_w", "gradient_b", "gradient_error")
  return {
    "gradient_cs": cs,
    "gradient_x": x,
    **{name: np.asarray(a) for name, a in zip(names, found, strict=True)},
  }


def _thresholds(logits):
  """Returns where sparsemax reaches its limit.

  `thresholds` [k, V]: the least c without probability off the maxima, found by
  bisection; `beyond` [k, V, n]: sparsemax at 1.001 times that c, and
  `softmax_beyond` softmax there.
  """

  def bisect(z):
    def halve(_, ends):
      middle = jnp.sqrt(ends[0] * ends[1])
      off = jnp.where(z < jnp.max(z), _sparsemax(z, middle), 0)
      is_below = jnp.any(off > 0)
      return jnp.where(
        is_below, jnp.stack([middle, ends[1]]), jnp.stack([ends[0], middle])
      )

    c = lax.fori_loop(0, 60, halve, jnp.array([1e-6, 1e9]))[1]
    return c, _sparsemax(z, 1.001 * c), _softmax(z, 1.001 * c)

  names = ("thresholds", "beyond", "softmax_beyond")
  found = jax.jit(jax.vmap(jax.vmap(bisect)))(logits)
  return {name: np.asarray(a) for name, a in zip(names, found, strict=True)}


def _gumbel(config, rng):
  """Returns what Gumbel noise makes of the hard maximum, by key.

  With temperatures T = `temperatures` [T] and logits `gumbel_logits` [n]:
  `gumbel_values` [T, R, n], means of one-hot(argmax(x + T G)), and
  `gumbel_jacobians` [T, R, n, n], their derivatives by the score function.
  """
  x, temperatures = rng.normal(size=config.num_classes), config.temperatures

  def one_hot_of_maximum(x):
    return jax.nn.one_hot(jnp.argmax(x), x.size, dtype=x.dtype)

  def estimate(temperature, key):
    fn = optax.perturbations.make_perturbed_fun(
      one_hot_of_maximum, config.num_samples, temperature
    )
    return jax.jacrev(lambda x: (fn(key, x),) * 2, has_aux=True)(x)

  key = jax.random.key(config.seed)
  keys = jax.random.split(key, (len(temperatures), config.num_keys))
  estimates = jax.jit(
    jax.vmap(lambda t, keys: lax.map(lambda k: estimate(t, k), keys)),
    # It compiles for longer than it runs.
    compiler_options={"xla_backend_optimization_level": 0},
  )
  jacobians, values = estimates(jnp.array(temperatures), keys)
  return {
    "temperatures": np.array(temperatures),
    "num_samples": np.array(config.num_samples),
    "gumbel_logits": x,
    "gumbel_values": np.asarray(values),
    "gumbel_jacobians": np.asarray(jacobians),
  }


STUDY = study.Study(
  name="softmax_temperature/limit",
  question=(
    "What does softmax(c z) become as c grows, and what becomes of its "
    "gradient?"
  ),
  Config=Config,
  run=run,
  claims=limit_claims.all_claims,
  plot=limit_figure.draw,
  full=Config(
    num_vectors=300,
    num_inverse_temperatures=81,
    num_keys=300,
    num_samples=10_000,
  ),
)

if __name__ == "__main__":
  cli.main(STUDY)
