"""How well can a network approximate a function, and at what cost?

Exercises on chapter 4 of Nielsen's book build networks of steps, bumps and
towers by hand; a problem sheet does it with ReLUs and asks what no such network
can do; Telgarsky and Yarotsky say that depth helps. Here every network is built
and measured. What a student should take from it:

- One hidden layer suffices, and existence is not a matter of belief: given f,
  its modulus of continuity and eps, `constructions.approximate` returns a
  network with a proof that it is within eps, for Weierstrass's function too.
- What it costs depends on f: N ReLUs leave max|f''| / 8 N^2 of a smooth
  function, N bumps max|f'| / 2N, and 256 ReLUs are needed for Weierstrass's
  sum within a tenth.
- Sums of towers are not uniformly close: where four cells meet the network is
  0, whatever f is. The proof by pictures passes over this.
- Depth: m layers of three ReLUs do for x^2 what 2^m ReLUs do in one layer.
- That a network exists does not say that it is found: trained networks come
  closer with more neurons, but with 50 ReLUs they are nine times as far from f
  as the designed network of the same size.
- One layer of N ReLUs is linear beyond its last kink and changes sign at most
  N + 1 times: it cannot detect the primes.

  python -m experiments.textbook.universal_approximation

takes 20 seconds (--full: five minutes). Numbers to expect: errors of 0.242 with
10 bumps and 0.0689 with 50; with 50 ReLUs 0.0077 by design and 0.07 trained.

Departures from the sources: neighbouring bumps share the step between them; the
outermost steps stand outside the interval, so that the network is not half as
high at its ends; Nielsen's target is taken on [0, 1], which the exercises leave
open. They print, for m variables, a bias that fails for every m, and "between h
and h" for between h and 2h.
"""

from experiments import study
from experiments.textbook.universal_approximation import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="As well as wanted with one hidden layer, at a cost that its slope "
  "and curvature set and that depth can save; training finds less.",
  caption="One sigmoid neuron steps up, the steeper the larger its weight w; "
  "two make a bump; two ReLUs make the ramp of the problem sheet. Nielsen's f "
  "by sums of bumps, and the largest error with so many bumps or ReLUs, "
  "designed and trained. A tower over a rectangle. How many ReLUs a certified "
  "error takes, and what depth saves.",
  full=run.Config(
    num_bumps=(10, 20, 50, 100, 200, 500),
    num_cells=(4, 8, 16, 32),
    eps=(0.3, 0.1, 0.03, 0.02),
    num_pieces=(8, 16, 32, 64, 128, 256, 512, 1024),
    widths=(1, 2, 10, 100, 1000),
    folds=(1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
    trained_widths=(10, 50, 250),
    learning_rates=(1e-3, 3e-3, 1e-2, 3e-2),
    num_epochs=20000,
    num_seeds=16,
  ),
)
