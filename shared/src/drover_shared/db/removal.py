"""Removing finished jobs with everything they left, on a user's word or when their time is over."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, select
from sqlalchemy.orm import aliased

from drover_shared.db.models import (
    DeadLetter,
    InventorySnapshot,
    Job,
    JobEvent,
    JobHostSummary,
    JobRun,
    LogArchive,
    LogChunkRow,
    RunEventProgress,
    RunLogProgress,
)
from drover_shared.domain.keys import chunk_key

_OUTPUT: tuple[Any, ...] = (
    JobEvent,
    JobHostSummary,
    RunEventProgress,
    RunLogProgress,
    LogChunkRow,
    LogArchive,
    DeadLetter,
)


def with_slices(connection: Connection, job_ids: Sequence[int]) -> list[int]:
    """These jobs and the slices of those that have some."""
    return [*job_ids, *connection.scalars(select(Job.id).where(Job.sliced_job_id.in_(job_ids)))]


def runs_of(connection: Connection, job_ids: Sequence[int]) -> list[UUID]:
    """Every attempt of these jobs."""
    return list(connection.scalars(select(JobRun.id).where(JobRun.job_id.in_(job_ids))))


def log_objects(connection: Connection, run_ids: Sequence[UUID]) -> list[str]:
    """Keys of the runs' chunks, also those that an archive has taken the place of, and of archives."""
    chunks = select(LogChunkRow.job_run_id, LogChunkRow.seq).where(LogChunkRow.job_run_id.in_(run_ids))
    archives = select(LogArchive.storage_key).where(LogArchive.job_run_id.in_(run_ids))
    return [*(chunk_key(run, seq) for run, seq in connection.execute(chunks)), *connection.scalars(archives)]


def remove_jobs(connection: Connection, job_ids: Sequence[int], run_ids: Sequence[UUID]) -> None:
    """The rows of these jobs and their runs. Their log objects must be gone: nothing names them later."""
    for table in _OUTPUT:
        connection.execute(delete(table).where(table.job_run_id.in_(run_ids)))
    connection.execute(delete(Job).where(Job.id.in_(job_ids)))


def remove_snapshots(connection: Connection, snapshot_ids: Collection[int]) -> int:
    """Those of them that no job was launched with and that are not their inventory's newest; how many.

    Raises IntegrityError where a relaunch takes one at this moment.
    """
    newer = aliased(InventorySnapshot)
    is_older = select(newer.id).where(
        newer.inventory_id == InventorySnapshot.inventory_id, newer.version > InventorySnapshot.version
    )
    is_used = select(Job.id).where(Job.inventory_snapshot_id == InventorySnapshot.id)
    unused = delete(InventorySnapshot).where(
        InventorySnapshot.id.in_(snapshot_ids), is_older.exists(), ~is_used.exists()
    )
    return connection.execute(unused).rowcount
