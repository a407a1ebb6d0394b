"""Events and log chunks by HTTP: put on the same streams as those of executors that reach the queue."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, cast

import redis
from drover_shared import traces
from drover_shared.db.models import JobRun
from drover_shared.domain.errors import FieldError, InfrastructureError, InvalidError, TooLargeError
from drover_shared.messages.streams import (
    EVENTS_STREAM,
    LOGS_STREAM,
    MAX_BATCH_BYTES,
    MAX_CHUNK_BYTES,
    STREAM_LIMIT,
    EventBatch,
    LogChunk,
    encode_chunk,
    encode_events,
)
from drover_shared.pause import Pause


class OutputQueue:
    """The streams of output. A Redis that does not answer costs one request `client`'s time-out.

    While the pause after that lasts everybody is sent away at once: executors keep their output and come
    again, and the threads that serve heartbeats stay free.
    """

    def __init__(self, client: "redis.Redis", pause: Pause | None = None) -> None:
        self._client, self._pause = client, pause or Pause()

    def put_events(self, run: JobRun, token: str, events: Sequence[Mapping[str, Any]]) -> None:
        """Add a batch to the stream. Raises TooLargeError, and InfrastructureError where that is full."""
        batch = EventBatch(job_run_id=run.id, job_id=run.job_id, token=token, events=events)
        fields = encode_events(batch)
        if len(fields[b"body"]) > 2 * MAX_BATCH_BYTES:
            raise TooLargeError(f"A batch of events holds at most {MAX_BATCH_BYTES} bytes.")
        self._add(EVENTS_STREAM, fields)

    def put_chunk(self, run: JobRun, token: str, seq: int, offset: int, body: bytes) -> None:
        """Add a chunk to the stream. Raises TooLargeError, and InfrastructureError where that is full."""
        if len(body) > MAX_CHUNK_BYTES:
            raise TooLargeError(f"A log chunk holds at most {MAX_CHUNK_BYTES} bytes.")
        chunk = LogChunk(job_run_id=run.id, job_id=run.job_id, token=token, seq=seq, offset=offset, body=body)
        self._add(LOGS_STREAM, encode_chunk(chunk))

    def close(self) -> None:
        self._client.close()

    def _add(self, stream: str, fields: dict[bytes, bytes]) -> None:
        """The request's span goes along, as an executor's does that reaches the queue itself."""
        if (trace := traces.current()) is not None:
            fields = {**fields, traces.HEADER.encode(): trace.encode()}
        if self._pause.lasts:
            raise InfrastructureError("queue: it did not answer a moment ago")
        try:
            if self._client.xlen(stream) >= STREAM_LIMIT:
                raise InfrastructureError(f"stream {stream} is full")
            self._client.xadd(stream, cast("Any", fields))
        except redis.RedisError as error:
            self._pause.begin()
            raise InfrastructureError(f"queue: {type(error).__name__}") from error


def decoded(body: str) -> bytes:
    """The bytes of a chunk's `body`, base64 in JSON; raises InvalidError."""
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidError(FieldError("/body", "Not valid base64.")) from None
