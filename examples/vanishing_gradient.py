"""Where does a gradient end? In time, in depth, and where a run broke."""

import jax
import optax
from jax import numpy as jnp

import nnfun as nf

NUM_UNITS, NUM_STEPS, NUM_LAYERS = 32, 60, 100


def loss_fn(
  params: nf.base.Params, h_t: jax.Array, y_t: jax.Array
) -> jax.Array:
  """The squared error of one number read from the state."""
  return (params["readout"] @ h_t - y_t) ** 2


def by_layer(name: str) -> float:
  """The factor by which a gradient changes from a layer to the one before."""
  layers = nf.mlp.init(jax.random.key(0), [NUM_UNITS] * (NUM_LAYERS + 1))
  stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *layers)
  end = nf.depth.gradient_of(lambda a, y: jnp.sum((a - y) ** 2), 1.0)
  activation = getattr(nf.activations, name)
  # As logarithms: the first layer's may be far below what float32 holds.
  norms = nf.depth.log_layer_norms(
    nf.depth.propagate(stacked, jnp.ones(NUM_UNITS), end, activation)
  )
  return float(jnp.exp((norms.b[0] - norms.b[-1]) / (NUM_LAYERS - 1)))


def main() -> tuple[dict[float, float], dict[str, float], int]:
  """Prints the reach of the gradient by gain, and the first step gone wrong."""
  cell = nf.cells.vanilla(num_inputs=1, num_units=NUM_UNITS)
  keys = jax.random.split(jax.random.key(0), 3)
  readout = jax.random.normal(keys[0], (NUM_UNITS,)) / NUM_UNITS**0.5
  xs = 0.1 * jax.random.normal(keys[1], (NUM_STEPS, 1))
  lags, reach = 20, {}
  for gain in (0.5, 1.0, 2.0):
    theta = cell.init(keys[2])  # [n, n + 2], the recurrent weights first.
    theta = theta.at[:, :NUM_UNITS].multiply(gain)
    params = {"cell": theta, "readout": readout}
    norms = nf.diagnostics.gradient_norm_by_lag(
      cell, loss_fn, params, xs, jnp.ones([])
    )
    reach[gain] = float((norms[lags] / norms[0]) ** (1 / lags))
    print(f"gain {gain}: the gradient changes by {reach[gain]:.2f} a step back")

  depth = {name: by_layer(name) for name in ("sigmoid", "tanh")}
  for name, factor in depth.items():
    print(f"{name}: the gradient changes by {factor:.2f} a layer back")

  # A rate far too large: which was the first step with a broken loss?
  estimator = nf.estimators.rtrl(cell, loss_fn)
  optimizer = optax.sgd(1e4)
  state = nf.training.stream_init(estimator, optimizer, params, keys[0])
  _, losses = nf.training.train_stream(
    estimator, optimizer, state, xs, jnp.ones(NUM_STEPS), segment=1
  )
  broken = int(nf.diagnostics.first_nonfinite_step(losses))
  print(f"step {broken} is the first whose loss is not finite")
  return reach, depth, broken


if __name__ == "__main__":
  main()
