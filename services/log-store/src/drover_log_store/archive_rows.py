"""The rows of archives: which log is to be archived next, by whom, and what became of it.

`stale_seconds` is how long whoever began an archive has for it; then it may be begun anew.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, Engine, text

_PAGE = 500
_NEXT = text("""
    SELECT p.job_run_id AS run_id, r.final_log_chunks AS chunks, r.final_log_sha256 AS sha256,
        a.storage_key AS old_key
    FROM run_log_progress AS p JOIN job_runs AS r ON r.id = p.job_run_id
    LEFT JOIN log_archives AS a ON a.job_run_id = p.job_run_id
    WHERE NOT p.settled AND r.final_log_chunks IS NOT NULL AND p.bytes = r.final_log_bytes
      AND p.received @> int8range(0, r.final_log_chunks)
      AND (a.job_run_id IS NULL OR a.started_at < now() - make_interval(secs => :stale))
    LIMIT 1 FOR UPDATE OF p SKIP LOCKED
""")
_CLAIM = text("""
    INSERT INTO log_archives AS a (job_run_id, storage_key) VALUES (:run, :key)
    ON CONFLICT (job_run_id) DO UPDATE SET storage_key = excluded.storage_key, started_at = now()
    WHERE a.ready_at IS NULL AND a.started_at < now() - make_interval(secs => :stale)
""")
_LOCK = text("SELECT job_run_id FROM run_log_progress WHERE job_run_id = :run FOR UPDATE")
_SETTLE = text("UPDATE run_log_progress SET settled = true WHERE job_run_id = :run")
_FINISH = text("""
    UPDATE log_archives SET ready_at = now(), member_bytes = :bytes, member_ends = :ends
    WHERE job_run_id = :run AND storage_key = :key AND ready_at IS NULL
""")
_MOVE = text("UPDATE log_chunks SET storage_key = :key WHERE job_run_id = :run")
_GIVE_UP = text(
    "DELETE FROM log_archives WHERE job_run_id = :run AND storage_key = :key AND ready_at IS NULL"
)
_CHUNKS = text("""
    SELECT seq, storage_key FROM log_chunks WHERE job_run_id = :run AND seq > :after ORDER BY seq LIMIT :page
""")
_REMOVABLE = text("""
    SELECT job_run_id FROM log_archives
    WHERE ready_at < now() - make_interval(secs => :grace) AND chunks_removed_at IS NULL
    ORDER BY ready_at LIMIT 1
""")
_REMOVED = text("UPDATE log_archives SET chunks_removed_at = now() WHERE job_run_id = :run")


@dataclass(frozen=True, slots=True)
class FinishedLog:
    """A complete log; `old_key` is the object of somebody who began to archive it and is gone."""

    run_id: UUID
    chunks: int
    sha256: str
    old_key: str | None


def next_log(connection: Connection, stale_seconds: float) -> FinishedLog | None:
    """A log that nobody is archiving, its progress row locked; None where there is none."""
    row = connection.execute(_NEXT, {"stale": stale_seconds}).mappings().one_or_none()
    return None if row is None else FinishedLog(**row)


def claim(connection: Connection, run: UUID, key: str, stale_seconds: float) -> bool:
    """Whether the archive `key` of this run is now the caller's to make."""
    return connection.execute(_CLAIM, {"run": run, "key": key, "stale": stale_seconds}).rowcount == 1


def settle(connection: Connection, run: UUID) -> None:
    """No archive is to be made of this log any more."""
    connection.execute(_SETTLE, {"run": run})


def finish(connection: Connection, run: UUID, key: str, member_bytes: int, ends: Sequence[int]) -> bool:
    """The archive is what readers read from now on; False where it is not the caller's any more.

    The progress row is locked first, as everywhere, so that nothing deadlocks.
    """
    connection.execute(_LOCK, {"run": run})
    values = {"run": run, "key": key, "bytes": member_bytes, "ends": list(ends)}
    if connection.execute(_FINISH, values).rowcount == 0:
        return False
    connection.execute(_MOVE, {"run": run, "key": key})
    settle(connection, run)
    return True


def give_up(connection: Connection, run: UUID, key: str) -> None:
    """Let go of an archive that the caller was making, so that it can be begun again at once."""
    connection.execute(_GIVE_UP, {"run": run, "key": key})


def abandon(connection: Connection, run: UUID, key: str) -> None:
    """Let go of an archive that can never be made: the chunks stay what readers read from."""
    settle(connection, run)
    give_up(connection, run, key)


def chunks_of(engine: Engine, run: UUID) -> Iterator[tuple[int, str]]:
    """(seq, key) of a run's chunks in order; no connection is held in between."""
    after = -1
    while True:
        with engine.connect() as connection:
            rows = connection.execute(_CHUNKS, {"run": run, "after": after, "page": _PAGE}).all()
        if not rows:
            return
        yield from ((seq, key) for seq, key in rows)
        after = rows[-1].seq


def next_removable(connection: Connection, grace_seconds: float) -> UUID | None:
    """A run whose archive has been ready for so long that nobody still reads its chunks."""
    run: UUID | None = connection.scalar(_REMOVABLE, {"grace": grace_seconds})
    return run


def mark_removed(connection: Connection, run: UUID) -> None:
    connection.execute(_REMOVED, {"run": run})
