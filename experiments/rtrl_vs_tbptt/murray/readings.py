"""What the author's notebook prints of one seed."""

BPTT, RFLO = 2.316e-4, 1.519e-4  # Final losses.
NUM_TRIALS = 10_000
