"""log-store killed as often as one likes, while it stores and archives, by a seed; then all is audited."""

import gzip
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import redis
from drover_shared.domain.keys import chunk_key
from drover_shared.objects import ObjectStore, s3_client
from drover_shared.settings import S3Settings
from sqlalchemy import Engine, text

from support.output import send_chunk
from support.runs import RunRow, make_run
from support.services import service_env
from support.storm import Outcome, Storm, killer, under_fire
from support.waiting import eventually

STREAM = "log-chunks"
USUAL = Storm(seed=1, kills=1000, size=40, seconds_between=0.12)
PROMISE = text(
    "UPDATE job_runs SET final_log_chunks = :chunks, final_log_bytes = :bytes, final_log_sha256 = :digest"
    " WHERE id = :run"
)
ARCHIVED = text("SELECT count(*) FROM log_archives WHERE ready_at IS NOT NULL")


@dataclass(frozen=True)
class Sent:
    """A run's log as its executor had it."""

    run: RunRow
    chunks: list[bytes]

    @property
    def whole(self) -> bytes:
        return b"".join(self.chunks)

    def offset(self, seq: int) -> int:
        return sum(map(len, self.chunks[:seq]))


def make_sent(engine: Engine, rng: random.Random, chunks: int) -> Sent:
    """A run that has ended: its log may be archived as soon as all of it is stored."""
    sent = Sent(make_run(engine), [rng.randbytes(rng.randint(1, 3000)) for _ in range(chunks)])
    promised = {"chunks": chunks, "bytes": len(sent.whole), "digest": sha256(sent.whole).hexdigest()}
    with engine.begin() as connection:
        connection.execute(PROMISE, promised | {"run": sent.run.id})
    return sent


def ride(
    engine: Engine, database_url: str, redis_url: str, s3: S3Settings, log: Path, storm: Storm
) -> Outcome:
    """Raises AssertionError where a byte is missing, double, or somewhere else, or an object is left over."""
    rng, started = random.Random(storm.seed), time.monotonic()
    env = service_env(database_url, redis_url, s3) | {
        "DROVER_CLAIM_IDLE_SECONDS": "0.1",
        "DROVER_LOG_ARCHIVE_LEASE_SECONDS": "2",
    }
    logs: list[Sent] = []

    def more() -> list[tuple[Sent, int]]:
        new = [make_sent(engine, rng, storm.size) for _ in range(3)]
        logs.extend(new)
        chunks = [(sent, seq) for sent in new for seq in range(storm.size)]
        return chunks + [one for one in chunks if rng.random() < 0.3]

    with redis.Redis.from_url(redis_url) as client, killer("drover_log_store", env, log) as kill:
        sends = under_fire(client, STREAM, storm, rng, kill, more, lambda one: _send(client, *one))
        eventually("every log archived", lambda: _archived(engine) == len(logs), 120)
    audit(engine, s3, logs, storm.seed)
    return Outcome(storm, len(logs), sends, time.monotonic() - started)


def audit(engine: Engine, s3: S3Settings, logs: list[Sent], seed: int) -> None:
    """Each log's rows, chunk objects and archive are what was sent, and no other object is there."""
    store, kept = ObjectStore(s3), _keys(s3)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT job_run_id, storage_key FROM log_archives"))
        archives: Mapping[UUID, str] = {row.job_run_id: row.storage_key for row in found}
        stored = {
            run: (received, size)
            for run, received, size in connection.execute(
                text("SELECT job_run_id, received::text, bytes FROM run_log_progress")
            )
        }
        dead = connection.scalar(text("SELECT count(*) FROM dead_letters"))
    expected: set[str] = set()
    for sent in logs:
        run, count = sent.run.id, len(sent.chunks)
        assert stored[run] == (f"{{[0,{count})}}", len(sent.whole)), f"run {run} (seed {seed})"
        keys = [chunk_key(run, seq) for seq in range(count)]
        assert b"".join(map(store.get, keys)) == sent.whole, f"chunks of run {run} (seed {seed})"
        assert gzip.decompress(store.get(archives[run])) == sent.whole, f"archive of {run} (seed {seed})"
        expected |= {*keys, archives[run]}
    assert kept == expected, f"left over: {sorted(kept - expected)[:9]} (seed {seed})"
    assert dead == 0, f"{dead} dead letters (seed {seed})"
    store.close()


def _keys(s3: S3Settings) -> set[str]:
    pages = s3_client(s3).get_paginator("list_objects_v2").paginate(Bucket=s3.bucket)
    return {one["Key"] for page in pages for one in page.get("Contents", [])}


def _send(client: "redis.Redis", sent: Sent, seq: int) -> None:
    send_chunk(client, sent.run, seq, sent.offset(seq), sent.chunks[seq])


def _archived(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(ARCHIVED) or 0)
