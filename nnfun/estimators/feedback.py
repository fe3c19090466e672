"""Random feedback for any loss: errors do not return the way they came.

Wherever a loss multiplies a matrix W of the readout with something, the error
comes back through a fixed B of its shape in place of W. The loss stays as it
is, and so does the gradient of the last matrix; those below get errors by B.
"""

from collections.abc import Callable

import jax
from jax import lax
from jax import numpy as jnp
from jax.extend import core

from nnfun import base
from nnfun.estimators import checks

# What makes of a matrix the same matrix, otherwise written.
_REWRITES = frozenset(
  "broadcast_in_dim convert_element_type copy reshape rev slice squeeze "
  "transpose".split()
)
_CALLS = frozenset(("jit", "pjit"))


def draw(readout: base.Params, key: base.Array) -> base.Params:
  """Draws B for every matrix of the readout, normal as LeCun's rule has W.

  Args:
    readout: params["readout"].
    key: randomness.

  Returns:
    In its structure, B for W [O, N] with variance 1 / max(O, N), and zeros for
    what is not a matrix.

  Raises:
    ValueError: if there is no matrix.
  """
  leaves, structure = jax.tree.flatten(readout)
  if all(jnp.ndim(leaf) != 2 for leaf in leaves):
    raise ValueError(
      'expected params["readout"] with a matrix, in place of which errors come '
      f"back through a random one, got shapes {list(map(jnp.shape, leaves))}"
    )
  keys = jax.random.split(checks.own_key(key), len(leaves))
  drawn = [
    jax.random.normal(k, leaf.shape, leaf.dtype) * max(leaf.shape) ** -0.5
    if leaf.ndim == 2
    else jnp.zeros_like(leaf)  # Not used; a buffer of its own (donation).
    for k, leaf in zip(keys, leaves, strict=True)
  ]
  return structure.unflatten(drawn)


def with_feedback(loss_fn: base.LossFn) -> Callable[..., base.Array]:
  """Returns a loss whose errors come back through B.

    d loss / d (W v) = e,  d loss / d v = B^T e,  d loss / d W = e v^T

  Args:
    loss_fn: the loss of one step.

  Returns:
    (params, feedback, state_t, y_t) to the loss.

  References:
    Lillicrap, Cownden, Tweed, Akerman, Random synaptic feedback weights support
    error backpropagation for deep learning, 2016,
    https://doi.org/10.1038/ncomms13276
  """

  def loss(params, feedback, state_t, y_t):
    def of_readout(readout):
      everything = {**params, "readout": readout}
      return checks.checked_loss(loss_fn, everything, state_t, y_t)

    readout = params["readout"]
    closed = jax.make_jaxpr(of_readout)(readout)
    twins = [b if jnp.ndim(b) == 2 else None for b in jax.tree.leaves(feedback)]
    # A twin goes with the number of its leaf.
    args = [
      (leaf, None if b is None else (b, i))
      for i, (leaf, b) in enumerate(
        zip(jax.tree.leaves(readout), twins, strict=True)
      )
    ]
    consts = [(c, None) for c in closed.consts]
    replaced = set()
    ((value, _),) = _run(closed.jaxpr, consts, args, replaced)
    for i, (path, _) in enumerate(jax.tree_util.tree_leaves_with_path(readout)):
      if twins[i] is not None and i not in replaced:
        raise ValueError(
          "expected loss_fn to multiply something with every matrix of "
          'params["readout"] as it is (@, jnp.dot, jnp.einsum, transposed or '
          "reshaped at most), so that errors can come back through a random "
          f"one; there is no such product of {jax.tree_util.keystr(path)}"
        )
    return value

  return loss


def _run(jaxpr, consts, args, replaced):
  """Evaluates; each value goes with its twin, or None."""
  env = dict(zip(jaxpr.constvars, consts, strict=True))
  env |= dict(zip(jaxpr.invars, args, strict=True))

  def read(atom):
    return (atom.val, None) if isinstance(atom, core.Literal) else env[atom]

  for eqn in jaxpr.eqns:
    outputs = _apply(eqn, list(map(read, eqn.invars)), replaced)
    env |= dict(zip(eqn.outvars, outputs, strict=True))
  return list(map(read, jaxpr.outvars))


def _apply(eqn, operands, replaced):
  values, twins = zip(*operands, strict=True) if operands else ((), ())
  name = eqn.primitive.name
  has_twin = [t is not None for t in twins]
  if any(has_twin) and name in _CALLS:
    inner = eqn.params["jaxpr"]
    consts = [(c, None) for c in inner.consts]
    return _run(inner.jaxpr, consts, operands, replaced)
  outputs = _bind(eqn, values)
  if sum(has_twin) == 1 and name in _REWRITES:
    (matrix, i) = next(t for t in twins if t is not None)
    (rewritten,) = _bind(eqn, [matrix, *values[1:]])
    return [(outputs[0], (rewritten, i))]
  if sum(has_twin) == 1 and name == "dot_general":
    replaced |= {t[1] for t in twins if t is not None}
    matrices = [None if t is None else t[0] for t in twins]
    outputs = [_product(eqn, values, matrices)]
  return [(output, None) for output in outputs]


def _bind(eqn, values):
  params = eqn.primitive.get_bind_params(eqn.params)
  outputs = eqn.primitive.bind(*values, **params)
  return outputs if eqn.primitive.multiple_results else [outputs]


def _product(eqn, values, twins):
  """W v, whose derivative with respect to v is B."""
  fixed = [
    v if t is not None else lax.stop_gradient(v)
    for v, t in zip(values, twins, strict=True)
  ]
  back = [
    v if t is None else lax.stop_gradient(t)
    for v, t in zip(values, twins, strict=True)
  ]
  (forward,), (fed_back,) = _bind(eqn, fixed), _bind(eqn, back)
  return forward + (fed_back - lax.stop_gradient(fed_back))
