"""Server-sent events: a run's events in the order of their seq, without a gap, to the end."""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from drover_shared.db.models import JobEvent
from sqlalchemy.orm import Session

from drover_api.output.lists import filtered_events
from drover_api.output.live import LOOK_SECONDS, PING_SECONDS, Bell, RunStatus, Source, first_run, run_status
from drover_api.output.schemas import EventSchema

BATCH = 500
_PING = b": ping\n\n"


def event_stream(source: Source, run_id: UUID, last_seq: int, filters: Mapping[str, Any]) -> Iterator[bytes]:
    """The run's events after `last_seq`, as they are stored, then `event: end`.

    `id:` is the seq. Only contiguous events are told: one behind a gap waits until the gap is filled. A
    connection of the database is held while it is asked, not while the reader waits. Where the process
    stops, the stream just breaks off, so that the reader connects again.
    """
    bell = Bell(source.redis, run_id)
    quiet = 0.0
    yield b"retry: 2000\n\n"
    try:
        while not source.stopping.is_set():
            with source.sessions() as session:
                status = run_status(session, run_id)
                rows = [] if status is None else _after(session, run_id, last_seq, status, filters)
            yield from map(_message, rows)
            if len(rows) == BATCH:
                last_seq = rows[-1].seq
                continue
            last_seq = last_seq if status is None else max(last_seq, status.last_event_seq)
            if status is None or status.events_over:
                yield _end(run_id, status)
                return
            quiet = 0.0 if rows else quiet + LOOK_SECONDS
            if quiet >= PING_SECONDS:
                quiet = 0.0
                yield _PING
            bell.wait(LOOK_SECONDS)
    finally:
        bell.close()


def job_event_stream(
    source: Source, job_id: int, last_seq: int, filters: Mapping[str, Any]
) -> Iterator[bytes]:
    """As `event_stream`, of the job's first attempt, for which it waits; without one it just ends."""
    for run_id in first_run(source, job_id):
        if run_id is not None:
            yield from event_stream(source, run_id, last_seq, filters)
            return
        yield _PING
    if not source.stopping.is_set():
        yield _end(None, None)


def _after(
    session: Session, run_id: UUID, last_seq: int, status: RunStatus, filters: Mapping[str, Any]
) -> list[JobEvent]:
    query = filtered_events(run_id, filters).where(
        JobEvent.seq > last_seq, JobEvent.seq <= status.last_event_seq
    )
    return list(session.scalars(query.order_by(JobEvent.seq).limit(BATCH)))


def _message(event: JobEvent) -> bytes:
    data = json.dumps(EventSchema().dump(event), ensure_ascii=False)
    return f"id: {event.seq}\ndata: {data}\n\n".encode()


def _end(run_id: UUID | None, status: RunStatus | None) -> bytes:
    data = {
        "job_run_id": None if run_id is None else str(run_id),
        "state": None if status is None else status.state,
        "job_status": None if status is None else status.job_status,
        "complete": status is not None and status.events_complete,
    }
    return f"event: end\ndata: {json.dumps(data)}\n\n".encode()
