"""What the threads of one attempt tell each other."""

import os
import threading
from collections.abc import Callable

from drover_executor.client.run_api import Stored
from drover_executor.failures import AbandonedError, CanceledError

GRACEFUL, NONE = "graceful", "none"


class Control:
    """Shared by the runner, its keeper and the executor; every change rings `bell`, a readable descriptor.

    `produced` is (last event seq, last chunk seq) so far: 0 and -1 for none. `reported` once the API knows of
    the attempt's end, and only the rest of its output is to be stored; `on_reported` is called then.
    """

    def __init__(self, on_reported: Callable[[], None] = lambda: None) -> None:
        self._on_reported = on_reported
        self.reported = False
        self.bell, self._ring = os.pipe()
        os.set_blocking(self.bell, False)
        os.set_blocking(self._ring, False)
        self._lock = threading.Lock()
        self._abandoned = ""
        self._cancel = NONE
        self._stored: Stored | None = None
        self._closed = False
        self.stopping = False
        self.changed = threading.Event()
        self.produced = (0, -1)

    def report(self) -> None:
        self.reported = True
        self._on_reported()

    def abandon(self, why: str) -> None:
        """Tell all to stop at once and report nothing."""
        with self._lock:
            self._abandoned = self._abandoned or why
        self.ring()

    def stop(self, why: str) -> None:
        """The same, because this executor ends: what is finished stays for its next start."""
        self.stopping = True
        self.abandon(why)

    def ask_cancel(self, how: str) -> None:
        """`how` as a heartbeat answers it: none, graceful or kill."""
        with self._lock:
            if how in (NONE, self._cancel):
                return
            self._cancel = how
        self.ring()

    def tell_stored(self, stored: Stored) -> None:
        with self._lock:
            self._stored = stored
        self.ring()

    def take_stored(self) -> Stored | None:
        """The newest word on what is stored, once."""
        with self._lock:
            stored, self._stored = self._stored, None
        return stored

    @property
    def abandoned(self) -> str:
        return self._abandoned

    @property
    def cancel(self) -> str:
        return self._cancel

    def check(self) -> None:
        """Raises AbandonedError or CanceledError when the attempt must not go on."""
        if self._abandoned:
            raise AbandonedError(self._abandoned)
        if self._cancel != NONE:
            raise CanceledError

    def ring(self) -> None:
        self.changed.set()
        with self._lock:
            if not self._closed:
                _write(self._ring)

    def quiet(self) -> None:
        """Take the rings so far."""
        self.changed.clear()
        try:
            while os.read(self.bell, 4096):
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        with self._lock:
            self._closed = True
            os.close(self.bell)
            os.close(self._ring)


def _write(descriptor: int) -> None:
    try:
        os.write(descriptor, b".")
    except BlockingIOError:
        return  # it rings already
