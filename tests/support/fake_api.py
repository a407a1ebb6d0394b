"""The internal API as executors see it, in this process: claims, leases, output, the end.

It keeps everything in memory and reads the output from the real streams, as event-ingest and log-store do.
The scenarios that run against it hold for the real API too.
"""

import base64
import hashlib
import json
import secrets
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import redis as redis_py
from drover_shared.ids import new_run_id
from drover_shared.messages.streams import (
    EVENTS_STREAM,
    LOGS_STREAM,
    decode_chunk,
    decode_events,
)
from drover_shared.redis_address import RedisAddress

BASE = "/internal/api/v1"
REGISTRATION_TOKEN = "registration-token-of-a-test"


@dataclass
class FakeRun:
    """One attempt. `fault` may answer a request in the API's place: (method, what) → status or None."""

    manifest: dict[str, Any]
    credentials: dict[int, dict[str, Any]] = field(default_factory=dict)
    id: UUID = field(default_factory=new_run_id)
    state: str = "pending"
    cancel: str = "none"
    run_token: str = ""
    stream_token: str = ""
    revision: str | None = None
    finish: dict[str, Any] | None = None
    facts: dict[str, Any] = field(default_factory=dict)  # that it is given
    kept: dict[str, Any] = field(default_factory=dict)  # that it handed in; None: cleared
    complete: bool = False
    beats: int = 0
    events: dict[int, dict[str, Any]] = field(default_factory=dict)
    chunks: dict[int, bytes] = field(default_factory=dict)
    doubles: int = 0
    refused: int = 0

    @property
    def log(self) -> bytes:
        return b"".join(self.chunks[seq] for seq in sorted(self.chunks))

    def in_order(self) -> list[dict[str, Any]]:
        return [self.events[seq] for seq in sorted(self.events)]

    def of_type(self, event_type: str) -> list[dict[str, Any]]:
        return [event for event in self.in_order() if event["event_type"] == event_type]


def gaps(stored: dict[int, Any], first: int, last: int) -> list[list[int]]:
    """The numbers from `first` to `last` that are not stored, as inclusive ranges."""
    ranges: list[list[int]] = []
    for seq in range(first, last + 1):
        if seq in stored:
            continue
        if ranges and ranges[-1][1] == seq - 1:
            ranges[-1][1] = seq
        else:
            ranges.append([seq, seq])
    return ranges[:100]


def watermark(stored: dict[int, Any], first: int) -> int:
    while first in stored:
        first += 1
    return first - 1


