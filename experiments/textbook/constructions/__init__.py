"""Networks whose weights are designed, not trained, for `nnfun.mlp`."""

from experiments.textbook.constructions.digit_codes import (
  ZERO_FIRST as ZERO_FIRST,
)
from experiments.textbook.constructions.digit_codes import (
  ZERO_LAST as ZERO_LAST,
)
from experiments.textbook.constructions.digit_codes import bits as bits
from experiments.textbook.constructions.digit_codes import one_hot as one_hot
from experiments.textbook.constructions.digit_codes import (
  one_hot_to_bits as one_hot_to_bits,
)
from experiments.textbook.constructions.relu_interpolation import (
  approximate as approximate,
)
from experiments.textbook.constructions.relu_interpolation import (
  interpolate as interpolate,
)
from experiments.textbook.constructions.relu_interpolation import ramp as ramp
from experiments.textbook.constructions.relu_pieces import (
  num_sign_changes as num_sign_changes,
)
from experiments.textbook.constructions.relu_pieces import pieces as pieces
from experiments.textbook.constructions.sawtooth import sawtooth as sawtooth
from experiments.textbook.constructions.sawtooth import square as square
from experiments.textbook.constructions.sigmoids import step as step
from experiments.textbook.constructions.sigmoids import step_sum as step_sum
from experiments.textbook.constructions.sigmoids import tower as tower
from experiments.textbook.constructions.sigmoids import tower_sum as tower_sum
