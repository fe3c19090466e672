"""The study's command line."""

from experiments import cli
from experiments.textbook.xor import STUDY

cli.main(STUDY)
