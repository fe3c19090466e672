"""The study's command line."""

from experiments import cli
from experiments.rtrl_vs_tbptt.alignment import STUDY

cli.main(STUDY)
