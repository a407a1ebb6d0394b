"""A wait that signals end at once."""

import contextlib
import os
import select
import signal
import types


class StopRequested(Exception):  # noqa: N818  an order, not an error
    """SIGTERM, SIGINT or SIGHUP arrived."""


class Waker:
    """Turns signals into the end of a `wait`: stop signals raise, a child's end only wakes.

    Made once, in the main thread of a process.
    """

    def __init__(self) -> None:
        self.stop_signals = 0
        self._read, write = os.pipe()
        for end in (self._read, write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)

    def _stop(self, _number: int, _frame: types.FrameType | None) -> None:
        self.stop_signals += 1

    def wait(self, seconds: float) -> None:
        """Wait for a signal, at most `seconds`. Raises StopRequested once one asked to stop."""
        if not self.stop_signals:
            self.pause(seconds)
        if self.stop_signals:
            raise StopRequested

    def pause(self, seconds: float) -> None:
        """Wait for the next signal, at most `seconds`."""
        select.select([self._read], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            while os.read(self._read, 512):
                pass
