"""gunicorn's threaded worker, whose connections can be taken over by the event loop."""

import errno
import socket
import threading
from typing import Any

from drover_shared.logging import get_logger
from drover_shared.streams.progress import StalledError
from gunicorn.workers.gthread import ThreadWorker

from drover_api.deps import EXTENSION
from drover_api.live.turning import Turning

_HTTP_1_1 = (1, 1)
_current = threading.local()
_log = get_logger("drover.api")


class Connection:
    """The connection whose request this thread works on."""

    def __init__(self, request: Any, connection: Any) -> None:
        self._request = request
        self._connection = connection

    @property
    def chunked(self) -> bool:
        """Whether a body without a length goes in chunks: HTTP/1.0 knows none."""
        return bool(self._request.version >= _HTTP_1_1)

    def announce_close(self) -> None:
        """The answer will say that no other request is taken on this connection."""
        self._request.force_close()

    def take(self) -> socket.socket:
        """The socket, which is the caller's from now on; gunicorn gets one that leads nowhere to close.

        The caller then raises `taken()` through gunicorn, which counts the connection as ended.
        """
        sock: socket.socket = self._connection.sock
        self._connection.sock = socket.socket()
        return sock


def taken() -> OSError:
    """What gunicorn takes for a client that is gone: it writes nothing more and is quiet about it."""
    return BrokenPipeError(errno.EPIPE, "the event loop has the connection")


def current_connection() -> Connection | None:
    """None where another server than this worker runs the application: its threads wait themselves."""
    found: Connection | None = getattr(_current, "connection", None)
    return found


class LiveWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Knows, in each thread, the connection that is served; its heartbeat tells of progress."""

    turning: Turning | None = None  # until the application is loaded
    _stalled = False

    def load_wsgi(self) -> None:
        super().load_wsgi()
        self.turning = self.wsgi.extensions[EXTENSION].turning

    def notify(self) -> None:
        """A worker that gunicorn's master does not hear of for `timeout` seconds is killed and replaced."""
        try:
            if self.turning is not None:
                self.turning.check()
        except StalledError as error:
            if not self._stalled:
                _log.critical("worker_stalled", reason=str(error))
            self._stalled = True
        else:
            self._stalled = False
            super().notify()

    def handle_request(self, req: Any, conn: Any) -> Any:
        _current.connection = None if conn.is_http2 else Connection(req, conn)
        assert self.turning is not None  # noqa: S101 - nothing is served before the application is loaded
        try:
            with self.turning.request():
                return super().handle_request(req, conn)
        finally:
            _current.connection = None
