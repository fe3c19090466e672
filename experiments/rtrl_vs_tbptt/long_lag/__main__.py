"""The study's command line."""

from experiments import cli
from experiments.rtrl_vs_tbptt.long_lag import STUDY

cli.main(STUDY)
