"""One update of parameters, whatever the optimiser asks for."""

import optax

from nnfun import base


def apply(
  optimizer: optax.GradientTransformation,
  params: base.Params,
  optimizer_state: optax.OptState,
  estimate: base.Estimate,
) -> tuple[base.Params, optax.OptState]:
  """Changes parameters by an optimiser's update.

  Args:
    optimizer: any of optax but a line search. One that takes them gets the loss
      as `value` and the gradient as `grad`.
    params: the parameters.
    optimizer_state: the optimiser's state.
    estimate: the loss and its gradient.

  Returns:
    The parameters and the optimiser's state after the update.

  Raises:
    ValueError: if the optimiser needs a line search.
  """
  update = optax.with_extra_args_support(optimizer).update
  loss, grads = estimate
  try:
    updates, optimizer_state = update(
      grads, optimizer_state, params, value=loss, grad=grads
    )
  except TypeError as error:
    if "value_fn" not in str(error):
      raise
    raise ValueError(
      "expected an optimizer that needs a gradient and a loss, got one with a "
      "line search (value_fn), which evaluates the loss at other parameters: "
      "data pass once"
    ) from error
  return optax.apply_updates(params, updates), optimizer_state
