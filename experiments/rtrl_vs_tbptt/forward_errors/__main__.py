"""The study's command line."""

from experiments import cli
from experiments.rtrl_vs_tbptt.forward_errors import STUDY

cli.main(STUDY)
