"""Estimators of d loss / d params along a sequence."""

from nnfun.estimators.cotangents import cotangent_loss as cotangent_loss
from nnfun.estimators.cotangents import feedback_readout as feedback_readout
from nnfun.estimators.diagonal_rtrl import diagonal_rtrl as diagonal_rtrl
from nnfun.estimators.rolling_bptt import rolling_bptt as rolling_bptt
from nnfun.estimators.rtrl import rtrl as rtrl
from nnfun.estimators.segment import estimator as estimator
from nnfun.estimators.segment import from_influence as from_influence
from nnfun.estimators.truncated_bptt import truncated_bptt as truncated_bptt
