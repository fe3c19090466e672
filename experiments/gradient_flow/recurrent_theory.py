"""Closed forms for the study of gradients by lag, in NumPy.

A row v = d loss / d h_T goes back through Jacobians J: g_k = norm(v J ... J)
with k factors. `W` is the recurrent matrix of a simple network.
"""

import math

import numpy as np

# Pascanu, Mikolov, Bengio 2013: updates to 1 % errors, temporal order, T = 20.
PUBLISHED_UPDATES = {"SGD": 21_000, "clipped": 11_000, "clipped, Omega": 2_000}
# Arjovsky, Shah, Bengio 2016: the mean of y predicted, Var(u_1 + u_2).
ADDING_FLOOR = 1 / 6


def copy_floor(num_symbols: int, length: int, delay: int) -> float:
  """Returns L ln(A) / (2 L + T) nats, the loss of guessing what was shown.

  Args:
    num_symbols: A, the size of the alphabet.
    length: L, symbols to be repeated.
    delay: T, blanks between.
  """
  return length * math.log(num_symbols) / (2 * length + delay)


def sigmoid(x: float) -> float:
  """Returns 1 / (1 + exp(-x))."""
  return 1 / (1 + math.exp(-x))


def powers(v: np.ndarray, matrix: np.ndarray, num_lags: int) -> np.ndarray:
  """Returns the norms of v M^k, k = 0 ... num_lags - 1.

  What a linear network does at any time, and a tanh network at rest (M = W).

  Args:
    v: [N].
    matrix: M [N, N].
    num_lags: how many.
  """
  norms = []
  for _ in range(num_lags):
    norms.append(np.linalg.norm(v))
    v = v @ matrix
  return np.array(norms)


def gru_at_rest(
  v: np.ndarray, candidate: np.ndarray, num_lags: int
) -> np.ndarray:
  """Returns g_k of a GRU without input: all gates 1/2, h = 0.

    dh_t/dh_tm1 = z + (1 - z) r U_n = 1/2 + U_n / 4

  Args:
    v: [N].
    candidate: U_n [N, N], orthogonal at the start: eigenvalues on the circle
      of radius 1/4 about 1/2.
    num_lags: how many.
  """
  identity = np.eye(len(v))
  return powers(v, identity / 2 + candidate / 4, num_lags)


def lstm_at_rest(
  v: np.ndarray, candidate: np.ndarray, forget_bias: float, num_lags: int
) -> np.ndarray:
  """Returns g_k of an LSTM without input: i = o = 1/2, f = sigmoid(b), c = 0.

  What reaches c_t, on its own and through h_t = o tanh(c_t), is p_k, and

    p_0 = v / 2,  p_{k+1} = p_k M,  M = f + U_g / 4
    d loss / d (c, h)_{T-k} = p_{k-1} (f, U_g / 2)

  so that the rate is f without recurrent weights (the carousel) and, with
  orthogonal ones, between f and f + 1/4.

  Args:
    v: [N].
    candidate: U_g [N, N].
    forget_bias: b.
    num_lags: how many.
  """
  f, p, norms = sigmoid(forget_bias), v / 2, [np.linalg.norm(v)]
  for _ in range(num_lags - 1):
    norms.append(
      np.hypot(np.linalg.norm(f * p), np.linalg.norm(p @ candidate) / 2)
    )
    p = f * p + p @ candidate / 4
  return np.array(norms)


def lru_norms(v: np.ndarray, nu: np.ndarray, num_lags: int) -> np.ndarray:
  """Returns g_k^2 = sum_i abs(lambda_i)^2k abs(v_i)^2 of diagonal units.

  Args:
    v: [2 N], real parts first.
    nu: [N], abs(lambda) = exp(-exp(nu)).
    num_lags: how many.
  """
  radius = np.exp(-np.exp(nu))
  strength = np.sum(v.reshape(2, -1) ** 2, axis=0)
  lags = np.arange(num_lags)[:, np.newaxis]
  return np.sqrt(np.sum(radius ** (2 * lags) * strength, axis=1))


def rates(norms: np.ndarray, first: int, last: int) -> np.ndarray:
  """Returns the factor per lag, fitted to log g_k by least squares.

  Args:
    norms: g_k [..., T], k = 0 ... T - 1.
    first: first lag of the fit.
    last: last lag of the fit.
  """
  lags = np.arange(first, last + 1.0)
  lags -= lags.mean()
  logs = np.log(norms[..., first : last + 1])
  return np.exp(logs @ lags / np.sum(lags**2))


def spiral() -> tuple[np.ndarray, np.ndarray, float]:
  """Returns a tanh network of two units that explodes with all eigenvalues 0.

    W = 8.8 [[1, 1], [-1, -1]],  W W = 0,  h* = sqrt((1/2, 5/8)).

  The slopes at h* are d = 1 - h*^2 = (1/2, 3/8), and D W squared is
  8.8 (1/2 - 3/8) D W = 1.1 D W: so much does the gradient grow in a step.

  Returns:
    W [2, 2], the pre-activation a* [2] with h* = tanh(a*), and the factor 1.1.
  """
  w = 8.8 * np.array([[1.0, 1.0], [-1.0, -1.0]])
  return w, np.arctanh(np.sqrt([0.5, 0.625])), 1.1
