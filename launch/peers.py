"""The processes of one training run: how they meet, share and end together.

JAX connects them. Where one dies the others would wait in a sum over all, until
JAX's own heartbeat aborts them with a dump of the C++ stack. So each process
keeps a connection to the first, which closes when either dies: what is left
then ends with a sentence, and can be started again.
"""

import contextlib
import json
import os
import socket
import sys
import threading
import traceback
from collections.abc import Iterator
from multiprocessing import connection

import jax
import numpy as np
from jax.experimental import multihost_utils

import nnfun as nf
from experiments import checkpoints, leaves

_ALIVE, _DONE, _FAILED = b"alive", b"done", b"failed"
_GRACE_SECONDS = 5.0  # For one's own error, if another fails of the same.
_MESSAGE_BYTES = 512


def initialize(
  coordinator_address: str | None,
  num_processes: int | None,
  process_id: int | None,
  heartbeat_seconds: int,
  wait_seconds: int,
) -> "Peers":
  """Connects the processes of a run; call it before anything else of JAX.

  Without arguments it looks for the tasks of `srun`; where there are none, or
  one, this process is alone.

  Args:
    coordinator_address: host and port at which the first process listens.
    num_processes: how many there are.
    process_id: which of them this is, from 0.
    heartbeat_seconds: after how many a silent process is taken for dead.
    wait_seconds: how long the others may take to come; then this process ends.

  Returns:
    The other processes.

  Raises:
    ValueError: if some of the arguments are given, or they do not fit.
  """
  given = coordinator_address, num_processes, process_id
  if all(value is None for value in given):
    if int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) == 1:
      return Peers("", heartbeat_seconds)
    given, host = (None, None, None), socket.gethostname()
    where = "the first task of srun"
  else:
    _check(*given)
    host, where = coordinator_address.rpartition(":")[0], coordinator_address
  # Sums over CPUs of several processes; other devices have their own.
  jax.config.update("jax_cpu_collectives_implementation", "gloo")
  # It would swallow SIGTERM; checkpoints need no warning.
  jax.config.update("jax_enable_preemption_service", False)
  print(f"Waiting for the others at {where}.", file=sys.stderr, flush=True)
  with _patience(wait_seconds, where):
    jax.distributed.initialize(
      *given,
      # These end this process less kindly than we do, who come first.
      initialization_timeout=2 * wait_seconds,
      heartbeat_timeout_seconds=2 * heartbeat_seconds,
    )
    return Peers(host, heartbeat_seconds)


@contextlib.contextmanager
def _patience(seconds, where):
  """Ends this process with a sentence if what is inside takes longer."""

  def give_up():
    print(
      f"Error: not all processes have met at {where} within {seconds} s; see "
      "what the others say, or let --wait_seconds be longer",
      file=sys.stderr,
      flush=True,
    )
    os._exit(1)  # The main thread waits in C++.

  timer = threading.Timer(seconds, give_up)
  timer.daemon = True
  timer.start()
  try:
    yield
  finally:
    timer.cancel()


def _check(coordinator_address, num_processes, process_id):
  names = "--coordinator_address, --num_processes and --process_id"
  given = coordinator_address, num_processes, process_id
  if None in given:
    raise ValueError(f"expected all of {names} or none, got {given}")
  host, _, port = coordinator_address.rpartition(":")
  if not host or not port.isdigit():
    raise ValueError(
      f"expected --coordinator_address=HOST:PORT, got {coordinator_address!r}"
    )
  if not 0 <= process_id < num_processes:
    raise ValueError(
      f"expected 0 <= process_id < num_processes, got process_id={process_id} "
      f"and num_processes={num_processes}"
    )


