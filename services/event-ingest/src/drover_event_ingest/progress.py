"""The run's progress row: the lock on its output, and the watermark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from drover_shared.streams.ranges import Ranges
from sqlalchemy import Connection, text

from drover_event_ingest.counting import JobTotals

_MAKE = text("""
    INSERT INTO run_event_progress (job_run_id, job_id)
    SELECT * FROM unnest(CAST(:runs AS uuid[]), CAST(:jobs AS bigint[])) ON CONFLICT DO NOTHING
""")
_LOCK = text("""
    SELECT job_run_id, received::text FROM run_event_progress
    WHERE job_run_id = ANY(CAST(:runs AS uuid[])) ORDER BY job_run_id FOR UPDATE
""")
_UPDATE = text("""
    UPDATE run_event_progress SET
        received = received + CAST(:received AS int8multirange), events = events + :events,
        last_event_at = greatest(last_event_at, :last), hosts_total = hosts_total + :total,
        hosts_ok = hosts_ok + :ok, hosts_failed = hosts_failed + :failed,
        hosts_unreachable = hosts_unreachable + :unreachable, hosts_skipped = hosts_skipped + :skipped,
        hosts_changed = hosts_changed + :changed
    WHERE job_run_id = :run
""")


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
    for advance in advances:
        totals = advance.totals
        connection.execute(
            _UPDATE,
            {
                "run": advance.run_id,
                "received": str(advance.seqs),
                "events": advance.events,
                "last": advance.last_event_at,
                "total": totals.total,
                "ok": totals.ok,
                "failed": totals.failed,
                "unreachable": totals.unreachable,
                "skipped": totals.skipped,
                "changed": totals.changed,
            },
        )
