"""Events and log chunks as an executor would make them."""

from collections.abc import Iterable, Mapping
from typing import Any

from drover_shared.messages.streams import (
    EVENTS_STREAM,
    LOGS_STREAM,
    EventBatch,
    Fields,
    LogChunk,
    encode_chunk,
    encode_events,
)
from drover_shared.streams.group import Entry
from redis import Redis

from support.runs import RunRow


def event(seq: int, kind: str = "TASK_OK", host: str | None = "web01", **data: Any) -> dict[str, Any]:
    """An event at second `seq` of a fixed hour."""
    return {
        "seq": seq,
        "timestamp": f"2025-12-10T09:{seq // 60 % 60:02}:{seq % 60:02}.123Z",
        "event_type": kind,
        "host": host,
        "task_name": "Install nginx",
        "play_name": "Configure web servers",
        "stdout_snippet": f"changed: [{host}]",
        "data": data,
    }


def batch_fields(run: RunRow, events: Iterable[Mapping[str, Any]], token: str | None = None) -> Fields:
    """The fields of a stream entry."""
    return encode_events(
        EventBatch(job_run_id=run.id, job_id=run.job_id, token=token or run.token, events=list(events))
    )


def entry(fields: Fields, number: int = 1) -> Entry:
    return Entry(f"1760000000000-{number}".encode(), fields)


def send_events(client: Redis, run: RunRow, events: Iterable[Mapping[str, Any]]) -> None:
    """Put one batch on the stream."""
    client.xadd(EVENTS_STREAM, dict(batch_fields(run, events)))  # type: ignore[arg-type]


def chunk_fields(run: RunRow, seq: int, offset: int, body: bytes, token: str | None = None) -> Fields:
    """The fields of a stream entry."""
    return encode_chunk(
        LogChunk(
            job_run_id=run.id, job_id=run.job_id, token=token or run.token, seq=seq, offset=offset, body=body
        )
    )


def send_chunk(client: Redis, run: RunRow, seq: int, offset: int, body: bytes) -> None:
    """Put one chunk on the stream."""
    client.xadd(LOGS_STREAM, dict(chunk_fields(run, seq, offset, body)))  # type: ignore[arg-type]
