"""What an attempt has produced and the platform has not stored yet; PostgreSQL subtracts the ranges."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

MAX_RANGES = 100
FIRST_EVENT, FIRST_CHUNK = 1, 0

Ranges = list[list[int]]

_MISSING = """
SELECT lower(gap), upper(gap) - 1
FROM (SELECT int8multirange(int8range(:first, :last + 1))
           - coalesce((SELECT received FROM {table} WHERE job_run_id = :run_id), '{{}}') AS gaps) AS produced,
     unnest(gaps) AS gap
ORDER BY 1 LIMIT :limit
"""
_WATERMARK = """
SELECT upper(part) - 1 FROM {table}, unnest(received) AS part
WHERE job_run_id = :run_id AND part @> CAST(:first AS bigint)
"""
_TABLES = ("run_event_progress", "run_log_progress")
_MISSING_OF = {table: text(_MISSING.format(table=table)) for table in _TABLES}
_WATERMARK_OF = {table: text(_WATERMARK.format(table=table)) for table in _TABLES}
_LOG_BYTES = text("SELECT bytes FROM run_log_progress WHERE job_run_id = :run_id")


@dataclass(frozen=True, slots=True)
class Gaps:
    """Inclusive ranges of seqs, at most 100 of each kind, lowest first."""

    missing: Ranges
    missing_log: Ranges


def gaps(session: Session, run_id: UUID, last_seq: int, last_log_seq: int) -> Gaps:
    """What is not stored of events 1…`last_seq` and chunks 0…`last_log_seq`."""
    return Gaps(
        missing=_missing(session, "run_event_progress", run_id, FIRST_EVENT, last_seq),
        missing_log=_missing(session, "run_log_progress", run_id, FIRST_CHUNK, last_log_seq),
    )


def committed_seq(session: Session, run_id: UUID) -> int:
    """The event seq up to which all are stored; 0 where the first is not."""
    return _watermark(session, "run_event_progress", run_id, FIRST_EVENT)


def committed_log_seq(session: Session, run_id: UUID) -> int:
    """The chunk seq up to which all are stored; -1 where the first is not."""
    return _watermark(session, "run_log_progress", run_id, FIRST_CHUNK)


def stored_log_bytes(session: Session, run_id: UUID) -> int:
    """The bytes of all stored chunks."""
    return session.execute(_LOG_BYTES, {"run_id": run_id}).scalar() or 0


def _missing(session: Session, table: str, run_id: UUID, first: int, last: int) -> Ranges:
    if last < first:
        return []
    values = {"run_id": run_id, "first": first, "last": last, "limit": MAX_RANGES}
    return [[low, high] for low, high in session.execute(_MISSING_OF[table], values)]


def _watermark(session: Session, table: str, run_id: UUID, first: int) -> int:
    found = session.execute(_WATERMARK_OF[table], {"run_id": run_id, "first": first}).scalar()
    return first - 1 if found is None else int(found)
