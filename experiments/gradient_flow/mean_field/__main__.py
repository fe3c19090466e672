"""The study's command line."""

from experiments import cli
from experiments.gradient_flow.mean_field import STUDY

cli.main(STUDY)
