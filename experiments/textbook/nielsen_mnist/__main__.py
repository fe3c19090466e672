"""The study's command line."""

from experiments import cli
from experiments.textbook.nielsen_mnist import STUDY

cli.main(STUDY)
