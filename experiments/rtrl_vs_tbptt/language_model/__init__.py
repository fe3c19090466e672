"""Does truncating a gradient to n steps make an RNN an n-gram model?

Every model reads one stream of characters once, predicts each from those
before it and learns at once: a tanh layer over the last n characters (the
n-gram model), trained with plain SGD as the sheet says; a tanh RNN with its
gradient cut at n steps, once with an update every n characters (TBPTT(n)) and
once with one every character (BPTT(1, n)); the same RNN with the exact online
gradient (RTRL) and with approximations of it (SnAp-1, UORO, e-prop), all RNNs
with Adam; and eLSTM and LRU, whose exact gradient costs no more than their
parameters. Two kinds of text: English, and blocks such as (abcda) whose
brackets match over a gap of L characters, for which the least that any model of
n < L characters needs is known.

  python -m experiments.rtrl_vs_tbptt.language_model --config.text_path=A.txt

takes 50 seconds; --full half an hour, which is an estimate. Expect, in held-out
bits per character with n = 1: on brackets with L = 4 the n-gram model 2.16,
just above its floor of 2.15, TBPTT(1) 1.46 and RTRL 1.41; on English 3.64, 3.36
and 3.30. With L = 8 RTRL ends at 1.79, SnAp-1, UORO and e-prop between 1.9 and
2.0, eLSTM and LRU at 1.67, the entropy; on English SnAp-1 3.35 and UORO 3.73.

So truncation does not make an n-gram model: the state carries what lies beyond
n. But that memory is one of chance: over a long gap the exact gradient needs
fewer bits than TBPTT of a quarter of it. On English the n-gram model, with
weights of its own for each place, overtakes so small an RNN as n grows.
"""

from experiments import study
from experiments.rtrl_vs_tbptt.language_model import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="No: its state carries what no gradient reaches; but over a long gap "
  "the exact gradient keeps more than chance does.",
  equation=r"-\frac{1}{T} \sum_{t=1}^{T} \log_2 p(x_t \mid x_{t-n}, \ldots, "
  r"x_{t-1})",
  caption="Held-out bits per character against n, for English and for brackets "
  "that match over two distances: n-gram models, recurrent networks with a "
  "truncated, the exact and approximate gradients, diagonal ones with the "
  "exact one, and the least that any model of n characters needs.",
  full=run.Config(
    num_units=64,
    num_symbols=48,
    windows=(1, 2, 4, 8, 16),
    gaps=(6, 12),
    num_steps=128_000,
    num_seeds=6,
  ),
)
