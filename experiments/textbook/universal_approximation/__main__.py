"""The study's command line."""

from experiments import cli
from experiments.textbook.universal_approximation import STUDY

cli.main(STUDY)
