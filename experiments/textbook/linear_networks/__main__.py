"""The study's command line."""

from experiments import cli
from experiments.textbook.linear_networks import STUDY

cli.main(STUDY)
