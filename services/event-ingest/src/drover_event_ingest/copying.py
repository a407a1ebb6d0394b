"""Rows into `job_events` by COPY."""

import io
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

COLUMNS = (
    "job_run_id, seq, job_id, timestamp, event_type, host, task_name, play_name, changed, failed, "
    "stdout_snippet, data"
)
_READ_BYTES = 1024 * 1024
_STAGE = f"""
    CREATE TEMPORARY TABLE staged_events ON COMMIT DROP AS SELECT {COLUMNS} FROM job_events WITH NO DATA
"""  # noqa: S608 - names of this program's own
_UNSTAGE = f"""
    INSERT INTO job_events ({COLUMNS}) SELECT {COLUMNS} FROM staged_events ORDER BY job_run_id, seq
    ON CONFLICT (job_run_id, seq) DO NOTHING RETURNING job_run_id::text, seq
"""  # noqa: S608 - names of this program's own


def copy_rows(connection: Connection, rows: Iterable[bytes]) -> None:
    """Straight into the table; raises psycopg2's UniqueViolation where a row is there already."""
    _copy(_cursor(connection), "job_events", rows)


def stage_rows(connection: Connection, rows: Iterable[bytes]) -> set[tuple[UUID, int]]:
    """Through a staging table; returns (run id, seq) of the rows that were not there before."""
    cursor = _cursor(connection)
    cursor.execute(_STAGE)
    _copy(cursor, "staged_events", rows)
    cursor.execute(_UNSTAGE)
    return {(UUID(run_id), seq) for run_id, seq in cursor.fetchall()}


def _cursor(connection: Connection) -> Any:
    return connection.connection.cursor()


def _copy(cursor: Any, table: str, rows: Iterable[bytes]) -> None:
    cursor.copy_expert(f"COPY {table} ({COLUMNS}) FROM STDIN", io.BytesIO(b"".join(rows)), size=_READ_BYTES)
