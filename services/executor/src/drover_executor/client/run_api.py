"""The calls of one attempt, with its run token."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import UUID

import orjson

from drover_executor.client.transport import Answer, Transport
from drover_executor.lease_clock import lease_clock

Ranges = list[tuple[int, int]]
_SECRET_SECONDS = 15.0
_FACTS_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Claim:
    """A claimed attempt. `claimed_at`: by `lease_clock`, when the claim was sent, before the lease began."""

    run_id: UUID
    run_token: str = field(repr=False)
    stream_token: str = field(repr=False)
    lease_seconds: float
    heartbeat_seconds: float
    claimed_at: float

    @classmethod
    def read(cls, run_id: UUID, answer: Answer, claimed_at: float) -> "Claim":
        """Raises UnavailableError where the answer lacks a field."""
        return cls(
            run_id,
            str(answer["run_token"]),
            str(answer["stream_token"]),
            float(answer["lease_seconds"]),
            float(answer["heartbeat_interval_seconds"]),
            claimed_at,
        )


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored of a run's output, and what is not although it was produced (inclusive ranges)."""

    committed_seq: int = 0
    committed_log_seq: int = -1
    missing: Ranges = field(default_factory=list)
    missing_log: Ranges = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Beat:
    """A heartbeat's answer; `sent_at` is by `lease_clock`."""

    sent_at: float
    cancel: str
    stored: Stored


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the attempt ended, and what it gave to `set_stats`."""

    state: str
    exit_code: int | None = None
    error_reason: str | None = None
    error_detail: str | None = None
    artifacts: dict[str, Any] = field(default_factory=dict)


class RunApi:
    """Each call raises ApiError; nothing here repeats."""

    def __init__(
        self, transport: Transport, claim: Claim, monotonic: Callable[[], float] = lease_clock
    ) -> None:
        self._transport, self._claim, self._monotonic = transport, claim, monotonic

    def manifest(self) -> dict[str, Any]:
        return self._call("GET", "manifest").body

    def credential(self, credential_id: int) -> dict[str, Any]:
        return self._call("GET", f"credentials/{credential_id}", seconds=_SECRET_SECONDS).body

    def facts(self, after: str) -> dict[str, Any]:
        """A page of what earlier jobs gathered: hosts whose names come behind `after`."""
        return self._call("GET", f"facts?after={quote(after, safe='')}", seconds=_FACTS_SECONDS).body

    def keep_facts(self, hosts: list[bytes]) -> None:
        """Hosts with their facts, each as JSON."""
        body = {"hosts": [orjson.Fragment(host) for host in hosts]}
        self._call("PUT", "facts", body, seconds=_FACTS_SECONDS)

    def start(self, revision: str | None) -> str:
        """Returns what is asked of the run: none, graceful or kill."""
        return str(self._call("POST", "start", {"project_revision": revision}).body.get("cancel", "none"))

    def heartbeat(self, last_seq: int, last_log_seq: int, seconds: float) -> Beat:
        sent_at = self._monotonic()
        body = {"last_seq": last_seq, "last_log_seq": last_log_seq}
        answer = self._call("PUT", "heartbeat", body, seconds=seconds)
        return Beat(sent_at, str(answer["cancel"]), _stored(answer))

    def finish(self, outcome: Outcome, produced: dict[str, Any]) -> Stored | None:
        """None when all output is stored, else what is missing."""
        body = {
            "state": outcome.state,
            "exit_code": outcome.exit_code,
            "error_reason": outcome.error_reason,
            "error_detail": outcome.error_detail,
            "artifacts": outcome.artifacts,
            **produced,
        }
        answer = self._call("POST", "finish", body)
        return None if answer["complete"] is True else _stored(answer)

    def send_events(self, events: list[bytes]) -> None:
        """Events (JSON, one each) by HTTP, for an executor that does not reach the queue."""
        body = {"token": self._claim.stream_token, "events": [orjson.Fragment(event) for event in events]}
        self._call("POST", "events", body)

    def send_chunk(self, seq: int, offset: int, chunk: bytes) -> None:
        """One chunk of the log by HTTP."""
        body = {"token": self._claim.stream_token, "seq": seq, "offset": offset}
        self._call("POST", "log-chunks", {**body, "body": base64.b64encode(chunk).decode()})

    def _path(self, what: str) -> str:
        return f"/job-runs/{self._claim.run_id}/{what}"

    def _call(self, method: str, what: str, body: Any = None, *, seconds: float = 10.0) -> Answer:
        return self._transport.call(method, self._path(what), self._claim.run_token, body, seconds=seconds)


def _stored(answer: Answer) -> Stored:
    fields = answer.body
    return Stored(
        int(fields.get("committed_seq", 0)),
        int(fields.get("committed_log_seq", -1)),
        _ranges(fields.get("missing")),
        _ranges(fields.get("missing_log")),
    )


def _ranges(value: Any) -> Ranges:
    return [(int(first), int(last)) for first, last in value or []]
