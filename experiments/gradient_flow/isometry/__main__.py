"""The study's command line."""

from experiments import cli
from experiments.gradient_flow.isometry import STUDY

cli.main(STUDY)
