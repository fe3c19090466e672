"""The studies of the report, in the order in which they are shown."""

MODULES = (
  "experiments.textbook.xor",
  "experiments.softmax_temperature.limit",
  "experiments.softmax_temperature.calibration",
  "experiments.gradient_flow.deep_linear",
  "experiments.rtrl_vs_tbptt.exactness",
  "experiments.rtrl_vs_tbptt.influence_balancing",
  "experiments.rtrl_vs_tbptt.delayed_addition",
  "experiments.rtrl_vs_tbptt.murray",
  "experiments.rtrl_vs_tbptt.language_model",
  "experiments.rtrl_vs_tbptt.cost",
)
