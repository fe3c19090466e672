"""How close does each estimator come to the exact gradient?

Networks are trained with the exact gradient. At the same points along the way
every estimator gives a gradient at each step of one episode; their sum over the
cell's parameters (those of the readout are exact for all but evolution
strategies) is compared with back-propagation through the whole episode: the
cosine of the two, the bias of the mean, the distance of one estimate.

  python -m experiments.rtrl_vs_tbptt.alignment

takes a minute (--full, all estimators, cells, tasks and times at n = 64: ten
minutes of one core). Expect on delayed addition, from start to end of training,
cosines of one estimate: 1 for RTRL; with bias 0.96 to 0.86 for BPTT(1, 4) and
0.68 to 0.44 for SnAp-1; without 0.98 to 0.91 for ARTBP, 0.83 to 0.49 for
KF-RTRL, 0.28 to 0.11 for UORO and 0.02 to 0.03 for NRES. That task is
learned. Copying over 40 steps and adding over 50 are not, and stand for
networks that have moved only.
"""

from experiments import study
from experiments.rtrl_vs_tbptt.alignment import (
  claims,
  figure,
  methods,
  problems,
  readings,
  run,
)

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="A window that holds the delays is nearly exact; what has no bias "
  "pays with noise, from little (OK) to far more than the gradient (PES).",
  equation=r"\cos \angle(g, \nabla L), \quad "
  r"\frac{|\mathrm{E} g - \nabla L|}{|\nabla L|}, \quad "
  r"\frac{\sqrt{\mathrm{E} |g - \nabla L|^2}}{|\nabla L|}",
  caption="For each task the cosine of one estimate with the exact gradient, "
  "mean over networks, along training with the exact gradient. Last panel: "
  "bias (without what chance adds; the lowest are that or less) and rms "
  "distance of one estimate, both by the norm of the exact gradient.",
  full=run.Config(
    cells=(*run.Config.cells, readings.LSTM, readings.LAYERS),
    tasks=tuple(problems.TASKS),
    estimators=tuple(methods.TABLE),
    num_units=64,
    checkpoints=(0, 50, 100, 200, 400),
    batch_size=8,
    num_keys=64,
  ),
)
