"""Finished logs put into one object: whole, seekable, checked, and at most once."""

import gzip
import random
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from drover_log_store.archiving import Archiver
from drover_log_store.retention import Retention
from drover_shared.clock import FakeClock
from drover_shared.domain.keys import chunk_key
from drover_shared.object_reads import ObjectMissingError
from drover_shared.objects import ObjectStore
from drover_shared.settings import S3Settings
from sqlalchemy import Connection, Engine, text
from sqlalchemy.orm import Session
from support.output_rows import store_log
from support.runs import RunRow, make_run

PIECES = [random.Random(seed).randbytes(700) * 2 + b"ok: [web01]\n" * 90 for seed in range(9)]
WHOLE = b"".join(PIECES)
MEMBER = 4096


@pytest.fixture
def objects(s3: S3Settings) -> ObjectStore:
    return ObjectStore(s3)


def make_archiver(engine: Engine, objects: ObjectStore, grace_seconds: float = 0.0) -> Archiver:
    return Archiver(engine, objects, MEMBER, grace_seconds=grace_seconds, lease_seconds=3600.0)


def finished(
    engine: Engine, objects: ObjectStore, pieces: Sequence[bytes], digest: str | None = ""
) -> RunRow:
    """A run whose whole log is stored, as `finish` promised it."""
    run, whole = make_run(engine), b"".join(pieces)
    with Session(engine) as db, db.begin():
        store_log(db, objects, run.id, run.job_id, pieces)
        db.execute(
            text(
                "UPDATE job_runs SET final_log_chunks = :chunks, final_log_bytes = :bytes,"
                " final_log_sha256 = :digest WHERE id = :run"
            ),
            {
                "chunks": len(pieces),
                "bytes": len(whole),
                "digest": sha256(whole).hexdigest() if digest == "" else digest,
                "run": run.id,
            },
        )
    return run


def rows(engine: Engine, sql: str) -> list[Any]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def archives(engine: Engine) -> list[Any]:
    return rows(
        engine, "SELECT storage_key, member_bytes, member_ends FROM log_archives WHERE ready_at IS NOT NULL"
    )


def test_a_finished_log_becomes_one_object_and_its_chunks_go(engine: Engine, objects: ObjectStore) -> None:
    run, archiver = finished(engine, objects, PIECES), make_archiver(engine, objects)
    assert archiver.archive_next()
    [(key, size, ends)] = archives(engine)
    assert gzip.decompress(objects.get(key)) == WHOLE
    assert (size, len(ends)) == (MEMBER, -(-len(WHOLE) // MEMBER))
    [(lines,)] = rows(engine, "SELECT part_lines FROM log_archives")
    assert (lines[0], lines[-1]) == (WHOLE[:MEMBER].count(b"\n"), WHOLE.count(b"\n"))
    part = zlib.decompressobj(-15).decompress(objects.get(key, ends[1], ends[2]))
    assert part == WHOLE[2 * MEMBER : 3 * MEMBER]
    assert rows(engine, "SELECT DISTINCT storage_key FROM log_chunks") == [(key,)]
    assert objects.get(chunk_key(run.id, 3)) == PIECES[3]
    assert not archiver.archive_next()
    assert not make_archiver(engine, objects, grace_seconds=60.0).remove_next()
    assert archiver.remove_next()
    with pytest.raises(ObjectMissingError):
        objects.get(chunk_key(run.id, 3))
    assert not archiver.remove_next()


def test_only_whole_logs_of_several_chunks(engine: Engine, objects: ObjectStore) -> None:
    finished(engine, objects, PIECES[:1])
    unfinished = finished(engine, objects, PIECES[:2])
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE job_runs SET final_log_bytes = final_log_bytes + 1 WHERE id = :run"),
            {"run": unfinished.id},
        )
    archiver = make_archiver(engine, objects)
    assert archiver.archive_next()  # the small one needs none
    assert not archiver.archive_next()
    assert archives(engine) == []


def test_a_log_that_is_not_what_was_hashed_keeps_its_chunks(engine: Engine, objects: ObjectStore) -> None:
    run = finished(engine, objects, PIECES, digest="0" * 64)
    missing = finished(engine, objects, PIECES)
    objects.delete_many([chunk_key(missing.id, 4)])
    archiver = make_archiver(engine, objects)
    assert archiver.archive_next()
    assert archiver.archive_next()
    assert not archiver.archive_next()
    assert rows(engine, "SELECT * FROM log_archives") == []
    assert rows(engine, "SELECT DISTINCT settled FROM run_log_progress") == [(True,)]
    assert b"".join(objects.get(chunk_key(run.id, seq)) for seq in range(len(PIECES))) == WHOLE


def test_a_log_whose_executor_could_not_hash_it_gets_its_hash(engine: Engine, objects: ObjectStore) -> None:
    finished(engine, objects, PIECES, digest=None)
    assert make_archiver(engine, objects).archive_next()
    assert len(archives(engine)) == 1
    assert rows(engine, "SELECT final_log_sha256 FROM job_runs") == [(sha256(WHOLE).hexdigest(),)]


def test_what_somebody_who_is_gone_began_is_begun_anew(engine: Engine, objects: ObjectStore) -> None:
    run = finished(engine, objects, PIECES)
    objects.put("half.gz", b"half")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO log_archives (job_run_id, storage_key, lease_until)"
                " VALUES (:run, 'half.gz', now() + interval '1 minute')"
            ),
            {"run": run.id},
        )
    assert not make_archiver(engine, objects).archive_next()  # it may still be at work
    with engine.begin() as connection:
        connection.execute(text("UPDATE log_archives SET lease_until = now() - interval '1 second'"))
    assert make_archiver(engine, objects).archive_next()
    assert len(archives(engine)) == 1
    with pytest.raises(ObjectMissingError):
        objects.get("half.gz")


