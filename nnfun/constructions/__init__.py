"""Networks whose weights are designed, not trained, for `nnfun.mlp`."""

from nnfun.constructions.digit_codes import NUM_BITS as NUM_BITS
from nnfun.constructions.digit_codes import ZERO_FIRST as ZERO_FIRST
from nnfun.constructions.digit_codes import ZERO_LAST as ZERO_LAST
from nnfun.constructions.digit_codes import bits as bits
from nnfun.constructions.digit_codes import one_hot as one_hot
from nnfun.constructions.digit_codes import one_hot_to_bits as one_hot_to_bits
from nnfun.constructions.relu_interpolation import (
  Approximation as Approximation,
)
from nnfun.constructions.relu_interpolation import approximate as approximate
from nnfun.constructions.relu_interpolation import interpolate as interpolate
from nnfun.constructions.relu_interpolation import (
  interpolate_function as interpolate_function,
)
from nnfun.constructions.relu_interpolation import ramp as ramp
from nnfun.constructions.relu_pieces import Pieces as Pieces
from nnfun.constructions.relu_pieces import num_sign_changes as num_sign_changes
from nnfun.constructions.relu_pieces import pieces as pieces
from nnfun.constructions.sawtooth import sawtooth as sawtooth
from nnfun.constructions.sawtooth import square as square
from nnfun.constructions.steps import bump as bump
from nnfun.constructions.steps import bump_sum as bump_sum
from nnfun.constructions.steps import step as step
from nnfun.constructions.steps import step_sum as step_sum
from nnfun.constructions.towers import tower as tower
from nnfun.constructions.towers import tower_bias as tower_bias
from nnfun.constructions.towers import tower_sum as tower_sum
