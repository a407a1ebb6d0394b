"""The rows of log chunks, and the run's progress row that is the lock on them."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from drover_shared.db.models import LogChunkRow
from drover_shared.streams.ranges import Ranges
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import insert

from drover_log_store.chunks import Chunk

_MAKE = text("""
    INSERT INTO run_log_progress (job_run_id, job_id)
    SELECT * FROM unnest(CAST(:runs AS uuid[]), CAST(:jobs AS bigint[])) ON CONFLICT DO NOTHING
""")
_LOCK = text("""
    SELECT job_run_id FROM run_log_progress WHERE job_run_id = ANY(CAST(:runs AS uuid[]))
    ORDER BY job_run_id FOR UPDATE
""")
_KNOWN = text("""
    SELECT job_run_id, seq FROM log_chunks
    JOIN unnest(CAST(:runs AS uuid[]), CAST(:seqs AS bigint[])) AS wanted (job_run_id, seq)
    USING (job_run_id, seq)
""")
_ADVANCE = text("""
    UPDATE run_log_progress
    SET received = received + CAST(:received AS int8multirange), bytes = bytes + :bytes
    WHERE job_run_id = :run
""")


def lock_runs(connection: Connection, jobs: Mapping[UUID, int]) -> None:
    """Make the progress rows that are missing and lock all in id order, so that nothing deadlocks."""
    runs = sorted(jobs)
    names = [str(run) for run in runs]
    connection.execute(_MAKE, {"runs": names, "jobs": [jobs[run] for run in runs]})
    connection.execute(_LOCK, {"runs": names})


def new_chunks(connection: Connection, chunks: Sequence[Chunk]) -> list[Chunk]:
    """The chunks that have no row yet; of several with one seq the first."""
    runs, seqs = [str(chunk.run_id) for chunk in chunks], [chunk.seq for chunk in chunks]
    seen = {(run, seq) for run, seq in connection.execute(_KNOWN, {"runs": runs, "seqs": seqs})}
    new: dict[tuple[UUID, int], Chunk] = {}
    for chunk in chunks:
        if (chunk.run_id, chunk.seq) not in seen:
            new.setdefault((chunk.run_id, chunk.seq), chunk)
    return list(new.values())


def add_chunks(connection: Connection, chunks: Iterable[Chunk]) -> None:
    """Rows for chunks whose objects are stored, and each run's progress with them."""
    by_run: dict[UUID, list[Chunk]] = {}
    for chunk in chunks:
        by_run.setdefault(chunk.run_id, []).append(chunk)
    rows = [_row(chunk) for found in by_run.values() for chunk in found]
    if rows:
        connection.execute(insert(LogChunkRow), rows)
    for run, found in by_run.items():
        received = str(Ranges.of(chunk.seq for chunk in found))
        size = sum(len(chunk.body) for chunk in found)
        connection.execute(_ADVANCE, {"run": run, "received": received, "bytes": size})


def _row(chunk: Chunk) -> dict[str, object]:
    return {
        "job_run_id": chunk.run_id,
        "seq": chunk.seq,
        "storage_key": chunk.key,
        "byte_offset": chunk.offset,
        "byte_length": len(chunk.body),
        "sha256": chunk.sha256,
    }
