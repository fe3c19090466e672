"""How well can a network approximate a function, and at what cost?

Exercises build networks of steps, bumps and towers; a problem sheet does it
with ReLUs and asks what none can do; Telgarsky and Yarotsky say depth helps:

- One hidden layer suffices: given f, its modulus of continuity and eps,
  `constructions.approximate` returns a network and a proof that it is within
  eps: Weierstrass's sum takes 256 ReLUs to be within a tenth. N ReLUs leave
  max|f''| / 8 N^2 of a smooth function, N bumps max|f'| / 2N.
- Sums of towers are not uniformly close: where four cells meet the network is
  0, whatever f is. The proof by pictures passes over this.
- Depth: m layers of three ReLUs do for x^2 what 2^m ReLUs do in one layer.
- That a network exists does not say that it is found: with 50 ReLUs, trained
  networks are ten times as far from f as the designed one.
- One layer of N ReLUs is linear beyond its last kink and changes sign at most
  N + 1 times: it cannot detect the primes.

  python -m experiments.textbook.universal_approximation

takes 20 seconds. Expect errors of 0.242 with 10 bumps and 0.0689 with 50; with
50 ReLUs 0.0077 by design and 0.08 trained. Departures: bumps share the step
between them, the outermost stand outside, and Nielsen's f is taken on [0, 1].
"""

from experiments import study
from experiments.textbook.universal_approximation import claims, figure, run

STUDY = study.define(
  __name__,
  (run, claims, figure),
  question=__doc__,
  answer="As well as wanted with one hidden layer, at a cost that its slope "
  "and curvature set and that depth can save; training finds less.",
  equation=r"\Bigl|\,f(x) - \sum_{i=1}^{N} v_i\,\sigma(w_i x + b_i)\,\Bigr| "
  r"< \varepsilon",
  caption="A sigmoid neuron steps up, the steeper the larger w; two make a "
  "bump, two ReLUs the sheet's ramp. Nielsen's f by sums of bumps. A tower. "
  "What depth saves. The largest error with N bumps or ReLUs.",
  full=run.Config(
    num_bumps=(10, 20, 50, 100, 200, 500),
    eps=(0.3, 0.1, 0.03, 0.02),
    trained_widths=(10, 50, 250),
    learning_rates=(1e-3, 3e-3, 1e-2, 3e-2),
    num_epochs=20000,
    num_seeds=16,
  ),
)