class FakeApi:
    """Start it, `add` runs, read their fields. `fault` may answer in the API's place: see `FakeRun`."""

    def __init__(self, redis_url: str | None, lease_seconds: float = 6.0, beat_seconds: float = 0.3) -> None:
        self.lease_seconds, self.beat_seconds = lease_seconds, beat_seconds
        self.runs: dict[str, FakeRun] = {}
        self.executor_tokens: dict[int, str] = {}
        self.registrations: list[dict[str, Any]] = []
        self.executor_beats: list[list[str]] = []
        self.requests: list[str] = []
        self.fault: Callable[[str, str], int | None] = lambda _method, _what: None
        self.answer_finish: Callable[[FakeRun], bool] = lambda _run: True
        self.storing = threading.Event()
        self.storing.set()
        self.changed = threading.Condition()
        self._stop = threading.Event()
        self._redis_url = redis_url
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": self}))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> "FakeApi":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        if self._redis_url is not None:
            self._reader = threading.Thread(target=self._read_streams, daemon=True)
            self._reader.start()
        return self

    def stop(self) -> None:
        self._stop.set()
        self.storing.set()
        self._server.shutdown()
        self._server.server_close()
        if self._redis_url is not None:
            self._reader.join(5)

    def add(self, run: FakeRun) -> FakeRun:
        with self.changed:
            self.runs[str(run.id)] = run
            self.changed.notify_all()
        return run

    def wait(self, what: Callable[[], bool], seconds: float = 120.0) -> None:
        """Until `what` holds; fails the test otherwise."""
        with self.changed:
            assert self.changed.wait_for(what, seconds), "it did not happen in time"

    def wait_end(self, run: FakeRun, seconds: float = 120.0) -> dict[str, Any]:
        """Until the run is finished and all its output stored; returns what `finish` said."""
        self.wait(lambda: run.complete, seconds)
        assert run.finish is not None
        return run.finish

    def store_events(self, run: FakeRun, events: list[dict[str, Any]]) -> None:
        with self.changed:
            for event in events:
                run.doubles += event["seq"] in run.events
                run.events.setdefault(event["seq"], event)
            self.changed.notify_all()

    def store_chunk(self, run: FakeRun, seq: int, body: bytes) -> None:
        with self.changed:
            run.doubles += seq in run.chunks
            run.chunks.setdefault(seq, body)
            self.changed.notify_all()

    def _read_streams(self) -> None:
        """Store what arrives, then remove it; `storing` holds that back."""
        assert self._redis_url is not None
        client = RedisAddress.parse(self._redis_url).client(socket_timeout=5)
        while not self._stop.is_set():
            self.storing.wait()
            try:
                for stream in (EVENTS_STREAM, LOGS_STREAM):
                    rows: Any = client.xrange(stream, count=200)
                    for entry, fields in rows:
                        self._store(stream, fields)
                        client.xdel(stream, entry)
            except redis_py.RedisError:
                pass
            self._stop.wait(0.02)
        client.close()

    def _store(self, stream: str, fields: dict[bytes, bytes]) -> None:
        if stream == EVENTS_STREAM:
            batch = decode_events(fields)
            run = self.runs[str(batch.job_run_id)]
            if batch.token == run.stream_token:
                self.store_events(run, [dict(event) for event in batch.events])
            return
        chunk = decode_chunk(fields)
        run = self.runs[str(chunk.job_run_id)]
        if chunk.token == run.stream_token:
            self.store_chunk(run, chunk.seq, chunk.body)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """An executor that was killed leaves its requests open: that is what the tests are about."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class ProblemError(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    api: FakeApi
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def do_PUT(self) -> None:
        self._handle("PUT")

    def log_message(self, *_args: object) -> None:
        """Tests look at `requests` instead."""

    def _handle(self, method: str) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.loads(raw) if raw else {}
        parts = self.path.removeprefix(BASE).strip("/").split("/")
        what = "/".join(part for index, part in enumerate(parts) if index != 1) or parts[0]
        self.api.requests.append(f"{method} {what}")
        status = self.api.fault(method, what)
        if status is not None:
            self._send(status, "text/html", b"<h1>Something in between</h1>")
            return
        try:
            status, answer = self._route(method, parts, body)
        except ProblemError as problem:
            text = {"type": "about:blank", "status": problem.status, "detail": str(problem)}
            self._send(problem.status, "application/problem+json", json.dumps(text).encode())
            return
        self._send(status, "application/json", b"" if answer is None else json.dumps(answer).encode())

    def _send(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _token(self) -> str:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def _route(self, method: str, parts: list[str], body: dict[str, Any]) -> tuple[int, Any]:
        match method, parts:
            case "POST", ["executors"]:
                return 200, self._register(body)
            case "POST", ["executors", executor, what]:
                self._known_executor(int(executor))
                return self._next(body) if what == "next" else self._executor_beat(body)
            case "POST", ["job-runs", run_id, "claim"]:
                self._known_executor(body["executor_id"])
                return 200, self._claim(self._run(run_id))
            case _, ["job-runs", run_id, *what]:
                run = self._run(run_id)
                if self._token() != run.run_token:
                    raise ProblemError(401, "wrong token")
                with self.api.changed:
                    answer = self._of_run(run, "/".join(what), body)
                    self.api.changed.notify_all()
                return answer
        raise ProblemError(404, "no such route")

    def _register(self, body: dict[str, Any]) -> dict[str, Any]:
        if self._token() != REGISTRATION_TOKEN:
            raise ProblemError(401, "wrong registration token")
        with self.api.changed:
            self.api.registrations.append(body)
            self.api.changed.notify_all()
        token = self.api.executor_tokens[7] = secrets.token_hex(8)
        return {
            "id": 7,
            "token": token,
            "lease_seconds": self.api.lease_seconds,
            "heartbeat_interval_seconds": self.api.beat_seconds,
        }

    def _known_executor(self, executor: int) -> None:
        if not secrets.compare_digest(self.api.executor_tokens.get(executor, ""), self._token()):
            raise ProblemError(401, "unknown executor")

    def _executor_beat(self, body: dict[str, Any]) -> tuple[int, Any]:
        self.api.executor_beats.append(body["running"])
        return 200, {"drain": False}

    def _next(self, body: dict[str, Any]) -> tuple[int, Any]:
        def pending() -> list[FakeRun]:
            return [run for run in self.api.runs.values() if run.state == "pending"]

        with self.api.changed:
            self.api.changed.wait_for(lambda: bool(pending()), body["wait_seconds"])
            found = pending()
        return (200, {"job_run_id": str(found[0].id)}) if found else (204, None)

    def _run(self, run_id: str) -> FakeRun:
        run = self.api.runs.get(run_id)
        if run is None:
            raise ProblemError(410, "no such run")
        return run

    def _claim(self, run: FakeRun) -> dict[str, Any]:
        with self.api.changed:
            if run.state not in ("pending", "starting"):
                raise ProblemError(409 if run.state == "running" else 410, "not to be had")
            run.state = "starting"
            run.run_token, run.stream_token = secrets.token_hex(8), secrets.token_hex(8)
            self.api.changed.notify_all()
        return {
            "run_token": run.run_token,
            "stream_token": run.stream_token,
            "lease_expires_at": "2030-01-01T00:00:00Z",
            "lease_seconds": self.api.lease_seconds,
            "heartbeat_interval_seconds": self.api.beat_seconds,
        }

    def _of_run(self, run: FakeRun, what: str, body: dict[str, Any]) -> tuple[int, Any]:
        output_too_late = what in ("finish", "events", "log-chunks")
        if run.state == "lost" or (run.state not in ("starting", "running") and not output_too_late):
            run.refused += 1
            self.api.changed.notify_all()
            raise ProblemError(410, "the attempt is over")
        if what.startswith("facts"):
            return self._facts(run, what.partition("after=")[2], body)
        if what.startswith("credentials/"):
            return self._credential(run, int(what.removeprefix("credentials/")))
        answer: Callable[[FakeRun, dict[str, Any]], tuple[int, Any]] = getattr(
            self, f"_{what.replace('-', '_')}"
        )
        return answer(run, body)

    def _manifest(self, run: FakeRun, _body: dict[str, Any]) -> tuple[int, Any]:
        return 200, {**run.manifest, "job_run_id": str(run.id)}

    def _start(self, run: FakeRun, body: dict[str, Any]) -> tuple[int, Any]:
        run.state, run.revision = "running", body["project_revision"]
        return 200, {"state": "running", "cancel": run.cancel}

    def _heartbeat(self, run: FakeRun, body: dict[str, Any]) -> tuple[int, Any]:
        run.beats += 1
        return 200, {"lease_expires_at": "2030-01-01T00:00:00Z", **self._stored(run, body)}

    def _events(self, run: FakeRun, body: dict[str, Any]) -> tuple[int, Any]:
        self.api.store_events(run, body["events"])
        return 202, None

    def _log_chunks(self, run: FakeRun, body: dict[str, Any]) -> tuple[int, Any]:
        self.api.store_chunk(run, body["seq"], base64.b64decode(body["body"]))
        return 202, None

    def _credential(self, run: FakeRun, credential_id: int) -> tuple[int, Any]:
        if credential_id not in run.credentials:
            raise ProblemError(404, "This run uses no such credential.")
        return 200, {"injectors": {}, **run.credentials[credential_id], "id": credential_id}

    def _facts(self, run: FakeRun, after: str, body: dict[str, Any]) -> tuple[int, Any]:
        """One host a page."""
        for one in body.get("hosts", ()):
            run.kept[one["host"]] = one["facts"]
        if body:
            return 200, {"kept": len(body["hosts"])}
        left = [host for host in sorted(run.facts) if host > after]
        items = [{"host": host, "facts": run.facts[host]} for host in left[:1]]
        return 200, {"items": items, "next": left[0] if len(left) > 1 else None}

    def _stored(self, run: FakeRun, body: dict[str, Any]) -> dict[str, Any]:
        return {
            "cancel": run.cancel,
            "committed_seq": watermark(run.events, 1),
            "missing": gaps(run.events, 1, body["last_seq"]),
            "committed_log_seq": watermark(run.chunks, 0),
            "missing_log": gaps(run.chunks, 0, body["last_log_seq"]),
        }

    def _finish(self, run: FakeRun, body: dict[str, Any]) -> tuple[int, Any]:
        run.state, run.finish = body["state"], body
        self.api.changed.wait_for(lambda: self.api.answer_finish(run), 5)
        missing = gaps(run.events, 1, body["last_seq"])
        missing_log = gaps(run.chunks, 0, body["log_chunks"] - 1)
        if missing or missing_log:
            return 202, {"complete": False, "missing": missing, "missing_log": missing_log}
        assert len(run.log) == body["log_bytes"]
        assert hashlib.sha256(run.log).hexdigest() == body["log_sha256"]
        run.complete = True
        return 200, {"complete": True, "missing": [], "missing_log": []}


def wait_until(what: Callable[[], bool], seconds: float = 60.0) -> None:
    """For what no condition variable announces, such as a process's end."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
