"""What a user would take instead, where it is installed.

PyTorch's own layers for back-propagation; for RTRL of the vanilla cell, which
PyTorch does not have, the recursion written with `torch.bmm`; and braintrace,
whose SnAp of order 2 keeps all of J where every unit reads every other one.
"""

import importlib
import importlib.metadata
import os
import warnings
from collections.abc import Iterator

import jax

from benchmarks import problems, programs, with_braintrace, with_torch

TORCH_RTRL, BRAINTRACE = "torch.bmm RTRL", "braintrace SnAp(2)"
# What braintrace takes for a step, measured in those of the textbook's model;
# it decides how long a call is.
_BRAINTRACE_FACTOR = 4.0


def torch_bptt_name(cell_name: str) -> str:
  """Returns the name of a PyTorch layer.

  Args:
    cell_name: a key of `with_torch.LAYERS`.

  Returns:
    Its name in tables.
  """
  return f"torch.nn.{with_torch.LAYERS[cell_name]}"


def others(
  problem: problems.Problem, regime: str
) -> Iterator[programs.Program | programs.Skipped]:
  """Yields what there is for a cell in a regime.

  Args:
    problem: the network and its stream.
    regime: one of `programs.REGIMES`.

  Yields:
    Programs, or why one is left out.
  """
  seconds = programs.textbook_seconds(problem)
  num_bytes = 2 * programs.influence_bytes(problem)
  if regime == "sequence":
    if problem.cell_name in with_torch.LAYERS:
      yield _with_torch(
        torch_bptt_name(problem.cell_name),
        lambda torch: with_torch.bptt(torch, problem),
        check_steps=programs.SEQUENCE_STEPS,
      )
    return
  if problem.cell_name != "vanilla":
    return
  yield _with_torch(
    TORCH_RTRL,
    lambda torch: with_torch.rtrl(torch, problem, regime),
    plan_seconds=seconds,
    num_bytes=num_bytes,
  )
  braintrace = _module(BRAINTRACE, "braintrace")
  if isinstance(braintrace, programs.Skipped):
    yield braintrace
  elif problem.batch_size > 1:
    yield programs.Skipped(BRAINTRACE, "only one stream is compared with it")
  else:
    yield programs.Program(
      BRAINTRACE,
      *with_braintrace.rtrl(braintrace, problem, regime),
      plan_seconds=_BRAINTRACE_FACTOR * seconds,
      num_bytes=num_bytes,
      note="first call compiles twice",
    )


def versions() -> dict[str, str]:
  """Returns the versions of what is compared with, where installed.

  Returns:
    By name, of the distributions.
  """
  found = {}
  for name in ("torch", "braintrace", "brainstate"):
    try:
      found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
      continue
  return found


def _module(name, module):
  """An imported module, or why not."""
  try:
    with warnings.catch_warnings():
      warnings.simplefilter("ignore")
      return importlib.import_module(module)
  except ModuleNotFoundError as error:
    missing = error.name or module
    of = "" if missing == module else f", which {module} needs,"
    return programs.Skipped(name, f"{missing}{of} is not installed")
  except Exception as error:
    return programs.Skipped(name, f"{module} cannot be imported: {error}")


def _with_torch(name, make, **settings):
  """A program of PyTorch, with its own float32, or why not."""
  # Threads that spin while they wait take the cores from those of JAX.
  os.environ.setdefault("OMP_WAIT_POLICY", "passive")
  torch = _module(name, "torch")
  if isinstance(torch, programs.Skipped):
    return torch
  if jax.default_backend() != "cpu" and not torch.cuda.is_available():
    return programs.Skipped(name, "torch sees no accelerator")
  torch.backends.cudnn.allow_tf32 = False
  return programs.Program(name, *make(torch), **settings)
