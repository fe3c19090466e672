"""Whether there is a Slurm to test with; `.ci/slurm_one_node` starts one."""

import subprocess

from absl.testing import absltest


def require_slurm() -> None:
  """Skips a test unless Slurm has a node that takes jobs."""
  command = ["sinfo", "--noheader", "--format=%T"]
  try:
    found = subprocess.run(
      command, capture_output=True, text=True, timeout=30, check=True
    )
  except (OSError, subprocess.SubprocessError) as error:
    raise absltest.SkipTest(
      f"needs Slurm, which .ci/slurm_one_node starts: {error}"
    ) from error
  states = set(found.stdout.split())
  if not states & {"idle", "mixed", "allocated"}:
    raise absltest.SkipTest(f"needs a node of Slurm, got {sorted(states)}")
