"""The study's command line."""

from experiments import cli
from experiments.rtrl_vs_tbptt.is_rtrl_needed import STUDY

cli.main(STUDY)
