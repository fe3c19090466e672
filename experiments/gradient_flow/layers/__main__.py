"""The study's command line."""

from experiments import cli
from experiments.gradient_flow.layers import STUDY

cli.main(STUDY)
