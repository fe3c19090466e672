"""One gradient, its batch spread over all devices.

  XLA_FLAGS=--xla_force_host_platform_device_count=8 \
    python -m examples.data_parallel

An estimate inside of `jax.shard_map` is that of the device's own examples;
`jax.lax.pmean` makes it that of the batch.
"""

import functools

import jax
import optax
from jax.sharding import PartitionSpec as P

import nnfun as nf

EXAMPLES_EACH, NUM_STEPS = 2, 20


def loss_fn(
  params: nf.base.Params, h_t: jax.Array, y_t: jax.Array
) -> jax.Array:
  """The squared error of one number read from the state."""
  return (params["readout"] @ h_t - y_t) ** 2


def main() -> float:
  """Prints how far it is from the same batch on one device."""
  cell = nf.cells.vanilla(num_inputs=3, num_units=16)
  estimator = nf.estimators.rtrl(cell, loss_fn, flush_every=8)
  devices = jax.devices()
  batch = EXAMPLES_EACH * len(devices)
  keys = jax.random.split(jax.random.key(0), 4)
  readout = jax.random.normal(keys[0], (16,))
  params = {"cell": cell.init(keys[1]), "readout": readout}
  xs = jax.random.normal(keys[2], (batch, NUM_STEPS, 3))
  ys = jax.random.normal(keys[3], (batch, NUM_STEPS))

  def gradient(params, xs, ys):
    """The mean over examples."""

    def one(x, y):
      return nf.training.episode_gradient(
        estimator, params, keys[0], x, y, segment=1
      ).grads

    return nf.numerics.batch_mean(jax.vmap(one)(xs, ys))

  mesh = jax.make_mesh(
    (len(devices),), ("data",), axis_types=(jax.sharding.AxisType.Auto,)
  )

  @jax.jit
  @functools.partial(
    jax.shard_map,
    mesh=mesh,
    in_specs=(P(), P("data"), P("data")),
    out_specs=P(),
  )
  def parallel(params, xs, ys):
    return jax.lax.pmean(gradient(params, xs, ys), "data")

  alone = jax.jit(gradient)(params, xs, ys)
  gap = optax.tree.norm(optax.tree.sub(parallel(params, xs, ys), alone))
  gap = float(gap / optax.tree.norm(alone))
  print(f"{len(devices)} devices: relative difference {gap:.1g}")
  return gap


if __name__ == "__main__":
  main()
