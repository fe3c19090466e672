"""Learning curves of deep linear networks, one singular mode at a time.

A network of N_l layers of units, the input among them, has N_l - 1 matrices.
Gradient descent on 1/2 sum ||y - W ... W x||^2 over patterns with
sum x x^T = 1 decouples, from decoupled starts, into modes: u is the strength
of one, s the singular value of sum y x^T it grows to, and the time constant
tau is 1 / (learning rate) if time is counted in epochs.
"""

from jax import numpy as jnp

from nnfun import base, numerics

_Value = float | base.Array


def learning_time(
  u_f: _Value, s: _Value, u_0: _Value, *, tau: _Value
) -> base.Array:
  """Returns the time in which a three-layer network learns a mode.

    t = tau / (2 s) log[u_f (s - u_0) / (u_0 (s - u_f))].

  Args:
    u_f: the strength that is reached, strictly between 0 and s, any shape.
    s: singular value of the mode, positive.
    u_0: strength at the start, strictly between 0 and s.
    tau: time constant, 1 / (learning rate) for a time in epochs.

  Returns:
    The time, negative for u_f < u_0; NaN where u_f or u_0 is outside (0, s).

  References:
    Saxe, McClelland, Ganguli, Exact solutions to the nonlinear dynamics of
    learning in deep linear neural networks, 2014, equation 11,
    https://arxiv.org/abs/1312.6120

  >>> float(learning_time(0.5, 1.0, 0.5, tau=2.0))
  0.0
  """

  def log_odds(u):
    return jnp.log(u) - jnp.log(s - u)

  return tau / (2 * s) * (log_odds(u_f) - log_odds(u_0))


def mode_strength(
  t: _Value, s: _Value, u_0: _Value, *, tau: _Value
) -> base.Array:
  """Returns the strength of a mode of a three-layer network.

    u(t) = s e^x / (e^x - 1 + s / u_0),  x = 2 s t / tau.

  Args:
    t: time, not negative, any shape.
    s: singular value of the mode, not negative; at s = 0 the strength decays
      as u_0 / (1 + 2 u_0 t / tau).
    u_0: strength at the start, not negative; above s it decays to s. At 0 the
      derivative by it is e^x, and NaN where e^(2 x) is beyond the dtype.
    tau: time constant, 1 / (learning rate) for a time in epochs.

  Returns:
    The strength, in the broadcast shape of the arguments.

  References:
    Saxe, McClelland, Ganguli, Exact solutions to the nonlinear dynamics of
    learning in deep linear neural networks, 2014, equation 12,
    https://arxiv.org/abs/1312.6120

  >>> float(mode_strength(1e6, 3.0, 1e-6, tau=2000.0))
  3.0
  """
  x = 2 * s * t / tau
  # Divided by e^x, which overflows, and with (1 - e^-x) / s, which is 0 / 0 at
  # s = 0, written as 2 t / tau (1 - e^-x) / x.
  rise = 2 * u_0 * t / tau * numerics.exprel(-x)
  below = jnp.exp(-x) + rise
  # Both underflow at u_0 = 0, where u stays 0.
  least = jnp.finfo(jnp.result_type(below)).tiny
  return u_0 / jnp.where(below == 0, least, below)


def mode_rate(
  u: _Value, s: _Value, *, num_layers: int, tau: _Value
) -> base.Array:
  """Returns how fast a mode is learned at any depth.

    tau du / dt = (N_l - 1) u^(2 - 2 / (N_l - 1)) (s - u).

  Two layers, one matrix, give exponential learning, tau du / dt = s - u; three
  the logistic curve of `mode_strength`.

  Args:
    u: strength of the mode, not negative, any shape.
    s: singular value of the mode.
    num_layers: N_l, layers of units with input and output, 2 or more.
    tau: time constant, 1 / (learning rate) for a time in epochs.

  Returns:
    du / dt.

  Raises:
    ValueError: if there are fewer than two layers.

  References:
    Saxe, McClelland, Ganguli, Exact solutions to the nonlinear dynamics of
    learning in deep linear neural networks, 2014, equation 15,
    https://arxiv.org/abs/1312.6120

  >>> float(mode_rate(0.5, 1.5, num_layers=3, tau=2.0))
  0.5
  """
  if num_layers < 2:
    raise ValueError(f"expected num_layers >= 2, got {num_layers}")
  num_matrices = num_layers - 1
  growth = jnp.power(u, 2 - 2 / num_matrices)
  return num_matrices / tau * growth * (s - u)
