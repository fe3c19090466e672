"""Recurrent cells."""

from nnfun.cells.elstm import ELSTMState as ELSTMState
from nnfun.cells.elstm import elstm as elstm
from nnfun.cells.from_linen import from_linen as from_linen
from nnfun.cells.gru import gru as gru
from nnfun.cells.gru import gru_original as gru_original
from nnfun.cells.indrnn import indrnn as indrnn
from nnfun.cells.linear import linear as linear
from nnfun.cells.lru import lru as lru
from nnfun.cells.lstm import LSTMGates as LSTMGates
from nnfun.cells.lstm import LSTMState as LSTMState
from nnfun.cells.lstm import gates as gates
from nnfun.cells.lstm import lstm as lstm
from nnfun.cells.mgu import mgu as mgu
from nnfun.cells.sparse import sparse as sparse
from nnfun.cells.stack import stack as stack
from nnfun.cells.vanilla import vanilla as vanilla
