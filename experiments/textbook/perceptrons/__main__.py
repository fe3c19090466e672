"""The study's command line."""

from experiments import cli
from experiments.textbook.perceptrons import STUDY

cli.main(STUDY)
