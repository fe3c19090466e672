"""The studies of the report, in the order in which they are shown."""

import difflib

MODULES = (
  "experiments.textbook.perceptrons",
  "experiments.textbook.xor",
  "experiments.textbook.digit_codes",
  "experiments.textbook.backpropagation",
  "experiments.textbook.learning_slowdown",
  "experiments.textbook.linear_networks",
  "experiments.textbook.universal_approximation",
  "experiments.textbook.nielsen_mnist",
  "experiments.softmax_temperature.limit",
  "experiments.softmax_temperature.calibration",
  "experiments.gradient_flow.deep_linear",
  "experiments.gradient_flow.activations",
  "experiments.gradient_flow.mean_field",
  "experiments.gradient_flow.isometry",
  "experiments.gradient_flow.layers",
  "experiments.gradient_flow.recurrent",
  "experiments.rtrl_vs_tbptt.exactness",
  "experiments.rtrl_vs_tbptt.alignment",
  "experiments.rtrl_vs_tbptt.deep_online",
  "experiments.rtrl_vs_tbptt.variance",
  "experiments.rtrl_vs_tbptt.influence_balancing",
  "experiments.rtrl_vs_tbptt.forward_errors",
  "experiments.rtrl_vs_tbptt.delayed_addition",
  "experiments.rtrl_vs_tbptt.long_lag",
  "experiments.rtrl_vs_tbptt.copy_curriculum",
  "experiments.rtrl_vs_tbptt.elstm_copy",
  "experiments.rtrl_vs_tbptt.is_rtrl_needed",
  "experiments.rtrl_vs_tbptt.murray",
  "experiments.rtrl_vs_tbptt.rflo_rank",
  "experiments.rtrl_vs_tbptt.language_model",
  "experiments.rtrl_vs_tbptt.cost",
)
# Those that take longest. They are started first: for one that is started last
# all wait, on one core of many.
DEAREST = (
  "experiments.rtrl_vs_tbptt.language_model",
  "experiments.rtrl_vs_tbptt.alignment",
  "experiments.gradient_flow.recurrent",
)


def name_of(module: str) -> str:
  """Returns what a user calls a study: its path in experiments/."""
  return module.removeprefix("experiments.").replace(".", "/")


def matching(part: str) -> list[str]:
  """Returns the modules of the studies whose name contains a part.

  Args:
    part: of "<question>/<study>", or of the module's name.

  Raises:
    ValueError: if there is none, with the nearest name.
  """
  part = part.replace(".", "/").removeprefix("experiments/")
  modules = [m for m in MODULES if part in name_of(m)]
  if not modules:
    names = [name_of(m) for m in MODULES]
    names += [name.split("/")[1] for name in names]
    near = difflib.get_close_matches(part, names, n=1, cutoff=0.5)
    hint = "launch.reproduce --list prints all."
    hint = f"did you mean {near[0]}?" if near else hint
    raise ValueError(f"no study's name contains {part!r}; {hint}")
  return modules


def find(name: str) -> str:
  """Returns the module of the one study that is meant by a name.

  Args:
    name: "<question>/<study>", or a part of it that no other study has.

  Raises:
    ValueError: if there is none or several.
  """
  found = matching(name)
  exact = [
    m for m in found if name in (m, name_of(m), name_of(m).split("/")[1])
  ]
  if len(exact or found) > 1:
    names = ", ".join(map(name_of, found))
    raise ValueError(f"expected the name of one study, got {name!r}: {names}")
  return (exact or found)[0]
