"""The study's command line."""

from experiments import cli
from experiments.rtrl_vs_tbptt.copy_curriculum import STUDY

cli.main(STUDY)
