"""What the lecture notes on XOR print, in section 1.4.

A network of two inputs, two hidden units and one output is [3, 3]: a unit a
row, W above U, and its bias in the last column, as the notes write it.
"""

import numpy as np

# In the order of the table; equation 1.2 gives the targets.
PATTERNS = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
TARGETS = np.array([1.0, 0.0, 1.0, 0.0])

# Kinds of networks which are trained.
RELU, LINEAR, LEAKY = (
  "ReLU (the notes)",
  "ReLU, linear output",
  "leaky ReLU, linear output",
)

PRINTED = np.array([[3.0, 4.0, 2.0], [2.0, 3.0, 4.0], [5.0, 5.0, 2.0]])
# The signs that reproduce the table.
SIGNED = PRINTED * [[1, 1, -1], [1, 1, -1], [1, -1, -1]]
# Equations 1.26 and 1.27.
TRAINED = np.array(
  [
    [1.52183263, 1.55282077, -1.55282077],
    [1.0637993, 1.0637993, 0.39200322],
    [-1.31420497, 0.94002694, -0.36849359],
  ]
)
# Columns h_0, h_1, y.
TABLE = np.array(
  [
    [0.731, 0.119, 0.743],
    [0.119, 0.018, 0.183],
    [0.881, 0.269, 0.743],
    [0.993, 0.731, 0.334],
  ]
)
