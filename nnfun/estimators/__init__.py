"""Estimators of d loss / d params along a sequence."""

from nnfun.estimators.adaptive_bptt import adaptive_bptt as adaptive_bptt
from nnfun.estimators.artbp import artbp as artbp
from nnfun.estimators.cotangents import cotangent_loss as cotangent_loss
from nnfun.estimators.cotangents import feedback_readout as feedback_readout
from nnfun.estimators.diagonal_rtrl import diagonal_rtrl as diagonal_rtrl
from nnfun.estimators.eprop import eprop as eprop
from nnfun.estimators.evolution_strategies import es_single as es_single
from nnfun.estimators.evolution_strategies import nres as nres
from nnfun.estimators.evolution_strategies import pes as pes
from nnfun.estimators.evolution_strategies import truncated_es as truncated_es
from nnfun.estimators.forward_errors import forward_errors as forward_errors
from nnfun.estimators.kf_rtrl import kf_rtrl as kf_rtrl
from nnfun.estimators.ktp_rtrl import ktp_rtrl as ktp_rtrl
from nnfun.estimators.layerwise_diagonal_rtrl import (
  layerwise_diagonal_rtrl as layerwise_diagonal_rtrl,
)
from nnfun.estimators.ok_rtrl import ok_rtrl as ok_rtrl
from nnfun.estimators.rflo import rflo as rflo
from nnfun.estimators.rolling_bptt import rolling_bptt as rolling_bptt
from nnfun.estimators.rtrl import rtrl as rtrl
from nnfun.estimators.segment import estimator as estimator
from nnfun.estimators.segment import from_influence as from_influence
from nnfun.estimators.sketched_rtrl import sketched_rtrl as sketched_rtrl
from nnfun.estimators.snap import snap as snap
from nnfun.estimators.truncated_bptt import truncated_bptt as truncated_bptt
from nnfun.estimators.uoro import uoro as uoro
