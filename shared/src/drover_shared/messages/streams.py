"""Batches of events and log chunks on Redis Streams.

An entry's fields are bytes: `type`, `version`, `id` (UUID of the message), `job_run_id`, `job_id`, `token`
(the run's stream token), and `body`. The token lets its holder write this attempt's output and nothing else.
Event bodies are a JSON array of events; a log chunk's body is its raw bytes, placed by `seq` and `offset`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import orjson

from drover_shared.messages.commands import MessageError

EVENTS_STREAM = "job-events"
EVENTS_GROUP = "event-ingest"
LOGS_STREAM = "log-chunks"
LOGS_GROUP = "log-store"

EVENTS_TYPE = "events.batch"
LOG_TYPE = "log.chunk"
VERSION = 1

STREAM_LIMIT = 2_000  # entries that may wait; whoever would add more keeps its output and comes again
MAX_BATCH_BYTES = 512 * 1024  # an executor cuts a batch before it grows beyond this
MAX_EVENT_BYTES = 256 * 1024  # an event's data over this is cut, with data.truncated = true
MAX_SNIPPET_CHARS = 4096
MAX_CHUNK_BYTES = 256 * 1024

Fields = Mapping[bytes, bytes]


def run_channel(run_id: UUID) -> str:
    """The pub/sub channel that says "something new" of a run; its payload is events, log or state."""
    return f"drover:run:{run_id}"


@dataclass(frozen=True, slots=True)
class Head:
    """Who wrote an entry, and of which run."""

    job_run_id: UUID
    job_id: int
    token: str = field(repr=False)
    id: UUID


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Events of one run, each as in specification 2.7 without `id`, `job_id` and `job_run_id`.

    Keys of an event: seq (from 1), timestamp (RFC 3339), event_type, host, task_name, play_name,
    stdout_snippet (each text or None) and data (an object).
    """

    job_run_id: UUID
    job_id: int
    token: str = field(repr=False)
    events: Sequence[Mapping[str, Any]]
    id: UUID = field(default_factory=uuid4)


@dataclass(frozen=True, slots=True)
class LogChunk:
    """One piece of a run's log: `seq` from 0, `offset` the bytes before it."""

    job_run_id: UUID
    job_id: int
    token: str = field(repr=False)
    seq: int
    offset: int
    body: bytes
    id: UUID = field(default_factory=uuid4)


def encode_events(batch: EventBatch) -> dict[bytes, bytes]:
    """A batch as the fields of a stream entry."""
    return {**_head(EVENTS_TYPE, batch), b"body": orjson.dumps(list(batch.events))}


def decode_events(fields: Fields) -> EventBatch:
    """The batch in a stream entry; MessageError names the field that is wrong.

    Only the envelope is checked: one broken event must not cost its neighbours, so each is judged alone.
    """
    head = read_events_head(fields)
    return EventBatch(head.job_run_id, head.job_id, head.token, read_events_body(fields), head.id)


def read_events_head(fields: Fields) -> Head:
    """The envelope of a batch, its body unread; MessageError names the field that is wrong."""
    return _read_head(EVENTS_TYPE, fields)


def read_events_body(fields: Fields) -> list[dict[str, Any]]:
    """The events of a batch, none of them judged. Raises MessageError."""
    try:
        events = _loads(fields[b"body"])
    except (KeyError, ValueError, RecursionError):
        raise MessageError("body: not JSON") from None
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise MessageError("body: not an array of objects")
    return events


def encode_chunk(chunk: LogChunk) -> dict[bytes, bytes]:
    """A chunk as the fields of a stream entry, with the SHA-256 of its body."""
    return {
        **_head(LOG_TYPE, chunk),
        b"seq": str(chunk.seq).encode(),
        b"offset": str(chunk.offset).encode(),
        b"sha256": sha256(chunk.body).hexdigest().encode(),
        b"body": chunk.body,
    }


def decode_chunk(fields: Fields) -> LogChunk:
    """The chunk in a stream entry; MessageError names the field that is wrong."""
    head = _read_head(LOG_TYPE, fields)
    seq, offset = _number(fields, b"seq"), _number(fields, b"offset")
    body = fields.get(b"body")
    if body is None:
        raise MessageError("body: missing")
    if sha256(body).hexdigest().encode() != fields.get(b"sha256"):
        raise MessageError("sha256: does not match the body")
    return LogChunk(head.job_run_id, head.job_id, head.token, seq, offset, body, head.id)


def _loads(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body)  # takes lone surrogates, which Ansible's modules do print; ingest cleans them


def _head(kind: str, message: EventBatch | LogChunk) -> dict[bytes, bytes]:
    return {
        b"type": kind.encode(),
        b"version": str(VERSION).encode(),
        b"id": str(message.id).encode(),
        b"job_run_id": str(message.job_run_id).encode(),
        b"job_id": str(message.job_id).encode(),
        b"token": message.token.encode(),
    }


def _read_head(kind: str, fields: Fields) -> Head:
    if fields.get(b"type") != kind.encode() or fields.get(b"version") != str(VERSION).encode():
        raise MessageError(f"type, version: not {kind} {VERSION}")
    try:
        run_id, message_id = UUID(fields[b"job_run_id"].decode()), UUID(fields[b"id"].decode())
        token = fields[b"token"].decode()
    except (KeyError, ValueError):
        raise MessageError("id, job_run_id, token: missing or malformed") from None
    return Head(run_id, _number(fields, b"job_id"), token, message_id)


def _number(fields: Fields, name: bytes) -> int:
    value = fields.get(name, b"")
    if not value.isdigit() or len(value) > 18:  # noqa: PLR2004 - digits of a signed 64-bit integer, less one
        raise MessageError(f"{name.decode()}: not a whole number")
    return int(value)
