"""The study's command line."""

from experiments import cli
from experiments.softmax_temperature.calibration import STUDY

cli.main(STUDY)