class Peers:
  """The other processes of a run; without one of them this process ends."""

  def __init__(self, host: str, heartbeat_seconds: int) -> None:
    """Connects each process with the first, which has to be initialized.

    Args:
      host: of the first process.
      heartbeat_seconds: after how many a silent process is taken for dead.
    """
    self._seconds = heartbeat_seconds
    self._is_over = threading.Event()
    self._links = _connect(host) if jax.process_count() > 1 else {}
    for index, link in self._links.items():
      args = index, link
      threading.Thread(target=self._watch, args=args, daemon=True).start()
    if self._links:
      threading.Thread(target=self._beat, daemon=True).start()

  @contextlib.contextmanager
  def together(self) -> Iterator[None]:
    """Ends the work inside in all processes at once, by success or failure.

    An error inside ends this process, after its sentence or its traceback, and
    then the others. A process that is alone raises it.
    """
    try:
      yield
      if self._links:
        multihost_utils.sync_global_devices("end of the run")
    except BaseException as error:
      if not self._links:
        raise
      self._end(error)
    self._is_over.set()
    self._tell(_DONE)
    if self._links:
      jax.distributed.shutdown()

  def _end(self, error):
    if isinstance(error, jax.errors.JaxRuntimeError):
      # A sum without a peer: `_watch` will know of whom, and end the process.
      self._is_over.wait(_GRACE_SECONDS)
    self._is_over.set()
    self._tell(_FAILED)
    status = error.code if isinstance(error, SystemExit) else 1
    if not isinstance(error, SystemExit):
      traceback.print_exception(error)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # What JAX does at the end would wait for the others.

  def _tell(self, message):
    for link in self._links.values():
      with contextlib.suppress(OSError):  # It may have gone before us.
        link.send_bytes(message)

  def _beat(self):
    while not self._is_over.wait(self._seconds / 4):
      self._tell(_ALIVE)

  def _watch(self, index, link):
    message = _ALIVE
    try:
      while message == _ALIVE and link.poll(self._seconds):
        message = link.recv_bytes()
    except (EOFError, OSError):
      pass
    if message == _DONE:
      return
    if message == _FAILED and self._is_over.wait(_GRACE_SECONDS):
      return
    if self._is_over.is_set():
      return
    self._tell(_FAILED)
    what = "has failed" if message == _FAILED else "has gone"
    print(
      f"Error: process {index} {what}, without which this one cannot go on; "
      "start all of them again to go on from the newest checkpoint",
      file=sys.stderr,
      flush=True,
    )
    os._exit(1)  # The main thread waits in C++ for what never comes.


def _connect(host):
  """Connections by process: of the first to all others, of those to it."""
  is_first = jax.process_index() == 0
  key = os.urandom(16)
  listener = connection.Listener(("", 0), authkey=key) if is_first else None
  port = listener.address[1] if is_first else 0
  message = json.dumps({"host": host, "port": port, "key": key.hex()})
  told = json.loads(_from_first(message.encode(), _MESSAGE_BYTES))
  if not is_first:
    address = told["host"], told["port"]
    link = connection.Client(address, authkey=bytes.fromhex(told["key"]))
    link.send_bytes(str(jax.process_index()).encode())
    return {0: link}
  links = {}
  for _ in range(jax.process_count() - 1):
    link = listener.accept()
    links[int(link.recv_bytes())] = link
  listener.close()
  return links


def _from_first(data, size):
  """Bytes of the first process in all; as bytes no bit changes on the way."""
  array = np.frombuffer(data.ljust(size), np.uint8)
  return np.asarray(multihost_utils.broadcast_one_to_all(array)).tobytes()


class Checkpoints:
  """Checkpoints which the first process reads and writes, for all of them.

  It has the methods which `experiments.checkpoints.run` calls; the states are
  arrays that every device has the whole of.
  """

  def __init__(self, folder: str | os.PathLike[str]) -> None:
    """Opens a folder, see `experiments.checkpoints.Checkpoints`."""
    is_first = jax.process_index() == 0
    self._own = checkpoints.Checkpoints(folder) if is_first else None

  def claim(self) -> None:
    """Keeps other runs from writing."""
    if self._own:
      self._own.claim()

  def close(self) -> None:
    """Gives the folder free."""
    if self._own:
      self._own.close()

  def save(self, step: int, state: nf.base.PyTree) -> None:
    """Writes a checkpoint."""
    if self._own:
      self._own.save(step, jax.tree.map(_local, state))

  def restore(self, like: nf.base.PyTree) -> tuple[int, nf.base.PyTree] | None:
    """Returns the newest whole checkpoint, placed like a state."""
    found = self._own.restore(jax.tree.map(_local, like)) if self._own else None
    step = np.int32(-1 if found is None else found[0])
    step = int(multihost_utils.broadcast_one_to_all(step))
    if step < 0:
      return None
    likes, structure = jax.tree.flatten(like)
    saved = jax.tree.leaves(found[1]) if found else map(_local, likes)
    data = [np.asarray(leaves.as_data(leaf)) for leaf in saved]
    sent = b"".join(d.tobytes() for d in data)
    sent, offset = _from_first(sent, len(sent)), 0
    placed = []
    for d, leaf in zip(data, likes, strict=True):
      d = np.frombuffer(sent, d.dtype, d.size, offset).reshape(d.shape)
      offset += d.nbytes
      placed.append(_place(d, leaf))
    return step, jax.tree.unflatten(structure, placed)


def _local(leaf):
  """The copy of this process, of an array of which every device has one."""
  return leaf.addressable_data(0)


def _place(data, like):
  """A leaf where another one is, in every process."""
  placed = jax.make_array_from_callback(
    data.shape, leaves.as_data(like).sharding, lambda index: data[index]
  )
  return leaves.as_leaf(placed, like)
