"""What is stored of a run's output, and whether that is all of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import UUID

from drover_shared.db.host_results import SUMMARY
from drover_shared.db.models import JobRun, RunEventProgress, RunLogProgress
from sqlalchemy import ColumnElement, Select, and_, bindparam, func, literal_column, select
from sqlalchemy.orm import Session

NO_HOSTS: Mapping[str, int] = dict.fromkeys(SUMMARY, 0)


@dataclass(frozen=True, slots=True)
class RunOutput:
    """`last_event_seq` is the watermark: all events up to it are stored.

    Complete means: the attempt's `finish` named its last seq (and its log's size) and all of it is stored.
    Of an attempt that nobody finished (lost, or ended by the platform) it stays false: what it put out is
    kept, and nobody can say whether it was more. One that was never claimed put out nothing, which is
    complete.
    """

    summary: Mapping[str, int] = field(default_factory=lambda: NO_HOSTS)
    last_event_seq: int = 0
    events_complete: bool = False
    log_complete: bool = False
    narrowed: bool = False  # the attempt is for fewer hosts than its job: `summary` is not the job's


def outputs_of(session: Session, run_ids: Iterable[UUID]) -> dict[UUID, RunOutput]:
    """The output of each of these runs, in one query."""
    wanted = list(run_ids)
    if not wanted:
        return {}
    rows = session.execute(_outputs(), {"wanted": wanted})
    return {
        row.id: RunOutput(
            summary={name: getattr(row, name) for name in SUMMARY},
            last_event_seq=row.watermark,
            events_complete=bool(row.events),
            log_complete=bool(row.log),
            narrowed=row.narrowed,
        )
        for row in rows
    }


@cache
def _outputs() -> Select[Any]:
    """Made once: to build it takes longer than to run it."""
    unclaimed = and_(JobRun.claimed_at.is_(None), JobRun.finished_at.is_not(None))
    return (
        select(
            JobRun.id,
            JobRun.limit.is_not(None).label("narrowed"),
            func.coalesce(contiguous_end(RunEventProgress, 1) - 1, 0).label("watermark"),
            (unclaimed | _events_stored()).label("events"),
            (unclaimed | _log_stored()).label("log"),
            *(func.coalesce(getattr(RunEventProgress, name), 0).label(name) for name in SUMMARY),
        )
        .join(RunEventProgress, RunEventProgress.job_run_id == JobRun.id, isouter=True)
        .join(RunLogProgress, RunLogProgress.job_run_id == JobRun.id, isouter=True)
        .where(JobRun.id.in_(bindparam("wanted", expanding=True)))
    )


def contiguous_end(table: type[RunEventProgress | RunLogProgress], first: int) -> ColumnElement[int | None]:
    """For a row of `table`: the seq after the last one up to which all from `first` on are stored."""
    part = func.unnest(table.received).column_valued("part")
    return (
        select(func.upper(part))
        .where(part.op("@>")(literal_column(f"{first}::bigint")))
        .correlate(table)
        .scalar_subquery()
    )


def _events_stored() -> ColumnElement[bool]:
    produced = func.int8range(1, JobRun.final_event_seq + 1)
    return JobRun.final_event_seq.is_not(None) & _holds(RunEventProgress.received, produced)


def _log_stored() -> ColumnElement[bool]:
    produced = func.int8range(0, JobRun.final_log_chunks)
    same_size = func.coalesce(RunLogProgress.bytes, 0) == JobRun.final_log_bytes
    return JobRun.final_log_chunks.is_not(None) & same_size & _holds(RunLogProgress.received, produced)


def _holds(received: object, produced: ColumnElement[object]) -> ColumnElement[bool]:
    stored: ColumnElement[object] = func.coalesce(received, literal_column("'{}'::int8multirange"))
    return stored.op("@>", is_comparison=True)(produced)
