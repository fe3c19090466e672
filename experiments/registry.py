"""The studies of the report, in the order in which they are shown."""

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
  "experiments.gradient_flow.layers",
  "experiments.gradient_flow.recurrent",
  "experiments.rtrl_vs_tbptt.exactness",
  "experiments.rtrl_vs_tbptt.influence_balancing",
  "experiments.rtrl_vs_tbptt.delayed_addition",
  "experiments.rtrl_vs_tbptt.murray",
  "experiments.rtrl_vs_tbptt.language_model",
  "experiments.rtrl_vs_tbptt.cost",
)
