"""A user's errors in one sentence; those of the code keep their traceback."""

import contextlib
import errno
import linecache
import pathlib
import sys
import traceback
from collections.abc import Iterator

import jax
from absl import flags

from experiments import records

# What a disk, or the one who administers it, refuses.
_OF_DISK = {
  errno.EACCES,
  errno.EDQUOT,
  errno.ENOENT,
  errno.ENOSPC,
  errno.ENOTDIR,
  errno.EPERM,
  errno.EROFS,
}
# What NumPy says of sizes that no machine has.
_TOO_LARGE = ("array is too big", "Maximum allowed dimension exceeded")


@contextlib.contextmanager
def one_sentence() -> Iterator[None]:
  """Ends the process with a sentence where the user can do something about it.

  The exit status is 2 for a command line that cannot be read, else 1.
  """
  try:
    yield
  except flags.Error as error:
    _exit(str(error), status=2)
  except KeyboardInterrupt:
    _exit("interrupted; what was finished before is kept")
  except FloatingPointError as error:
    if not _is_ours(error):
      raise
    _exit(str(error))
  except (MemoryError, OverflowError) as error:
    _exit(f"these sizes are beyond this machine ({error})")
  except jax.errors.JaxRuntimeError as error:
    if "RESOURCE_EXHAUSTED" not in str(error):
      raise
    _exit(f"these sizes are beyond this machine's memory ({error})")
  except OSError as error:
    if error.errno not in _OF_DISK:
      raise
    _exit(f"{error.strerror}: {error.filename or 'while writing'}")
  except ValueError as error:
    if any(text in str(error) for text in _TOO_LARGE):
      _exit(f"these sizes are beyond this machine ({error})")
    if not _is_ours(error):
      raise
    _exit(str(error))


def _is_ours(error):
  """Raised on purpose by this project, rather than by a bug or a library."""
  frame, line = list(traceback.walk_tb(error.__traceback__))[-1]
  path = pathlib.Path(frame.f_code.co_filename)
  is_here = path.is_relative_to(records.ROOT) and not {
    ".venv",
    "site-packages",
  } & set(path.parts)
  return is_here and linecache.getline(str(path), line).lstrip().startswith(
    "raise "
  )


def _exit(message, status=1):
  print(f"Error: {' '.join(message.split())}", file=sys.stderr)
  sys.exit(status)
