"""Times the library against what it replaces: `make bench`.

What is compared is timed in turn in one process, so that a busy machine slows
both sides of a ratio; the best of several rounds is taken. First the exact
online gradient: float32, vanilla tanh, 16 inputs, 8 outputs, T = 128, a
gradient at every step. Then many small networks trained at once, against loops
in NumPy (`launch.bench_seeds`); two minutes for the 30 epochs, so

  python -m launch.bench --epochs=2

is a quick look, and `--data_dir=FOLDER` takes MNIST for random images.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence

import jax
from absl import app, flags
from jax import lax
from jax import numpy as jnp
from rich import console as rich_console
from rich import table as rich_table

import nnfun as nf
from launch import bench_seeds

_NUM_INPUTS, _NUM_OUTPUTS, _NUM_STEPS = 16, 8, 128
_LONG_STEPS = 1024  # Of a stream, in which the start no longer counts.
# n: how many steps lazy RTRL puts off; about n / 2, in whole caches.
_FLUSH_EVERY = {64: 32, 128: 64, 256: 64}
_TARGETS = {64: 4.0, 128: 15.0, 256: 12.0}  # lazy over textbook, at least
_BATCH_SIZE, _BATCH_UNITS, _BATCH_TARGET = 16, 64, 3.0
_PRODUCT_UNITS, _PRODUCT_TARGET = 128, 1.5  # textbook over product, at most


def loss_fn(
  params: nf.base.Params, h_t: nf.base.Array, y_t: nf.base.Array
) -> nf.base.Array:
  """Returns half the squared error of a linear readout.

  Args:
    params: the parameters, with "readout" a matrix [O, N].
    h_t: the state [N].
    y_t: the target [O].

  Returns:
    The loss, a scalar.
  """
  return 0.5 * jnp.sum((params["readout"] @ h_t - y_t) ** 2)


def setup(
  num_units: int, num_steps: int = _NUM_STEPS
) -> tuple[nf.AffineCell, nf.base.Params, tuple]:
  """Draws a network and an episode.

  Args:
    num_units: n.
    num_steps: T.

  Returns:
    The cell, its parameters with a readout, and (xs [T, I], ys [T, O]).
  """
  cell = nf.cells.vanilla(num_inputs=_NUM_INPUTS, num_units=num_units)
  key_cell, key_readout, key_x, key_y = jax.random.split(jax.random.key(0), 4)
  readout = jax.random.normal(key_readout, (_NUM_OUTPUTS, num_units))
  params = {
    "cell": cell.init(key_cell),
    "readout": readout / num_units**0.5,
  }
  xs = jax.random.normal(key_x, (num_steps, _NUM_INPUTS))
  ys = jax.random.normal(key_y, (num_steps, _NUM_OUTPUTS))
  return cell, params, (xs, ys)


def gradient_fn(
  cell: nf.AffineCell, flush_every: int
) -> Callable[..., nf.Estimate]:
  """Returns params, xs, ys -> the gradient, one estimate a step, summed.

  Args:
    cell: the cell.
    flush_every: as of `nf.estimators.rtrl`.

  Returns:
    The function.
  """
  estimator = nf.estimators.rtrl(cell, loss_fn, flush_every=flush_every)

  def gradient(params, xs, ys):
    return nf.training.episode_gradient(
      estimator, params, jax.random.key(0), xs, ys, segment=1
    )

  return gradient


def product(matrix: nf.base.Array, influence: nf.base.Array) -> nf.base.Array:
  """Multiplies n x n into n x P at every step and does nothing else.

  Args:
    matrix: [n, n].
    influence: [n, P].

  Returns:
    [n, P].
  """

  def body(influence, _):
    return matrix @ influence, None

  return lax.scan(body, influence, None, length=_NUM_STEPS)[0]


def reading(vector: nf.base.Array, influence: nf.base.Array) -> nf.base.Array:
  """Reads n x P once at every step, as a vector-matrix product.

  Args:
    vector: [n].
    influence: [n, P].

  Returns:
    [n].
  """

  def body(vector, _):
    return jnp.tanh((vector @ influence)[: vector.size]), None

  return lax.scan(body, vector, None, length=_NUM_STEPS)[0]


def best_microseconds(
  functions: Mapping[str, tuple[Callable, Sequence, int]], num_rounds: int
) -> dict[str, float]:
  """Times compiled functions in turn.

  Args:
    functions: name -> (function, arguments, its number of steps T).
    num_rounds: how often each is run, after one run that is not counted.

  Returns:
    name -> the shortest time in microseconds per step.
  """
  compiled = {}
  for name, (function, args, num_steps) in functions.items():
    compiled[name] = jax.jit(function).lower(*args).compile(), args, num_steps
    jax.block_until_ready(compiled[name][0](*args))
  best = dict.fromkeys(compiled, float("inf"))
  for _ in range(num_rounds):
    for name, (function, args, num_steps) in compiled.items():
      start = time.perf_counter()
      jax.block_until_ready(function(*args))
      seconds = time.perf_counter() - start
      best[name] = min(best[name], seconds / num_steps * 1e6)
  return best


def time_sequence(num_units: int, num_rounds: int) -> dict[str, float]:
  """Times one sequence.

  Args:
    num_units: n.
    num_rounds: how often.

  Returns:
    Microseconds per step of textbook, lazy, product and reading, and of lazy in
    a long stream.
  """
  cell, params, episode = setup(num_units)
  stream = setup(num_units, _LONG_STEPS)[-1]
  influence = jnp.ones((num_units, params["cell"].size))
  matrix = params["cell"][:, :num_units]
  lazy = gradient_fn(cell, _FLUSH_EVERY[num_units])
  functions = {
    "textbook": (gradient_fn(cell, 1), (params, *episode), _NUM_STEPS),
    "lazy": (lazy, (params, *episode), _NUM_STEPS),
    "long": (lazy, (params, *stream), _LONG_STEPS),
    "product": (product, (matrix, influence), _NUM_STEPS),
    "reading": (reading, (matrix[0], influence), _NUM_STEPS),
  }
  return best_microseconds(functions, num_rounds)


def time_batch(num_rounds: int) -> dict[str, float]:
  """Times a batch of sequences under `jax.vmap`.

  Args:
    num_rounds: how often.

  Returns:
    Microseconds per step of the whole batch, textbook and lazy.
  """
  cell, params, episode = setup(_BATCH_UNITS)
  keys = jax.random.split(jax.random.key(1), _BATCH_SIZE)
  xs = jax.vmap(lambda k: jax.random.normal(k, episode[0].shape))(keys)
  ys = jnp.broadcast_to(episode[1], (_BATCH_SIZE, *episode[1].shape))
  return best_microseconds(
    {
      name: (
        jax.vmap(gradient_fn(cell, flush_every), (None, 0, 0)),
        (params, xs, ys),
        _NUM_STEPS,
      )
      for name, flush_every in (
        ("textbook", 1),
        ("lazy", _FLUSH_EVERY[_BATCH_UNITS]),
      )
    },
    num_rounds,
  )


def _verdict(value: float, target: float, *, at_least: bool) -> str:
  sign = ">=" if at_least else "<="
  met = value >= target if at_least else value <= target
  return f"{value:.2f} ({sign} {target:g}: {'yes' if met else 'NO'})"


def _num_params(num_units):
  return num_units * (num_units + _NUM_INPUTS + 1)


def _column(num_units: int, num_rounds: int) -> dict[str, str]:
  """Times one n and words the figures."""
  best = time_sequence(num_units, num_rounds)
  ratio = best["textbook"] / best["lazy"]
  over_product = best["textbook"] / best["product"]
  return {
    "textbook RTRL": f"{best['textbook']:.0f}",
    "lazy RTRL": f"{best['lazy']:.0f} (F = {_FLUSH_EVERY[num_units]})",
    "textbook / lazy": _verdict(ratio, _TARGETS[num_units], at_least=True),
    f"lazy, T = {_LONG_STEPS}": f"{best['long']:.0f}",
    f"textbook / lazy, T = {_LONG_STEPS}": (
      f"{best['textbook'] / best['long']:.2f}"
    ),
    "limit of textbook: product": f"{best['product']:.0f}",
    "textbook / product": _verdict(
      over_product, _PRODUCT_TARGET, at_least=False
    )
    if num_units == _PRODUCT_UNITS
    else f"{over_product:.2f}",
    "limit of lazy: reading J": f"{best['reading']:.0f}",
    f"lazy, T = {_LONG_STEPS} / reading J": (
      f"{best['long'] / best['reading']:.1f}"
    ),
    "J in MB": f"{4e-6 * num_units * _num_params(num_units):.1f}",
  }


def main(argv: Sequence[str]) -> None:
  """Times and prints.

  Args:
    argv: the command line, of which nothing is left after the flags.
  """
  if len(argv) > 1:
    raise app.UsageError(f"expected no arguments, got {argv[1:]}")
  console = rich_console.Console()
  console.print(
    "Microseconds per step, one sequence. What limits textbook RTRL is the "
    "product of n x n by n x P; what limits lazy RTRL is reading the n x P "
    "numbers of J once. In its first F steps J is zero and not read, and the "
    f"first flush is without the product: an episode of {_NUM_STEPS} steps "
    "costs less a step than a long stream."
  )
  units = list(map(int, flags.FLAGS.units))
  columns = []
  for num_units in units:
    with console.status(f"timing n = {num_units}"):
      columns.append(_column(num_units, flags.FLAGS.rounds))
  table = rich_table.Table("", *(f"n = {n}" for n in units))
  for name in columns[0]:
    table.add_row(name, *(column[name] for column in columns))
  console.print(table)
  with console.status(f"timing a batch of {_BATCH_SIZE}"):
    best = time_batch(flags.FLAGS.rounds)
  ratio = best["textbook"] / best["lazy"]
  console.print(
    f"A batch of {_BATCH_SIZE} at n = {_BATCH_UNITS}: textbook "
    f"{best['textbook']:.0f} us, lazy {best['lazy']:.0f} us a step, ratio "
    + _verdict(ratio, _BATCH_TARGET, at_least=True)
  )
  data_dir, num_epochs = flags.FLAGS.data_dir, flags.FLAGS.epochs
  with console.status(f"training for {num_epochs} epochs"):
    best = bench_seeds.compare(data_dir, num_epochs)
  ratio = best["float64"].wall / best["together"].wall
  console.print(bench_seeds.table(best))
  console.print(
    f"Trained for {num_epochs} epochs on "
    f"{'MNIST' if data_dir else 'random images, no --data_dir being given'}. "
    f"Nielsen's loop over ours, by the clock, {os.cpu_count()} processors: "
    + _verdict(ratio, bench_seeds.TARGET, at_least=True)
  )


if __name__ == "__main__":
  flags.DEFINE_integer("rounds", 7, "How often each is timed.", lower_bound=1)
  flags.DEFINE_multi_enum(
    "units",
    [str(n) for n in _FLUSH_EVERY],
    [str(n) for n in _FLUSH_EVERY],
    "Which n to time; may be given several times.",
  )
  flags.DEFINE_integer(
    "epochs", 30, "Epochs the seeds are trained for.", lower_bound=1
  )
  flags.DEFINE_string("data_dir", "", "Folder with MNIST, or random images.")
  app.run(main)
