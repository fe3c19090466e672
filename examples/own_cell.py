"""A cell of your own, first as three functions, then as matrices times vectors.

Any pure step is a `Cell`, and every general estimator takes it. If parameters
enter as W z only, saying so (`AffineCell`) makes lazy RTRL fast, and opens the
estimators that are made of outer products.
"""

import jax
import optax
from jax import numpy as jnp

import nnfun as nf

NUM_UNITS, NUM_INPUTS = 16, 3


def leaky_cell() -> nf.Cell:
  """Units that forget at a rate of their own, which is learned too."""

  def step(params, h_tm1, x_t):
    keep = jax.nn.sigmoid(params["keep"])
    drive = jnp.tanh(params["w"] @ jnp.concatenate([h_tm1, x_t]))
    return keep * h_tm1 + (1 - keep) * drive

  def init(key):
    w = jax.random.normal(key, (NUM_UNITS, NUM_UNITS + NUM_INPUTS))
    return {"keep": jnp.ones(NUM_UNITS), "w": w / NUM_UNITS**0.5}

  return nf.Cell(init, lambda: jnp.zeros(NUM_UNITS), step)


def affine_cell() -> nf.AffineCell:
  """The same with a fixed rate: parameters enter as one product W z."""
  features = lambda h_tm1, x_t: jnp.concatenate([h_tm1, x_t])
  activate = lambda a, h_tm1: 0.9 * h_tm1 + 0.1 * jnp.tanh(a)
  return nf.AffineCell(
    init=lambda key: leaky_cell().init(key)["w"],
    initial_state=lambda: jnp.zeros(NUM_UNITS),
    step=nf.base.affine_step(features, activate),
    features=features,
    activate=activate,
    input_spec=jax.ShapeDtypeStruct((NUM_INPUTS,), jnp.float32),
  )


def loss_fn(params: nf.base.Params, h_t: jax.Array, y_t: float) -> jax.Array:
  """The squared error of one number read from the state."""
  return (params["readout"] @ h_t - y_t) ** 2


def main() -> dict[str, float]:
  """Prints how far the gradient of every step is from the exact one."""
  keys = jax.random.split(jax.random.key(0), 4)
  xs, ys = jax.random.normal(keys[0], (40, NUM_INPUTS)), jnp.ones(40)
  errors = {}
  for name, cell, make in (
    ("plain, RTRL", leaky_cell(), nf.estimators.rtrl),
    ("plain, UORO", leaky_cell(), nf.estimators.uoro),
    ("affine, lazy RTRL", affine_cell(), nf.estimators.rtrl),
    ("affine, e-prop", affine_cell(), nf.estimators.eprop),
  ):
    v = jax.random.normal(keys[3], (NUM_UNITS,))
    params = {"cell": cell.init(keys[2]), "readout": v}
    nf.diagnostics.check_cell(cell, params["cell"], v, xs[0])
    estimator = make(cell, loss_fn)
    estimate = jax.jit(
      lambda params, estimator=estimator: nf.training.episode_gradient(
        estimator, params, keys[0], xs, ys, segment=1
      )
    )(params)
    exact = nf.training.exact_gradient(cell, loss_fn, params, xs, ys)
    gap = optax.tree.norm(optax.tree.sub(estimate.grads, exact.grads))
    errors[name] = float(gap / optax.tree.norm(exact.grads))
    print(f"{name}: relative error {errors[name]:.2g}")
  return errors


if __name__ == "__main__":
  main()
