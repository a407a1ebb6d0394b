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


def put_events(client: "redis.Redis", run: JobRun, token: str, events: Sequence[Mapping[str, Any]]) -> None:
    """Add a batch to the events' stream. Raises TooLargeError, and InfrastructureError where it is full."""
    batch = EventBatch(job_run_id=run.id, job_id=run.job_id, token=token, events=events)
    fields = encode_events(batch)
    if len(fields[b"body"]) > 2 * MAX_BATCH_BYTES:
        raise TooLargeError(f"A batch of events holds at most {MAX_BATCH_BYTES} bytes.")
    _add(client, EVENTS_STREAM, fields)


def put_chunk(client: "redis.Redis", run: JobRun, token: str, seq: int, offset: int, body: bytes) -> None:
    """Add one chunk to the logs' stream. Raises TooLargeError, and InfrastructureError where it is full."""
    if len(body) > MAX_CHUNK_BYTES:
        raise TooLargeError(f"A log chunk holds at most {MAX_CHUNK_BYTES} bytes.")
    chunk = LogChunk(job_run_id=run.id, job_id=run.job_id, token=token, seq=seq, offset=offset, body=body)
    _add(client, LOGS_STREAM, encode_chunk(chunk))


def decoded(body: str) -> bytes:
    """The bytes of a chunk's `body`, base64 in JSON; raises InvalidError."""
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidError(FieldError("/body", "Not valid base64.")) from None


def _add(client: "redis.Redis", stream: str, fields: dict[bytes, bytes]) -> None:
    """The request's span goes along, as an executor's does that reaches the queue itself."""
    if (trace := traces.current()) is not None:
        fields = {**fields, traces.HEADER.encode(): trace.encode()}
    try:
        if client.xlen(stream) >= STREAM_LIMIT:
            raise InfrastructureError(f"stream {stream} is full")
        client.xadd(stream, cast("Any", fields))
    except redis.RedisError as error:
        raise InfrastructureError(f"queue: {type(error).__name__}") from error
