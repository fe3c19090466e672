"""What a step of RTRL costs, and when its product pays to be put off.

A model of few numbers of a machine. It is rough, the more so where J stays in a
cache, but a step costs about the same over a wide range of periods, so that it
will do to choose one. `benchmarks` shows it beside the times.
"""

from typing import NamedTuple

from nnfun import base


class Machine(NamedTuple):
  """What limits a machine."""

  flops: float  # of large products of float32, with all its digits  [1 / s]
  bandwidth: float  # of a pass over J  [bytes / s]
  turn: float  # one small kernel after another, an entry of a tape  [s]
  decision: float  # what being lazy adds to a step beside its tape  [s]
  skips: bool  # whether entries which are not in use are passed over


# Measured: two cores of an EPYC server, and an H100 (3.06 TB / s when reading
# J at n = 1024; 12 us a turn of a scan, 1.4 to 1.9 us of an unrolled one, 8 to
# 20 us a decision of the host). Other accelerators are taken for the second.
CPU = Machine(8e10, 3e10, 3e-6, 8e-6, skips=True)
ACCELERATOR = Machine(4e13, 2.5e12, 1.5e-6, 2e-5, skips=False)


class Sizes(NamedTuple):
  """What of a recurrent network decides."""

  num_states: int  # S
  num_params: int  # P
  is_affine: bool  # whether I_u is kept in two factors
  itemsize: int  # bytes of a number


def step_seconds(sizes: Sizes, machine: Machine, flush_every: int) -> float:
  """Returns the mean time of a step of RTRL in a long stream.

  With S states, P parameters and J multiplied once in F steps,

    F = 1:  2 S^2 P flops and three passes over J
    F > 1:  (2 S^2 P flops and five passes) / F + one pass + a decision
            + 2 S^3 + 2 S P flops, of the tape multiplied out
            + F / 2 entries of S^2 numbers to go back through, F if all are.

  A step that has to be run again to be differentiated adds 6 S P flops, and
  its 4 P numbers to an entry.

  Args:
    sizes: of the network.
    machine: where it runs.
    flush_every: F.

  Returns:
    Seconds.

  Raises:
    ValueError: if F is not a positive integer.
  """
  base.check_count("flush_every", flush_every)
  s, p, is_affine, itemsize = sizes
  product = 2 * s**2 * p / machine.flops
  read = itemsize * s * p / machine.bandwidth
  if flush_every == 1:
    return product + 3 * read
  entry = itemsize * s**2
  multiplied_out = 2 * s**3 + 2 * s * p
  if not is_affine:
    entry += 4 * itemsize * p
    multiplied_out += 6 * s * p
  visited = flush_every / 2 if machine.skips else flush_every
  return (
    (product + 5 * read) / flush_every
    + read
    + machine.decision
    + multiplied_out / machine.flops
    + visited * (entry / machine.bandwidth + machine.turn)
  )


def best_flush_every(sizes: Sizes, machine: Machine) -> int:
  """Returns the F at which a step is cheapest.

  Args:
    sizes: of the network.
    machine: where it runs.

  Returns:
    1, or a power of 2 from 8 to 256 where the model says that it gains more
    than a tenth.
  """
  lazy = min(
    (2**k for k in range(3, 9)), key=lambda f: step_seconds(sizes, machine, f)
  )
  gains = step_seconds(sizes, machine, lazy) < 0.9 * step_seconds(
    sizes, machine, 1
  )
  return lazy if gains else 1
