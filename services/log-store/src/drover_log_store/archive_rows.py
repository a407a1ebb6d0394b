"""The rows of archives: which log is to be archived next, by whom, and what became of it.

Whoever makes an archive holds a lease on it and renews it; once it is over, anybody may begin anew. The
database's clock decides.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
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
      AND (a.job_run_id IS NULL OR a.lease_until < now())
    LIMIT 1 FOR UPDATE OF p SKIP LOCKED
""")
_CLAIM = text("""
    INSERT INTO log_archives AS a (job_run_id, storage_key, lease_until)
    VALUES (:run, :key, now() + make_interval(secs => :seconds))
    ON CONFLICT (job_run_id) DO UPDATE
    SET storage_key = excluded.storage_key, started_at = now(), lease_until = excluded.lease_until
    WHERE a.ready_at IS NULL AND a.lease_until < now()
""")
_RENEW = text("""
    UPDATE log_archives SET lease_until = now() + make_interval(secs => :seconds)
    WHERE job_run_id = :run AND storage_key = :key AND ready_at IS NULL
""")
_LOCK = text("SELECT job_run_id FROM run_log_progress WHERE job_run_id = :run FOR UPDATE")
_SETTLE = text("UPDATE run_log_progress SET settled = true WHERE job_run_id = :run")
_FINISH = text("""
    UPDATE log_archives
    SET ready_at = now(), member_bytes = :bytes, member_ends = :ends, part_lines = :lines, part_crcs = :crcs
    WHERE job_run_id = :run AND storage_key = :key AND ready_at IS NULL
""")
_TELL = text("UPDATE job_runs SET final_log_sha256 = :sha256 WHERE id = :run AND final_log_sha256 IS NULL")
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
    """A complete log; `old_key` is the object of somebody who began to archive it and is gone.

    `sha256` is None where its executor could not tell: each chunk was checked against its own when it came.
    """

    run_id: UUID
    chunks: int
    sha256: str | None
    old_key: str | None


@dataclass(slots=True)
class Parts:
    """Of `size` bytes of the log each (but the last): where they end in the object, the line feeds so far,
    and the CRC-32 of what each holds.
    """

    size: int
    ends: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    crcs: list[int] = field(default_factory=list)


def next_log(connection: Connection) -> FinishedLog | None:
    """A log that nobody is archiving, its progress row locked; None where there is none."""
    row = connection.execute(_NEXT).mappings().one_or_none()
    return None if row is None else FinishedLog(**row)


def claim(connection: Connection, run: UUID, key: str, seconds: float) -> bool:
    """Whether the archive `key` of this run is now the caller's to make, for so long."""
    return connection.execute(_CLAIM, {"run": run, "key": key, "seconds": seconds}).rowcount == 1


def renew(connection: Connection, run: UUID, key: str, seconds: float) -> bool:
    """Whether it still is, for so long from now."""
    return connection.execute(_RENEW, {"run": run, "key": key, "seconds": seconds}).rowcount == 1


def settle(connection: Connection, run: UUID) -> None:
    """No archive is to be made of this log any more."""
    connection.execute(_SETTLE, {"run": run})


def finish(connection: Connection, run: UUID, key: str, parts: Parts, sha256: str | None) -> bool:
    """The archive is what readers read from now on; False where it is not the caller's any more.

    `sha256` is what to note of a log whose executor told none.

    The progress row is locked first, as everywhere, so that nothing deadlocks.
    """
    connection.execute(_LOCK, {"run": run})
    found = {"bytes": parts.size, "ends": parts.ends, "lines": parts.lines, "crcs": parts.crcs}
    if connection.execute(_FINISH, {"run": run, "key": key, **found}).rowcount == 0:
        return False
    connection.execute(_MOVE, {"run": run, "key": key})
    if sha256 is not None:
        connection.execute(_TELL, {"run": run, "sha256": sha256})
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
