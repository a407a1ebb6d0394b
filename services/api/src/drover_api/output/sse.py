"""Server-sent events: a run's events in the order of their seq, without a gap, to the end."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any
from uuid import UUID

from drover_shared.db.models import JobEvent
from sqlalchemy.orm import Session

from drover_api.live import sse
from drover_api.output.attempts import first_attempt, number_after, prefix_of
from drover_api.output.boards import Boards
from drover_api.output.lists import FILTERS, filtered_events
from drover_api.output.schemas import EventSchema
from drover_api.output.status import RunStatus

BATCH = 100  # events of up to 256 KiB each
Page = tuple[bytes, int]


async def event_stream(
    boards: Boards,
    run_id: UUID,
    last_seq: int,
    filters: Mapping[str, Any],
    prefix: str = "",
    place: int | None = None,
) -> AsyncGenerator[bytes, None]:
    """The run's events after `last_seq`, as they are stored, then `event: end`.

    `id:` is the seq behind `prefix`. Only contiguous events are told: one behind a gap waits until the gap is
    filled. Where the process stops, the stream just breaks off, so that the reader connects again.
    `place`: of a slice's run, what its seqs are told with; its job has another end.
    """
    wanted = tuple((name, str(filters[name])) for name in FILTERS if name in filters)
    async with boards.runs.watch(run_id) as watch:
        while True:
            version, status = watch.version, watch.state
            if status is not None and last_seq < status.last_event_seq:
                until = _until(last_seq, status.last_event_seq, filters)
                key = ("events", run_id, last_seq, until, wanted, prefix, place)
                given = (boards.sessions, run_id, last_seq, until, filters, prefix, place or 0)
                page, last_seq = await boards.reads.get(key, _size, _read, *given)
                yield page
            elif status is None or status.events_over:
                if place is None:
                    yield sse.message(_end(run_id, status), event="end")
                return
            elif not await watch.news(version):
                yield sse.PING


async def job_event_stream(
    boards: Boards, job_id: int, last_id: str, filters: Mapping[str, Any]
) -> AsyncGenerator[bytes, None]:
    """As `event_stream`, of the job's current attempt; it waits for the first, and without one just ends."""
    async with aclosing(first_attempt(boards, job_id)) as attempts:
        async for job in attempts:
            if job is None or job.run_id is None:
                yield sse.PING
                continue
            last_seq = number_after(last_id, job.attempt, filters.get("after_seq", 0))
            prefix = prefix_of(job.attempt)
            async with aclosing(event_stream(boards, job.run_id, last_seq, filters, prefix)) as stream:
                async for piece in stream:
                    yield piece
            return
    yield sse.message(_end(None, None), event="end")


def _read(
    sessions: Callable[[], Session],
    run_id: UUID,
    after: int,
    until: int,
    filters: Mapping[str, Any],
    prefix: str,
    place: int,
) -> Page:
    """The next messages, and the seq up to which they go."""
    query = filtered_events(run_id, filters).where(JobEvent.seq > after, JobEvent.seq <= until)
    with sessions() as session:
        rows = list(session.scalars(query.order_by(JobEvent.seq).limit(BATCH)))
    dump = EventSchema().dump
    told = [(dump(row), row.seq + place) for row in rows]
    page = b"".join(sse.message(one | {"seq": seq}, message_id=f"{prefix}{seq}") for one, seq in told)
    return page, rows[-1].seq if len(rows) == BATCH else until


def _until(after: int, last: int, filters: Mapping[str, Any]) -> int:
    """Up to where the next page goes: what is long stored is cut alike for whoever comes when.

    With a filter there may be little on many such pages, so they go as far as they can.
    """
    return last if filters.keys() & set(FILTERS) else min(last, (after // BATCH + 1) * BATCH)


def _size(page: Page) -> int:
    return len(page[0])


def _end(run_id: UUID | None, status: RunStatus | None) -> dict[str, Any]:
    return {
        "job_run_id": None if run_id is None else str(run_id),
        "state": None if status is None else status.state,
        "job_status": None if status is None else status.job_status,
        "complete": status is not None and status.events_complete,
    }
