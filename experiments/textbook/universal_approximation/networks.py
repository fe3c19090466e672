"""How networks are run at many points."""

from collections.abc import Sequence

import jax
import numpy as np

import nnfun as nf
from experiments import sweeps

SIGMOID = nf.activations.sigmoid
RELU = nf.activations.relu
IDENTITY = nf.activations.identity


def evaluate(
  networks: Sequence[tuple[nf.base.Params, np.ndarray]],
  hidden: nf.mlp.Activation = RELU,
  output: nf.mlp.Activation = IDENTITY,
) -> list[np.ndarray]:
  """Runs (params, points [P, I] or [P]) to outputs [P, O], or [P] if one.

  All in float64 and as one program, for compiling takes longer than running.
  """

  def run(params, xs):
    layers = (hidden,) * (len(params) - 1) + (output,)
    return jax.vmap(lambda x: nf.mlp.apply(params, x, layers))(xs)

  pairs = [(params, xs.reshape(len(xs), -1)) for params, xs in networks]
  with jax.enable_x64(True):
    run_all = sweeps.quick_jit(lambda pairs: [run(*pair) for pair in pairs])
    outputs = map(np.asarray, run_all(pairs))
  return [ys[:, 0] if ys.shape[1] == 1 else ys for ys in outputs]
