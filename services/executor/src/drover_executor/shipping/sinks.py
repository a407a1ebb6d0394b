"""Where output goes: straight to the streams, or by HTTP to the API, which puts it there."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, cast

import orjson
import redis
from drover_shared import traces
from drover_shared.messages.streams import (
    EVENTS_GROUP,
    EVENTS_STREAM,
    LOGS_GROUP,
    LOGS_STREAM,
    STREAM_LIMIT,
    EventBatch,
    LogChunk,
    encode_chunk,
    encode_events,
)
from drover_shared.redis_address import RedisAddress
from redis.backoff import NoBackoff
from redis.retry import Retry

from drover_executor.client.errors import NotOursError, RefusedError, UnavailableError
from drover_executor.client.run_api import Claim, RunApi
from drover_executor.shipping.ledger import Sent

GROUPS = {EVENTS_STREAM: EVENTS_GROUP, LOGS_STREAM: LOGS_GROUP}
_LENGTH_SECONDS = 0.5  # how long a look at the length is good for
_SOCKET_SECONDS = 3.0
_CONNECT_SECONDS = 1.0


class SinkUnavailableError(Exception):
    """It did not take it now: full or away. The spool keeps it."""


class Sink(Protocol):
    """Takes output; each call may raise SinkUnavailableError."""

    def events(self, batch: Sequence[bytes]) -> bytes | None:
        """Send events (JSON, one each); returns the stream's id of the entry where it is known."""
        ...

    def chunk(self, seq: int, offset: int, data: bytes) -> bytes | None: ...

    def waiting(self, stream: str, suspects: Iterable[Sent]) -> set[bytes]:
        """The ids of those entries that still wait in the stream: they are not lost."""
        ...


MakeSink = Callable[[Claim, int, RunApi], Sink]  # of one attempt and its job


def connect(redis_url: str) -> "redis.Redis":
    """A client with short time-outs and no retries of its own. It connects on first use."""
    return RedisAddress.parse(redis_url).client(
        socket_timeout=_SOCKET_SECONDS,
        socket_connect_timeout=_CONNECT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


class RedisSink:
    """The streams of one attempt. A stream that is full holds the executor back, not Redis's memory."""

    def __init__(
        self,
        client: "redis.Redis",
        claim: Claim,
        job_id: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._claim, self._job_id, self._monotonic = client, claim, job_id, monotonic
        self._looked: dict[str, tuple[float, int]] = {}

    def events(self, batch: Sequence[bytes]) -> bytes | None:
        events = cast("Sequence[Mapping[str, Any]]", [orjson.Fragment(event) for event in batch])
        message = EventBatch(self._claim.run_id, self._job_id, self._claim.stream_token, events)
        return self._add(EVENTS_STREAM, encode_events(message))

    def chunk(self, seq: int, offset: int, data: bytes) -> bytes | None:
        message = LogChunk(self._claim.run_id, self._job_id, self._claim.stream_token, seq, offset, data)
        return self._add(LOGS_STREAM, encode_chunk(message))

    def waiting(self, stream: str, suspects: Iterable[Sent]) -> set[bytes]:
        """Not by reading them: an entry holds its run's token, and Redis keeps executors from reading any."""
        entries = [sent.entry for sent in suspects if sent.entry is not None]
        try:
            return self._in_hand(stream, entries) | self._undelivered(stream, entries)
        except redis.RedisError as error:
            raise SinkUnavailableError(type(error).__name__) from None

    def _in_hand(self, stream: str, entries: Sequence[bytes]) -> set[bytes]:
        """Those that a consumer has, and has not acknowledged."""
        pipeline = self._client.pipeline(transaction=False)
        for entry in entries:
            pipeline.xpending_range(stream, GROUPS[stream], cast("Any", entry), cast("Any", entry), 1)
        found = pipeline.execute(raise_on_error=False)  # an error: there is no such group, or no stream
        return {entry for entry, rows in zip(entries, found, strict=True) if isinstance(rows, list) and rows}

    def _undelivered(self, stream: str, entries: Sequence[bytes]) -> set[bytes]:
        """Those behind the last one delivered, while anything at all waits to be delivered.

        An entry that is gone (with Redis' memory) may count as such until a newer one is delivered.
        """
        length = self._client.xlen(stream)
        if length == 0:
            return set()
        groups = self._client.xinfo_groups(stream)
        group = next((one for one in groups if one["name"] == GROUPS[stream].encode()), None)
        if group is None:
            return set(entries)  # nobody has read yet
        if length <= group["pending"]:
            return set()
        last = _order(group["last-delivered-id"])
        return {entry for entry in entries if _order(entry) > last}

    def _add(self, stream: str, fields: dict[bytes, bytes]) -> bytes | None:
        try:
            if self._length(stream) >= STREAM_LIMIT:
                raise SinkUnavailableError(f"{stream} is full")
            if (trace := traces.current()) is not None:
                fields = {**fields, b"traceparent": trace.encode()}
            return cast("bytes", self._client.xadd(stream, cast("Any", fields)))
        except redis.RedisError as error:
            raise SinkUnavailableError(type(error).__name__) from None

    def _length(self, stream: str) -> int:
        now = self._monotonic()
        looked, length = self._looked.get(stream, (-_LENGTH_SECONDS, 0))
        if now - looked >= _LENGTH_SECONDS:
            length = self._client.xlen(stream)
            self._looked[stream] = (now, length)
        return length


def _order(entry: bytes) -> tuple[int, int]:
    """A stream's id, `milliseconds-number`, as what it sorts by."""
    milliseconds, _, number = entry.partition(b"-")
    return int(milliseconds), int(number)


class HttpSink:
    """Output by HTTP; whether an entry still waits in the stream cannot be seen from here."""

    def __init__(self, api: RunApi) -> None:
        self._api = api

    def events(self, batch: Sequence[bytes]) -> bytes | None:
        self._send(lambda: self._api.send_events(list(batch)))
        return None

    def chunk(self, seq: int, offset: int, data: bytes) -> bytes | None:
        self._send(lambda: self._api.send_chunk(seq, offset, data))
        return None

    def waiting(self, stream: str, suspects: Iterable[Sent]) -> set[bytes]:  # noqa: ARG002 - see the class
        return set()

    def _send(self, call: Callable[[], None]) -> None:
        """What is refused for good is told by the next heartbeat, or found missing at the end."""
        try:
            call()
        except (UnavailableError, RefusedError, NotOursError) as error:
            raise SinkUnavailableError(str(error)) from None
