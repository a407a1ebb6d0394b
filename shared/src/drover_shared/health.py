"""/livez, /readyz and /metrics for a worker, served from a thread of its own."""

import json
import sys
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from drover_shared.logging import get_logger
from drover_shared.settings import HealthSettings

Check = Callable[[], None]
_log = get_logger("drover.health")


def run_checks(checks: Mapping[str, Check]) -> tuple[bool, dict[str, str]]:
    """Run every named check; a check raises to say no, and only its error's type is told outside."""
    results: dict[str, str] = {}
    for name, check in checks.items():
        try:
            check()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a dependency, it is not ready
            results[name] = type(error).__name__
        else:
            results[name] = "ok"
    return all(result == "ok" for result in results.values()), results


class _Handler(BaseHTTPRequestHandler):
    checks: Mapping[str, Check] = {}
    alive: Mapping[str, Check] = {}

    def do_GET(self) -> None:
        match self.path:
            case "/livez":
                self._answer(self.alive)
            case "/readyz":
                self._answer(self.checks)
            case "/metrics":
                self._send(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest())
            case _:
                self._send(HTTPStatus.NOT_FOUND, "text/plain", b"not found\n")

    def _answer(self, checks: Mapping[str, Check]) -> None:
        ok, results = run_checks(checks)
        body = json.dumps({"status": "ok" if ok else "unavailable", "checks": results}).encode()
        self._send(HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE, "application/json", body)

    def _send(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Probes come every few seconds: they are not logged."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - socketserver's signature
        """A client that hung up, such as a scanner: the library would print a traceback, past the log."""
        _log.debug("probe_failed", error=type(sys.exception()).__name__)


def serve_health(
    settings: HealthSettings, checks: Mapping[str, Check], alive: Mapping[str, Check]
) -> ThreadingHTTPServer | None:
    """Start answering probes; returns the server to `shutdown()`, or None where the port is 0.

    `alive` names the service's loops; each raises when it does not turn any more, so that a supervisor
    restarts the service.
    """
    if settings.port == 0:
        return None
    handler = type("Handler", (_Handler,), {"checks": dict(checks), "alive": dict(alive)})
    server = _Server((settings.host, settings.port), handler)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
