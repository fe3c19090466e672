"""Runs a module as `python -m` does, until the process that started it ends.

`python -m launch.child MODULE ARGUMENTS`, its standard input a pipe into which
the parent never writes: whatever ends the parent closes it, `kill -9` too.
"""

import os
import runpy
import signal
import sys
import threading


def main() -> None:
  """Runs the module that the command line names."""
  threading.Thread(target=_end_with_parent, daemon=True).start()
  del sys.argv[0]
  runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _end_with_parent():
  os.read(0, 1)  # Not sys.stdin, which is locked when the interpreter ends.
  # The group, with whatever the module has started.
  os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
  main()