class PassingClock(FakeClock):
    """A minute passes at every look."""

    def monotonic(self) -> float:
        self.advance(60.0)
        return super().monotonic()


@pytest.mark.parametrize("taken", [False, True])
def test_a_lease_is_renewed_on_the_way_and_without_it_nothing_is_made(
    engine: Engine, objects: ObjectStore, taken: bool
) -> None:
    finished(engine, objects, PIECES)
    written = []

    class Watched(ObjectStore):
        def put(self, key: str, body: bytes) -> None:
            written.append(key)
            super().put(key, body)
            sql = "UPDATE log_archives SET lease_until = now() - interval '1 second'"
            sql += ", storage_key = 'of somebody else'" if taken else ""
            with engine.begin() as connection:
                connection.execute(text(sql))

    archiver = Archiver(
        engine, Watched(objects.settings), MEMBER, lease_seconds=60.0, clock=PassingClock(datetime.now(UTC))
    )
    assert archiver.archive_next()
    assert len(archives(engine)) == (0 if taken else 1)
    [lease_is_held] = rows(engine, "SELECT lease_until > now() FROM log_archives")
    assert lease_is_held == (not taken,)
    if taken:
        with pytest.raises(ObjectMissingError):
            objects.get(written[0])


@pytest.mark.parametrize("archived", [False, True])
def test_a_log_whose_time_is_over_goes(engine: Engine, objects: ObjectStore, archived: bool) -> None:
    old, live = (finished(engine, objects, PIECES) for _ in range(2))
    archiver, keys = make_archiver(engine, objects), [chunk_key(old.id, 0)]
    with engine.begin() as connection:
        set_state(connection, old, "successful")
    if archived:
        archiver.archive_next()
        archiver.archive_next()
        keys += [key for key, _, _ in archives(engine) if str(old.id) in key]
        assert len(keys) == 2
    later = FakeClock(datetime.now(UTC) + timedelta(days=10))
    assert not Retention(engine, objects, later, 0).remove_next()
    assert not Retention(engine, objects, later, 11).remove_next()
    retention = Retention(engine, objects, later, 9)
    assert retention.remove_next()
    assert not retention.remove_next()
    for key in keys:
        with pytest.raises(ObjectMissingError):
            objects.get(key)
    assert rows(engine, "SELECT DISTINCT job_run_id FROM log_chunks") == [(live.id,)]
    assert rows(engine, "SELECT count(*) FROM log_archives") == [(1 if archived else 0,)]
    assert objects.get(chunk_key(live.id, 0)) == PIECES[0]


def set_state(connection: Connection, run: RunRow, state: str) -> None:
    connection.execute(text("ALTER TABLE job_runs DISABLE TRIGGER guard_job_runs"))
    connection.execute(
        text("UPDATE job_runs SET state = :state WHERE id = :run"), {"state": state, "run": run.id}
    )


def test_a_big_archive_goes_in_parts(objects: ObjectStore) -> None:
    pieces = [bytes([number]) * 3_000_000 for number in range(7)]
    objects.put_stream("big", iter(pieces))
    assert sha256(objects.get("big")).digest() == sha256(b"".join(pieces)).digest()
