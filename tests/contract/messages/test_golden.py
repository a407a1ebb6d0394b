"""The wire of each released version, frozen: these files never change; a new version adds new ones."""

import json
from pathlib import Path
from uuid import UUID

import pytest
from drover_shared.messages.commands import MessageError, parse_run_available, run_available
from drover_shared.messages.streams import (
    EventBatch,
    LogChunk,
    decode_chunk,
    decode_events,
    encode_chunk,
    encode_events,
)

GOLDEN = Path(__file__).parent / "golden"
RUN = UUID("019a0000-0000-7000-8000-000000000001")
MESSAGE = UUID("00000000-0000-4000-8000-000000000002")
EVENTS = EventBatch(
    job_run_id=RUN,
    job_id=55,
    token="drs_token",
    id=MESSAGE,
    events=[
        {
            "seq": 42,
            "timestamp": "2025-12-10T09:03:11.123Z",
            "event_type": "TASK_OK",
            "host": "web01.example.com",
            "task_name": "Install nginx",
            "play_name": "Configure web servers",
            "stdout_snippet": "changed: [web01.example.com]",
            "data": {"rc": 0, "changed": True},
        }
    ],
)
CHUNK = LogChunk(
    job_run_id=RUN,
    job_id=55,
    token="drs_token",
    id=MESSAGE,
    seq=3,
    offset=196608,
    body=b"ok: [web01]\n\xff\x00",
)


def golden(name: str) -> dict[bytes, bytes]:
    """A stream entry's fields; the file holds them as Latin-1 text, so that any byte can be written."""
    fields = json.loads((GOLDEN / f"{name}.json").read_text())
    return {key.encode("latin-1"): value.encode("latin-1") for key, value in fields.items()}


def test_events_v1() -> None:
    assert encode_events(EVENTS) == golden("events.batch.v1")
    assert decode_events(golden("events.batch.v1")) == EVENTS


def test_log_chunk_v1() -> None:
    assert encode_chunk(CHUNK) == golden("log.chunk.v1")
    assert decode_chunk(golden("log.chunk.v1")) == CHUNK


def test_run_available_v1() -> None:
    body = json.loads((GOLDEN / "run.available.v1.json").read_text())
    assert parse_run_available(body) == RUN
    made = run_available(RUN, "default")
    assert {**made, "id": body["id"]} == body


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (b"type", b"log.chunk", "type, version"),
        (b"version", b"2", "type, version"),
        (b"job_run_id", b"no-uuid", "job_run_id"),
        (b"job_id", b"-1", "job_id"),
        (b"job_id", b"9" * 30, "job_id"),
        (b"token", b"\xff", "token"),
        (b"body", b"{", "body"),
        (b"body", b"{}", "body"),
        (b"body", b"[1]", "body"),
    ],
)
def test_a_broken_envelope_names_its_field(field: bytes, value: bytes, message: str) -> None:
    with pytest.raises(MessageError, match=message):
        decode_events({**golden("events.batch.v1"), field: value})


@pytest.mark.parametrize("field", [b"type", b"version", b"id", b"job_run_id", b"job_id", b"token", b"body"])
def test_a_missing_field_is_an_error(field: bytes) -> None:
    fields = golden("events.batch.v1")
    del fields[field]
    with pytest.raises(MessageError):
        decode_events(fields)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [(b"seq", b"x", "seq"), (b"offset", b"", "offset"), (b"body", b"other", "sha256")],
)
def test_a_broken_chunk_names_its_field(field: bytes, value: bytes, message: str) -> None:
    with pytest.raises(MessageError, match=message):
        decode_chunk({**golden("log.chunk.v1"), field: value})


@pytest.mark.parametrize("body", [{}, {"type": "run.available", "version": 2}, {"type": "run.available"}])
def test_an_unknown_command_is_an_error(body: dict[str, object]) -> None:
    with pytest.raises(MessageError):
        parse_run_available(body)


def test_tokens_stay_out_of_repr() -> None:
    assert "drs_token" not in repr(EVENTS)
    assert "drs_token" not in repr(CHUNK)
