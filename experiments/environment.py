"""What a run was made on: versions, device, commit, and how it was started."""

import datetime
import functools
import os
import pathlib
import platform
import shlex
import subprocess
import sys
from typing import Any

import jax

import nnfun as nf
from experiments import records


def describe(config: Any) -> dict[str, Any]:
  """Returns what a run was made on, and how it was started."""
  device = jax.devices()[0]
  return {
    "python": platform.python_version(),
    "versions": {
      **{name: records.version(name) for name in records.PACKAGES},
      "nnfun": nf.__version__,  # Of a checkout, too.
    },
    "platform": device.platform,
    "device": device.device_kind,
    "num_devices": jax.device_count(),
    "processor": _processor(),
    "num_cpus": os.cpu_count(),
    "flags": {
      name: value
      for name, value in sorted(os.environ.items())
      if name.startswith(("JAX_", "NPROC", "OPENBLAS_", "XLA_"))
    },
    "commit": _git("rev-parse", "HEAD"),
    "modified": _git("status", "--porcelain") not in ("", None),
    "seed": getattr(config, "seed", None),
    "started": datetime.datetime.now(datetime.UTC).isoformat(
      timespec="seconds"
    ),
    "command": shlex.join(["python", *sys.orig_argv[1:]]),
  }


@functools.cache
def _git(*args: str) -> str | None:
  try:
    return subprocess.run(
      ["git", *args],
      cwd=records.ROOT,
      capture_output=True,
      text=True,
      check=True,
    ).stdout.strip()
  except (OSError, subprocess.CalledProcessError):
    return None


def _processor() -> str:
  try:
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
  except OSError:
    lines = []
  names = [
    line.split(":")[1] for line in lines if line.startswith("model name")
  ]
  return names[0].strip() if names else platform.processor()
