"""What an attempt has produced and the platform has not stored yet; PostgreSQL subtracts the ranges."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

MAX_RANGES = 100
FIRST_EVENT, FIRST_CHUNK = 1, 0

Ranges = list[list[int]]

_STORED = text("""
WITH events AS (SELECT received FROM run_event_progress WHERE job_run_id = :run_id),
     log AS (SELECT received, bytes FROM run_log_progress WHERE job_run_id = :run_id)
SELECT
    (SELECT upper(part) - 1 FROM events, unnest(received) AS part WHERE part @> CAST(:first_event AS bigint)),
    (SELECT upper(part) - 1 FROM log, unnest(received) AS part WHERE part @> CAST(:first_chunk AS bigint)),
    coalesce((SELECT bytes FROM log), 0),
    ARRAY(SELECT ARRAY[lower(gap), upper(gap) - 1]
          FROM unnest(int8multirange(int8range(:first_event, :end_of_events))
                      - coalesce((SELECT received FROM events), '{}')) AS gap
          ORDER BY 1 LIMIT :limit),
    ARRAY(SELECT ARRAY[lower(gap), upper(gap) - 1]
          FROM unnest(int8multirange(int8range(:first_chunk, :end_of_log))
                      - coalesce((SELECT received FROM log), '{}')) AS gap
          ORDER BY 1 LIMIT :limit)
""")


@dataclass(frozen=True, slots=True)
class Gaps:
    """Inclusive ranges of seqs, at most 100 of each kind, lowest first."""

    missing: Ranges
    missing_log: Ranges


@dataclass(frozen=True, slots=True)
class Stored:
    """`committed_seq`: the event up to which all are stored, 0 where the first is not.

    `committed_log_seq`: the same of chunks, -1 where the first is not; `log_bytes`: of all stored chunks.
    """

    committed_seq: int
    committed_log_seq: int
    log_bytes: int
    gaps: Gaps


def stored(session: Session, run_id: UUID, last_seq: int, last_log_seq: int) -> Stored:
    """What is stored of a run, and what is not of its events 1…`last_seq` and chunks 0…`last_log_seq`."""
    values = {
        "run_id": run_id,
        "first_event": FIRST_EVENT,
        "first_chunk": FIRST_CHUNK,
        "end_of_events": max(last_seq + 1, FIRST_EVENT),
        "end_of_log": max(last_log_seq + 1, FIRST_CHUNK),
        "limit": MAX_RANGES,
    }
    seq, log_seq, log_bytes, missing, missing_log = session.execute(_STORED, values).one()
    return Stored(
        FIRST_EVENT - 1 if seq is None else seq,
        FIRST_CHUNK - 1 if log_seq is None else log_seq,
        log_bytes,
        Gaps(missing, missing_log),
    )
