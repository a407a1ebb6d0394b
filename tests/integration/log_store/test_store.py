"""Log chunks into a real object store and a real database."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from drover_log_store.chunks import prepare
from drover_log_store.store import LogStore
from drover_shared.domain.errors import InfrastructureError
from drover_shared.domain.keys import chunk_key
from drover_shared.messages.streams import Fields
from drover_shared.objects import ObjectStore
from drover_shared.settings import S3Settings
from sqlalchemy import Engine, text
from support.output import chunk_fields, entry
from support.runs import RunRow, make_run


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


@pytest.fixture
def objects(s3: S3Settings) -> ObjectStore:
    return ObjectStore(s3)


@pytest.fixture
def store(engine: Engine, objects: ObjectStore, threads: ThreadPoolExecutor) -> LogStore:
    return LogStore(engine, objects, threads)


@pytest.fixture
def run(engine: Engine) -> RunRow:
    return make_run(engine)


def put(store: LogStore, *fields: Fields) -> None:
    store.store(prepare([entry(each, number) for number, each in enumerate(fields)]))


def rows(engine: Engine, sql: str) -> list[Any]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def test_chunks_become_objects_and_rows(
    engine: Engine, store: LogStore, objects: ObjectStore, run: RunRow
) -> None:
    put(store, chunk_fields(run, 0, 0, b"one\n"), chunk_fields(run, 1, 4, b"\x1b[0;32mtwo\xff\x00"))
    assert rows(engine, "SELECT seq, storage_key, byte_offset, byte_length FROM log_chunks ORDER BY seq") == [
        (0, f"jobs/{run.id}/chunk-0000.log", 0, 4),
        (1, f"jobs/{run.id}/chunk-0001.log", 4, 12),
    ]
    assert objects.get(chunk_key(run.id, 1)) == b"\x1b[0;32mtwo\xff\x00"
    assert rows(engine, "SELECT received::text, bytes FROM run_log_progress") == [("{[0,2)}", 16)]


def test_the_first_content_of_a_seq_stays(
    engine: Engine, store: LogStore, objects: ObjectStore, run: RunRow
) -> None:
    put(store, chunk_fields(run, 0, 0, b"first"), chunk_fields(run, 0, 0, b"second"))
    put(store, chunk_fields(run, 0, 0, b"third!"), chunk_fields(run, 2, 9, b"x"))
    assert objects.get(chunk_key(run.id, 0)) == b"first"
    assert rows(engine, "SELECT received::text, bytes FROM run_log_progress") == [("{[0,1),[2,3)}", 6)]


def test_a_damaged_chunk_stays_missing(engine: Engine, store: LogStore, run: RunRow) -> None:
    damaged = {**chunk_fields(run, 0, 0, b"good"), b"body": b"evil"}
    put(store, damaged, chunk_fields(run, 1, 4, b"x"))
    assert rows(engine, "SELECT received::text FROM run_log_progress") == [("{[1,2)}",)]
    assert rows(engine, "SELECT reason FROM dead_letters") == [("sha256: does not match the body",)]


def test_only_the_runs_own_token_writes(engine: Engine, store: LogStore, run: RunRow) -> None:
    put(store, chunk_fields(run, 0, 0, b"x", token="drs_other"))
    put(store, chunk_fields(replace(run, job_id=run.job_id + 1), 0, 0, b"x"))
    assert rows(engine, "SELECT reason FROM dead_letters ORDER BY id") == [("wrong token",), ("wrong job",)]
    assert rows(engine, "SELECT * FROM log_chunks") == []


def test_a_store_that_is_away_leaves_nothing_behind(
    engine: Engine, s3: S3Settings, threads: ThreadPoolExecutor, store: LogStore, run: RunRow
) -> None:
    away = LogStore(engine, ObjectStore(replace(s3, endpoint="http://127.0.0.1:9")), threads)
    fields = [chunk_fields(run, seq, seq, b"x") for seq in range(3)]
    with pytest.raises(InfrastructureError):
        put(away, *fields)
    assert rows(engine, "SELECT * FROM log_chunks") == []
    put(store, *fields)
    assert rows(engine, "SELECT received::text, bytes FROM run_log_progress") == [("{[0,3)}", 3)]
