"""What one process makes of the words, the silence and the end of another."""

import contextlib
import io
import os
import threading
from multiprocessing import connection
from unittest import mock

from absl.testing import absltest, parameterized

from launch import peers


class _ExitError(Exception):
  """Stands for the end of the process."""


class WatchTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.peers = peers.Peers("", heartbeat_seconds=30)
    self.ours, self.theirs = connection.Pipe()
    self.peers._links = {3: self.ours}
    self.addCleanup(self.ours.close)
    self.addCleanup(self.theirs.close)
    end = mock.patch.object(os, "_exit", side_effect=_ExitError)
    self.exit = self.enterContext(end)

  def watch(self):
    """What is said while a connection is watched to its end."""
    with contextlib.redirect_stderr(io.StringIO()) as said:
      with contextlib.suppress(_ExitError):
        self.peers._watch(3, self.ours)
    return said.getvalue()

  def test_all_is_well(self):
    for word in (peers._ALIVE, peers._ALIVE, peers._DONE):
      self.theirs.send_bytes(word)
    self.assertEqual(self.watch(), "")
    self.exit.assert_not_called()

  @parameterized.parameters("death", "silence", "failure")
  def test_ends_with_a_sentence(self, cause):
    self.theirs.send_bytes(peers._ALIVE)
    if cause == "death":
      self.theirs.close()
    elif cause == "silence":
      self.peers._seconds = 0.01
    else:
      self.theirs.send_bytes(peers._FAILED)
      self.enterContext(mock.patch.object(peers, "_GRACE_SECONDS", 0.01))
    what = "failed" if cause == "failure" else "gone"
    self.assertRegex(
      self.watch(), rf"^Error: process 3 has {what}, without .*checkpoint\n$"
    )
    self.exit.assert_called_once_with(1)
    if cause == "silence":
      self.assertEqual(self.theirs.recv_bytes(), peers._FAILED)

  def test_leaves_the_word_to_an_error_of_its_own(self):
    """Both fail of the same; the grace is longer than a test may take."""
    self.theirs.send_bytes(peers._FAILED)
    self.enterContext(mock.patch.object(peers, "_GRACE_SECONDS", 600))
    is_waiting, is_over = threading.Event(), self.peers._is_over
    wait = is_over.wait
    is_over.wait = lambda seconds: is_waiting.set() or wait(seconds)
    thread = threading.Thread(target=self.peers._watch, args=(3, self.ours))
    with contextlib.redirect_stderr(io.StringIO()) as said:
      thread.start()
      self.assertTrue(is_waiting.wait(30))
      with self.assertRaises(_ExitError):
        with self.peers.together():
          raise RuntimeError("of its own")
    thread.join(timeout=300)
    self.assertFalse(thread.is_alive())
    self.exit.assert_called_once_with(1)
    self.assertIn("RuntimeError: of its own", said.getvalue())

  def test_a_beat_is_heard(self):
    self.peers._seconds = 0.04
    thread = threading.Thread(target=self.peers._beat)
    thread.start()
    self.assertTrue(self.theirs.poll(300))
    self.assertEqual(self.theirs.recv_bytes(), peers._ALIVE)
    self.peers._is_over.set()
    thread.join(timeout=300)
    self.assertFalse(thread.is_alive())

  def test_alone_an_error_is_raised(self):
    self.peers._links = {}
    with self.assertRaisesRegex(RuntimeError, "of its own"):
      with self.peers.together():
        raise RuntimeError("of its own")
    with self.peers.together():
      pass


if __name__ == "__main__":
  absltest.main()
