"""The run's progress row: the lock on its output, and the watermark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from drover_shared.streams.ranges import Ranges
from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, DateTime, Integer, Text, Uuid

from drover_event_ingest.counting import JobTotals

_MAKE = text("""
    INSERT INTO run_event_progress (job_run_id, job_id)
    SELECT * FROM unnest(CAST(:runs AS uuid[]), CAST(:jobs AS bigint[])) ON CONFLICT DO NOTHING
""")
_LOCK = text("""
    SELECT job_run_id, received::text FROM run_event_progress
    WHERE job_run_id = ANY(CAST(:runs AS uuid[])) ORDER BY job_run_id FOR UPDATE
""")
_TOTALS = ("total", "ok", "failed", "unreachable", "skipped", "changed")
_UPDATE = text(f"""
    UPDATE run_event_progress AS p SET
        received = p.received + CAST(a.received AS int8multirange), events = p.events + a.events,
        last_event_at = greatest(p.last_event_at, a.last),
        {", ".join(f"hosts_{name} = p.hosts_{name} + a.{name}" for name in _TOTALS)}
    FROM unnest(:runs, :received, :events, :last, {", ".join(f":{name}" for name in _TOTALS)})
        AS a (run, received, events, last, {", ".join(_TOTALS)})
    WHERE p.job_run_id = a.run
""").bindparams(  # noqa: S608 - the names are this program's
    bindparam("runs", type_=ARRAY(Uuid)),
    bindparam("received", type_=ARRAY(Text)),
    bindparam("events", type_=ARRAY(BigInteger)),
    bindparam("last", type_=ARRAY(DateTime(timezone=True))),
    *(bindparam(name, type_=ARRAY(Integer)) for name in _TOTALS),
)


@dataclass(frozen=True, slots=True)
class Advance:
    """How a run's progress moves: seqs dealt with, event rows added, and its totals' change."""

    run_id: UUID
    seqs: Ranges
    events: int
    last_event_at: datetime | None
    totals: JobTotals


def lock_progress(connection: Connection, jobs: Mapping[UUID, int]) -> dict[UUID, Ranges]:
    """Make the rows that are missing, lock all in id order, and return the seqs dealt with so far.

    Both steps go in id order: whoever waits for a row holds only smaller ones, so nothing deadlocks.
    """
    runs = sorted(jobs)
    names = [str(run) for run in runs]
    connection.execute(_MAKE, {"runs": names, "jobs": [jobs[run] for run in runs]})
    return {run: Ranges.parse(received) for run, received in connection.execute(_LOCK, {"runs": names})}


def advance_progress(connection: Connection, advances: Sequence[Advance]) -> None:
    """Move them all at once; the caller holds their rows' locks."""
    if not advances:
        return
    totals = {name: [getattr(advance.totals, name) for advance in advances] for name in _TOTALS}
    connection.execute(
        _UPDATE,
        {
            "runs": [advance.run_id for advance in advances],
            "received": [str(advance.seqs) for advance in advances],
            "events": [advance.events for advance in advances],
            "last": [advance.last_event_at for advance in advances],
            **totals,
        },
    )
