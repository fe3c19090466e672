"""The study's command line."""

from experiments import cli
from experiments.gradient_flow.deep_linear import STUDY

cli.main(STUDY)
