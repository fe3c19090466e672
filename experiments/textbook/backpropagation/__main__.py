"""The study's command line."""

from experiments import cli
from experiments.textbook.backpropagation import STUDY

cli.main(STUDY)
