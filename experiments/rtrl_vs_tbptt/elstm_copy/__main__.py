"""The study's command line."""

from experiments import cli
from experiments.rtrl_vs_tbptt.elstm_copy import STUDY

cli.main(STUDY)
