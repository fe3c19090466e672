"""The study's command line."""

from experiments import cli
from experiments.textbook.digit_codes import STUDY

cli.main(STUDY)
