"""Does truncating a gradient to n steps make an RNN an n-gram model?

Every model reads one stream of characters once, predicts each from those
before it and learns at once: a tanh layer over the last n characters (the
n-gram model), trained with plain SGD as the sheet says; a tanh RNN with its
gradient cut at n steps, once with an update every n characters (TBPTT(n)) and
once with one every character (BPTT(1, n)); and the same RNN with the exact
online gradient (RTRL). The RNNs have Adam, by which an n-gram model would gain
less than 0.03 bits. Two kinds of text: English, and blocks such as (abcda)
whose brackets match over a gap of L characters, for which the least that any
model of n < L characters needs is known in closed form.

  python -m experiments.rtrl_vs_tbptt.language_model --config.num_units=48
  python -m experiments.rtrl_vs_tbptt.language_model --config.text_path=A.txt

takes a minute; --full 20 minutes. Expect, in bits per character, parameters
fixed after training:

                                n = 1   n = 4   RTRL   entropy
  brackets, L = 4   n-gram       2.16    1.41           1.40
                    floor        2.15    1.40
                    TBPTT(n)     1.49    1.41   1.40
                    BPTT(1, n)   1.49    1.40
  brackets, L = 8   n-gram       2.25    2.16           1.67
                    floor        2.24    2.14
                    TBPTT(n)     1.97    1.85   1.79
  English           n-gram       3.65    3.22
                    floor        3.40
                    TBPTT(n)     3.37    3.29   3.31

So truncation does not make an n-gram model, in theory or in practice: the state
still carries what lies beyond n, and even TBPTT(1), which never learns what to
keep, uses it. But that memory is one of chance. It fades with the distance,
and only the exact gradient learns to keep a bracket for long. English of this
length holds little that so small an RNN finds beyond a few characters; there
the n-gram model, with weights of its own for each place, overtakes it as n
grows.
"""

from experiments import study
from experiments.rtrl_vs_tbptt.language_model import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="No: its state carries what no gradient reaches; but what it keeps by "
  "chance fades with the distance, and only the exact gradient learns to keep.",
  caption="Held-out bits per character against n, for English and for brackets "
  "that match over two distances: n-gram models, recurrent networks with a "
  "truncated and with the exact gradient, and the least that any model of n "
  "characters needs.",
  full=run.Config(
    num_units=64,
    num_symbols=48,
    windows=(1, 2, 4, 8, 16),
    gaps=(6, 12),
    num_steps=128_000,
    num_held_out=20_000,
    num_seeds=6,
    learning_rate=0.002,
    flush_every=32,
  ),
)
