"""gunicorn, embedded: one process a worker, a thread pool in each, and an event loop for live readers."""

import gc
import json
import resource
import signal
import sys
from http import HTTPStatus
from types import FrameType
from typing import Any

import gunicorn.util
from drover_shared import traces
from drover_shared.logging import toggle_debug
from drover_shared.settings import Environment
from flask import Flask
from gunicorn import glogging
from gunicorn.app.base import BaseApplication

from drover_api.app import create_app
from drover_api.deps import EXTENSION, Deps, make_deps
from drover_api.live.worker import LiveWorker
from drover_api.settings import ApiSettings

# Objects that may be made before the youngest are looked through. Python's 700 let a page of 50 jobs begin
# whole collections, of 150 ms each, in the middle of requests.
YOUNG_OBJECTS = 20_000
# A request waits for the interpreter after each query: the loop of live readers gives way sooner than after
# Python's 5 ms.
SWITCH_SECONDS = 0.0005
OTHER_FILES = 2048  # requests' connections, the database, the queue, the object store
STOP_SECONDS = 8  # requests in flight may end within this time
_PLAIN_ERROR = (
    "HTTP/1.1 {code} {reason}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n"
    "Content-Length: {length}\r\n\r\n{body}"
)


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """Serves an application that has connected to nothing yet: its workers share it until they use it."""

    def __init__(self, settings: ApiSettings, app: Flask) -> None:
        self._settings, self._app = settings, app
        super().__init__()

    def load_config(self) -> None:
        options = {
            "bind": [f"{self._settings.host}:{self._settings.port}"],
            "workers": self._settings.workers,
            "threads": self._settings.threads,
            "worker_class": LiveWorker,
            "graceful_timeout": STOP_SECONDS,
            "timeout": self._settings.stall_seconds,
            "keepalive": 65,
            "loglevel": self._settings.log.level,
            "logger_class": Logger,
            "proc_name": "drover-api",
            "worker_tmp_dir": None,
            "control_socket_disable": True,  # one path in the home folder, which two stacks would share
            "limit_request_line": 8190,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Called in a worker, after gunicorn has set its signal handlers."""
        traces.configure("api", Environment())  # here, after the fork: its thread would not come along
        _set_on_stop(self._app.extensions[EXTENSION])
        sys.setswitchinterval(SWITCH_SECONDS)
        return self._app


def _set_on_stop(deps: Deps) -> None:
    """Long polls and live streams end on SIGTERM; gunicorn then lets the other requests end."""
    gunicorns: Any = signal.getsignal(signal.SIGTERM)

    def handle(number: int, frame: FrameType | None) -> None:
        deps.stopping.set()
        deps.live.stop()
        gunicorns(number, frame)

    signal.signal(signal.SIGTERM, handle)


class Logger(glogging.Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's messages through the service's own structured log; requests are not logged one by one."""

    def reopen_files(self) -> None:
        """What gunicorn does at SIGUSR1, in each of its processes: here, turn debug on or off."""
        toggle_debug()

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg
        self._access_log_enabled = False
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.error_log.setLevel(cfg.loglevel.upper())


def write_plain_error(sock: Any, status_int: int, reason: str, mesg: str) -> None:
    """Gunicorn's answer to a request it cannot read, as a problem instead of a page of HTML."""
    del mesg  # may repeat what the client sent
    ours = status_int >= HTTPStatus.INTERNAL_SERVER_ERROR
    detail = "an unexpected error happened" if ours else "malformed request"
    title = HTTPStatus(status_int).phrase
    problem = {"type": "about:blank", "title": title, "status": status_int, "detail": detail}
    body = json.dumps(problem)
    answer = _PLAIN_ERROR.format(code=status_int, reason=reason, length=len(body), body=body)
    gunicorn.util.write_nonblock(sock, answer.encode("latin-1"))


def _allow_files(live_readers: int) -> None:
    """Raise the process's soft limit of open files, as far as the hard one allows: a live reader is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = live_readers + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))


def serve(settings: ApiSettings) -> None:
    """Serve until SIGTERM. Raises SettingsError for keys that cannot be used."""
    gunicorn.util.write_error = write_plain_error
    _allow_files(settings.live_readers)
    app = create_app(make_deps(settings))
    gc.set_threshold(YOUNG_OBJECTS)
    gc.collect()
    gc.freeze()  # a worker that looked through what it shares with the others would have its own copy of it
    Server(settings, app).run()
