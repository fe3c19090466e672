"""What is compared: a line for each estimator."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import nnfun as nf
from experiments.rtrl_vs_tbptt.alignment import readings

_estimators = nf.estimators
_DENSE = readings.VANILLA, readings.LSTM
_WHOLE = 0  # The segment is the episode.
_SIGMA = 1e-3  # Of the noise of evolution strategies: a hundredth of a weight.


class Method(NamedTuple):
  """An estimator, and where it is tried."""

  make: Callable[..., nf.base.GradientEstimator]  # Of a cell and a loss.
  is_random: bool = False
  cells: tuple[str, ...] = (readings.VANILLA,)
  segment: int = 1  # Steps between two gradients; 0 for the whole episode.


def _random(make, cells=(readings.VANILLA,), **options):
  return Method(functools.partial(make, **options), True, cells)


def _fixed(make, cells=(readings.VANILLA,), segment=1, **options):
  return Method(functools.partial(make, **options), False, cells, segment)


TABLE = {
  readings.RTRL: _fixed(_estimators.rtrl, flush_every=1),
  readings.LAZY: _fixed(_estimators.rtrl, flush_every=5),
  **{
    readings.bptt(1, k): _fixed(_estimators.rolling_bptt, _DENSE, window=k)
    for k in readings.WINDOWS
  },
  readings.ADAPTIVE: _fixed(_estimators.adaptive_bptt, tolerance=0.2),
  readings.bptt(10, 10): _fixed(_estimators.truncated_bptt, segment=10),
  readings.snap(1): _fixed(
    _estimators.snap, (*_DENSE, readings.SPARSE), order=1
  ),
  # A dense network reaches everything in two steps.
  readings.snap(2): _fixed(
    _estimators.snap, (readings.VANILLA, readings.SPARSE), order=2
  ),
  readings.snap(3): _fixed(_estimators.snap, (readings.SPARSE,), order=3),
  readings.SKETCH: _fixed(_estimators.sketched_rtrl, rank=4),
  readings.RFLO: _fixed(
    _estimators.rflo, _DENSE, decay=0.5, feedback="symmetric"
  ),
  readings.EPROP: _fixed(_estimators.eprop, _DENSE, feedback="symmetric"),
  readings.RANDOM_EPROP: _random(_estimators.eprop, _DENSE, feedback="random"),
  readings.LAYERWISE: _fixed(
    _estimators.layerwise_diagonal_rtrl, (readings.LAYERS,)
  ),
  readings.UORO: _random(_estimators.uoro, _DENSE, rank=1),
  readings.UORO_COPIES: _random(_estimators.uoro, rank=readings.UORO_RANK),
  readings.KF: _random(_estimators.kf_rtrl),
  readings.OK: _random(_estimators.ok_rtrl, rank=1),
  readings.OK_MORE: _random(_estimators.ok_rtrl, rank=4),
  readings.KTP: _random(_estimators.ktp_rtrl, rank=4),
  readings.ARTBP: _random(_estimators.artbp, stop_probability=0.1)._replace(
    segment=_WHOLE
  ),
  readings.PES: _random(_estimators.pes, num_pairs=1, sigma=_SIGMA),
  # ES-Single is the same by another name.
  readings.NRES: _random(_estimators.nres, num_pairs=1, sigma=_SIGMA),
  readings.TRUNCATED_ES: _random(
    _estimators.truncated_es, num_pairs=1, sigma=_SIGMA
  ),
}

# Left out of a quick run: they cost too much, or say what others say too.
_DEAR = (
  readings.LAZY,
  readings.ADAPTIVE,
  readings.bptt(10, 10),
  readings.OK_MORE,
  readings.KTP,
  readings.TRUNCATED_ES,
  readings.LAYERWISE,
)
QUICK = tuple(name for name in TABLE if name not in _DEAR)
