"""The API that the conformance kit plays, for executors that use the streams, too.

It reads the output from the real streams, as event-ingest and log-store do. The scenarios that run against it
hold for the real API too.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

import redis as redis_py
from drover_cli.conformance.played.api import PlayedApi
from drover_cli.conformance.played.runs import Call, Page, PlayedRun, Treatment
from drover_shared.ids import new_run_id
from drover_shared.messages.streams import (
    EVENTS_STREAM,
    LOGS_STREAM,
    decode_chunk,
    decode_events,
)
from drover_shared.redis_address import RedisAddress

REGISTRATION_TOKEN = "registration-token-of-a-test"


@dataclass
class FakeRun(PlayedRun):
    """One attempt, with an id as the API makes it."""

    id: UUID = field(default_factory=new_run_id)


class FakeApi(PlayedApi):
    """Start it, `add` runs, read their fields.

    `fault` may answer a request with a page that is not the API's: (method, what) → its status or None.
    """

    def __init__(self, redis_url: str | None, lease_seconds: float = 6.0, beat_seconds: float = 0.3) -> None:
        super().__init__(REGISTRATION_TOKEN, lease_seconds, beat_seconds)
        self.fault: Callable[[str, str], int | None] = lambda _method, _what: None
        self.storing = threading.Event()
        self.storing.set()
        self._redis_url = redis_url
        self._reader = threading.Thread(target=self._read_streams, daemon=True)

    def start(self) -> Self:
        if self._redis_url is not None:
            self._reader.start()
        return super().start()

    def stop(self) -> None:
        super().stop()
        self.storing.set()
        if self._redis_url is not None:
            self._reader.join(5)

    def treatment(self, call: Call) -> Treatment | None:
        status = self.fault(call.method, call.what)
        return super().treatment(call) if status is None else Page(status)

    @property
    def requests(self) -> list[str]:
        """Each call's method and what it asked for."""
        with self.changed:
            return [f"{call.method} {call.what}" for call in self.calls]

    @property
    def registrations(self) -> list[dict[str, Any]]:
        return [call.body for call in self.named("executors") if call.status == 200]

    @property
    def executor_beats(self) -> list[list[str]]:
        return [call.body["running"] for call in self.named("executors/heartbeat") if call.status == 200]

    def wait(self, what: Callable[[], bool], seconds: float = 120.0) -> None:
        """Until `what` holds; fails the test otherwise."""
        assert self.holds_within(what, seconds), "it did not happen in time"

    def wait_end(self, run: FakeRun, seconds: float = 120.0) -> dict[str, Any]:
        """Until the run is finished and all its output stored; returns what `finish` said."""
        self.wait(lambda: run.complete, seconds)
        assert run.finish is not None
        return run.finish

    def _read_streams(self) -> None:
        """Store what arrives, then remove it; `storing` holds that back."""
        assert self._redis_url is not None
        client = RedisAddress.parse(self._redis_url).client(socket_timeout=5)
        while not self.stopped.is_set():
            self.storing.wait()
            try:
                for stream in (EVENTS_STREAM, LOGS_STREAM):
                    rows: Any = client.xrange(stream, count=200)
                    for entry, fields in rows:
                        self._store(stream, fields)
                        client.xdel(stream, entry)
            except redis_py.RedisError:
                pass
            self.stopped.wait(0.02)
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


def wait_until(what: Callable[[], bool], seconds: float = 60.0) -> None:
    """For what no condition variable announces, such as a process's end."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
