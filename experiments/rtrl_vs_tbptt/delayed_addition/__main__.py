"""The study's command line."""

from experiments import cli
from experiments.rtrl_vs_tbptt.delayed_addition import STUDY

cli.main(STUDY)
