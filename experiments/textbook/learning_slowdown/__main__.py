"""The study's command line."""

from experiments import cli
from experiments.textbook.learning_slowdown import STUDY

cli.main(STUDY)
