"""The executor's line to a run's worker: letters come in, rings go out. An executor may go and come back."""

import contextlib
import selectors
import socket

RING = b"."


class Line:
    """Listens for the executor; whoever calls last is the one. Nothing here blocks or raises."""

    def __init__(self, listener: int) -> None:
        self._listener = socket.socket(fileno=listener)
        self._listener.setblocking(False)
        self._peer: socket.socket | None = None
        self._unheard = False

    def attach(self, selector: selectors.BaseSelector) -> None:
        """Have `selector` wake up for what happens here."""
        self._selector = selector
        selector.register(self._listener, selectors.EVENT_READ)

    def letters(self) -> str:
        """What the executor has written since; empty for nothing."""
        self._accept()
        if self._peer is None:
            return ""
        try:
            read = self._peer.recv(4096)
        except BlockingIOError:
            return ""
        except OSError:
            read = b""
        if not read:
            self._drop()
        return read.decode(errors="replace")

    def ring(self) -> None:
        """Say that there is something new on the spool; to whoever calls next, where nobody is there."""
        self._accept()
        self._unheard = self._peer is None
        if self._peer is not None:
            with contextlib.suppress(OSError):  # full: it rings already; broken: the next read says so
                self._peer.send(RING)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            peer, _ = self._listener.accept()
            self._drop()
            peer.setblocking(False)
            self._peer = peer
            self._selector.register(peer, selectors.EVENT_READ)
            if self._unheard:
                self._unheard = False
                peer.send(RING)

    def _drop(self) -> None:
        if self._peer is not None:
            self._selector.unregister(self._peer)
            self._peer.close()
            self._peer = None
