"""nnfun: how a gradient travels through a network, and what it costs."""

from nnfun import activations as activations
from nnfun import base as base
from nnfun import calibration as calibration
from nnfun import cells as cells
from nnfun import data as data
from nnfun import depth as depth
from nnfun import diagnostics as diagnostics
from nnfun import estimators as estimators
from nnfun import initializers as initializers
from nnfun import loops as loops
from nnfun import losses as losses
from nnfun import minibatch as minibatch
from nnfun import mlp as mlp
from nnfun import numerics as numerics
from nnfun import regularizers as regularizers
from nnfun import sparsity as sparsity
from nnfun import tasks as tasks
from nnfun import theory as theory
from nnfun import training as training
from nnfun import vectors as vectors
from nnfun.base import AffineCell as AffineCell
from nnfun.base import Cell as Cell
from nnfun.base import DiagonalCell as DiagonalCell
from nnfun.base import Episode as Episode
from nnfun.base import Estimate as Estimate
from nnfun.base import GradientEstimator as GradientEstimator
from nnfun.base import Influence as Influence
from nnfun.base import StackedCell as StackedCell
from nnfun.base import Target as Target
from nnfun.base import Task as Task

__version__ = "0.2.0"
