"""Jobs whose time is over go with everything they left, and no others."""

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from drover_scheduler import retention
from drover_scheduler.retention import count_expired, keep_retention, remove_some
from drover_shared.clock import FakeClock
from drover_shared.db.models import Job, JobRun
from drover_shared.domain.errors import InfrastructureError
from drover_shared.ids import new_run_id
from drover_shared.objects import ObjectStore, s3_client
from drover_shared.settings import S3Settings
from drover_shared.streams.progress import Progress, StalledError
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session
from support.job_rows import add_job
from support.output_rows import store_archive, store_events, store_log, store_summary
from support.services import service_env
from support.waiting import eventually

TABLES = (
    "jobs",
    "job_runs",
    "job_events",
    "job_host_summaries",
    "run_event_progress",
    "run_log_progress",
    "log_chunks",
    "log_archives",
)
LOG = [b"PLAY [all]\n", b"ok: [web01]\n"]


def add_old_job(db: Session, store: ObjectStore, days: int, status: str = "successful", **values: Any) -> int:
    """A job that ended so many days ago (or never, while active), with events and log; its id."""
    ended = None if status == "running" else datetime.now(UTC) - timedelta(days=days)
    job = add_job(db, status=status, finished_at=ended, **values)
    run = new_run_id()
    state = status if status in ("running", "canceled") else "successful"
    db.add(JobRun(id=run, job_id=job.id, attempt_number=1, state=state))
    db.flush()
    store_events(db, run, job.id, [1, 2, 3])
    store_summary(db, run, job.id, "web01", ok=3)
    store_log(db, store, run, job.id, LOG)
    if status == "canceled":
        store_archive(db, store, run, b"".join(LOG), 8)
    return job.id


@pytest.fixture
def store(s3: S3Settings) -> ObjectStore:
    return ObjectStore(s3)


@pytest.fixture
def jobs(engine: Engine, store: ObjectStore) -> dict[str, int]:
    """By what is said of them: two are over, one is too young, one is old but runs."""
    with Session(engine) as db, db.begin():
        return {
            "old": add_old_job(db, store, 400),
            "canceled": add_old_job(db, store, 300, "canceled"),
            "young": add_old_job(db, store, 10),
            "active": add_old_job(db, store, 0, "running", created_at=datetime(2020, 1, 1, tzinfo=UTC)),
        }


def rows(engine: Engine, sql: str) -> list[Any]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def kept(engine: Engine) -> set[int]:
    return {job for (job,) in rows(engine, "SELECT id FROM jobs")}


def runs_with_objects(s3: S3Settings) -> set[str]:
    found = s3_client(s3).list_objects_v2(Bucket=s3.bucket).get("Contents", [])
    return {item["Key"].split("/")[1] for item in found}


def test_only_jobs_that_are_over_go_and_nothing_of_them_stays(
    engine: Engine, store: ObjectStore, s3: S3Settings, jobs: dict[str, int]
) -> None:
    with engine.connect() as connection:
        found = count_expired(connection, 100)
    assert (found.jobs, found.runs, found.events) == (2, 2, 6)
    assert found.log_bytes == 2 * sum(map(len, LOG))
    assert remove_some(engine, store.delete_many, 100) == 2
    assert remove_some(engine, store.delete_many, 100) == 0
    assert kept(engine) == {jobs["young"], jobs["active"]}
    runs = {str(run) for (run,) in rows(engine, "SELECT id FROM job_runs")}
    assert len(runs) == 2
    for table in TABLES[2:]:
        left = {str(run) for (run,) in rows(engine, f"SELECT DISTINCT job_run_id FROM {table}")}  # noqa: S608
        assert left <= runs, table
    assert runs_with_objects(s3) == runs


def test_a_store_that_is_away_costs_no_row(engine: Engine, jobs: dict[str, int]) -> None:
    def fail(_: Sequence[str]) -> None:
        raise InfrastructureError("away")

    with pytest.raises(InfrastructureError):
        remove_some(engine, fail, 100)
    assert kept(engine) == set(jobs.values())


def test_a_slow_store_does_not_leave_the_transaction_idle(
    engine: Engine, store: ObjectStore, jobs: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database ends what is idle for half a minute: between some objects and more it gets a word."""
    monkeypatch.setattr(retention, "_OBJECTS_AT_ONCE", 2)
    idle_since = []

    def delete(keys: Sequence[str]) -> None:
        assert len(keys) <= 2
        sql = "SELECT state_change FROM pg_stat_activity WHERE state = 'idle in transaction'"
        idle_since.extend(rows(engine, f"{sql} AND datname = current_database()"))
        store.delete_many(keys)

    assert remove_some(engine, delete, 100) == 2
    assert len(idle_since) == 3
    assert idle_since == sorted(set(idle_since))
    assert kept(engine) == {jobs["young"], jobs["active"]}


def test_a_loop_that_hangs_in_the_store_is_noticed(
    engine: Engine, store: ObjectStore, jobs: dict[str, int]
) -> None:
    clock, stop, hangs, goes_on = FakeClock(datetime.now(UTC)), *(threading.Event() for _ in range(3))
    progress = Progress(clock, 600)

    def delete(keys: Sequence[str]) -> None:
        hangs.set()
        assert goes_on.wait(60)
        store.delete_many(keys)

    thread = keep_retention(engine, delete, stop, 100, progress)
    assert hangs.wait(60)
    progress.check()
    clock.advance(601)
    with pytest.raises(StalledError):
        progress.check()
    goes_on.set()
    eventually("they are gone", lambda: kept(engine) == {jobs["young"], jobs["active"]})
    stop.set()
    thread.join(10)
    progress.check()


def test_what_another_has_in_hand_is_left_to_it(
    engine: Engine, store: ObjectStore, jobs: dict[str, int]
) -> None:
    with Session(engine) as other, other.begin():
        other.get_one(Job, jobs["old"], with_for_update=True)
        assert remove_some(engine, store.delete_many, 100) == 1
    assert jobs["old"] in kept(engine)


def test_a_frozen_inventory_goes_with_its_last_job_unless_it_is_the_newest(
    engine: Engine, store: ObjectStore, jobs: dict[str, int]
) -> None:
    used = dict(rows(engine, "SELECT id, inventory_snapshot_id FROM jobs"))
    remove_some(engine, store.delete_many, 100)
    left = {snapshot for (snapshot,) in rows(engine, "SELECT id FROM inventory_snapshots")}
    assert left == {used[jobs["young"]], used[jobs["active"]]}
    remove_some(engine, store.delete_many, 5)
    assert {snapshot for (snapshot,) in rows(engine, "SELECT id FROM inventory_snapshots")} == {
        used[jobs["active"]]
    }


def test_the_command_only_counts_unless_told(
    engine: Engine, database_url: str, s3: S3Settings, jobs: dict[str, int]
) -> None:
    def command(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "drover_scheduler", "job-retention", *arguments],
            env={**os.environ, **service_env(database_url, "redis://unused", s3)},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    assert command("--days", "100") == (0, "2 jobs (2 runs, 6 events, 0.0 MB of log) would be removed\n")
    assert kept(engine) == set(jobs.values())
    assert command("--days", "100", "--apply")[1].startswith("2 jobs removed")
    assert kept(engine) == {jobs["young"], jobs["active"]}
    assert command("--days", "0")[0] == 2


def test_it_is_found_by_an_index(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        query = "SELECT id FROM jobs WHERE finished_at < now() - interval '1 day' ORDER BY finished_at"
        plan = connection.scalars(text(f"EXPLAIN {query}")).all()
    assert any("ix_jobs_finished_at" in line for line in plan)
