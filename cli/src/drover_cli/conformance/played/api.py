"""The internal API in this process: it keeps what executors bring, and writes every call down."""

import threading
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from typing import Any, Self

from drover_cli.conformance.played.handler import Handler
from drover_cli.conformance.played.runs import Call, PlayedRun, Treat, Treatment, nothing_special


class PlayedApi:
    """Start it, `add` runs, read their fields and `calls`. All of it is in memory.

    `treat` may make something else of any call, before the run's own `treat` is asked.
    """

    def __init__(self, registration_token: str, lease_seconds: float, beat_seconds: float) -> None:
        self.registration_token = registration_token
        self.lease_seconds, self.beat_seconds = lease_seconds, beat_seconds
        self.drain = False
        self.runs: dict[str, PlayedRun] = {}
        self.executor_tokens: dict[int, str] = {}
        self.calls: list[Call] = []
        self.treat: Treat = nothing_special
        self.answer_finish: Callable[[PlayedRun], bool] = lambda _run: True
        self.changed = threading.Condition()
        self.stopped = threading.Event()
        self._server = _Server(("127.0.0.1", 0), type("OfApi", (Handler,), {"api": self}))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def add(self, run: PlayedRun) -> None:
        """Offer it to whoever asks for work."""
        with self.changed:
            self.runs[str(run.id)] = run
            self.changed.notify_all()

    def set_drain(self, drain: bool) -> None:
        """What heartbeats of executors answer; whoever waits for work is sent away."""
        with self.changed:
            self.drain = drain
            self.changed.notify_all()

    def holds_within(self, what: Callable[[], bool], seconds: float) -> bool:
        """Whether `what` holds before so much time is over; asked after every call."""
        with self.changed:
            return self.changed.wait_for(what, seconds)

    def treatment(self, call: Call) -> Treatment | None:
        """What becomes of a call; None: what should."""
        run = self.runs.get(call.about)
        return self.treat(call) or (run.treat(call) if run is not None else None)

    def note(self, call: Call) -> None:
        with self.changed:
            self.calls.append(call)
            self.changed.notify_all()

    def answered(self, call: Call, status: int) -> None:
        with self.changed:
            call.status = status
            self.changed.notify_all()

    def of_run(self, run: PlayedRun, what: str = "") -> list[Call]:
        """The calls about a run, in the order in which they came."""
        with self.changed:
            calls = list(self.calls)
        wanted = f"job-runs/{what}" if what else ""
        return [call for call in calls if call.about == str(run.id) and wanted in ("", call.what)]

    def named(self, what: str) -> list[Call]:
        """The calls of one kind, such as `executors/next`."""
        with self.changed:
            return [call for call in self.calls if call.what == what]

    def store_events(self, run: PlayedRun, events: list[dict[str, Any]]) -> None:
        with self.changed:
            for event in events:
                run.doubles += event["seq"] in run.events
                run.events.setdefault(event["seq"], event)
            self.changed.notify_all()

    def store_chunk(self, run: PlayedRun, seq: int, body: bytes) -> None:
        with self.changed:
            run.doubles += seq in run.chunks
            run.chunks.setdefault(seq, body)
            self.changed.notify_all()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """An executor that was killed leaves its requests open: that is what is tried here."""
