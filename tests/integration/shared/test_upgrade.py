"""From the first schema to this release's, while people work: nobody waits long, and nothing is lost."""

import threading
from collections.abc import Iterator
from typing import Any

import psycopg2.errors
import pytest
from drover_shared.clock import SystemClock
from drover_shared.db import migrate
from drover_shared.db.engine import make_engine
from drover_shared.db.migrate import is_migrated, upgrade
from drover_shared.db.partitions import partition_name
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import OperationalError
from support.servers import StackServers
from support.transactions import Transactions

FIRST = "0001"
ROWS = 2_000
# Longer than any lock on a busy machine. The rules for migrations keep locks short; this keeps them finite.
PATIENCE = "20s"

_SNAPSHOT = text(
    "INSERT INTO inventory_snapshots (inventory_id, version, manifest) VALUES (1, 1, '{}') RETURNING id"
)
_JOBS = text("""
    INSERT INTO jobs (name, organization_id, inventory_id, project_id, inventory_snapshot_id, project,
                      playbook, credential_ids, extra_vars, tags, skip_tags, artifacts)
    SELECT 'job ' || number, 1, 1, 1, :snapshot, '{}', 'site.yml', '{}', '{}', '{}', '{}', '{}'
    FROM generate_series(1, :count) AS number
""")
# A row in each of the other tables that grow, for each of the jobs.
_OUTPUT = """
    INSERT INTO job_runs (id, job_id, attempt_number) SELECT gen_random_uuid(), id, 1 + id % 2 FROM jobs;
    INSERT INTO job_events (job_run_id, seq, job_id, timestamp, event_type, host, changed, data)
    SELECT id, 1, job_id, now(), 'TASK_OK', 'web1', true, '{}' FROM job_runs;
    INSERT INTO job_host_summaries (job_run_id, host, job_id) SELECT id, 'web1', job_id FROM job_runs;
    INSERT INTO run_event_progress (job_run_id, job_id) SELECT id, job_id FROM job_runs;
    INSERT INTO run_log_progress (job_run_id, job_id) SELECT id, job_id FROM job_runs;
    INSERT INTO log_chunks (job_run_id, seq, storage_key, byte_offset, byte_length, sha256)
    SELECT id, 1, 'key', 0, 1, 'sum' FROM job_runs;
    INSERT INTO activity (action, resource_type) SELECT 'launch', 'job' FROM jobs;
"""


@pytest.fixture
def old_url(stack_servers: StackServers) -> Iterator[str]:
    """A database as the first migration made it, with jobs in it."""
    name = "upgraded"
    stack_servers.sql(f"CREATE DATABASE {name}")
    url = stack_servers.database_url(name)
    upgrade(url, FIRST)
    engine = create_engine(url)
    with engine.begin() as connection:
        snapshot = connection.scalar(_SNAPSHOT)
        connection.execute(_JOBS, {"snapshot": snapshot, "count": ROWS})
        connection.execute(text(_OUTPUT))
    engine.dispose()
    yield url
    stack_servers.drop_database(name)


class Worker(threading.Thread):
    """Adds a job again and again until `stop`, as an old release would go on doing."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine
        self.stop = threading.Event()
        self.added = 0
        self.started = threading.Event()
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            while not self.stop.is_set():
                with self._engine.begin() as connection:
                    self._add(connection)
                self.added += 1
                self.started.set()
        except Exception as error:  # noqa: BLE001 - the test judges it
            self.error = error

    def _add(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{PATIENCE}'")
        snapshot = connection.scalar(text("SELECT min(id) FROM inventory_snapshots"))
        connection.execute(_JOBS, {"snapshot": snapshot, "count": 1})


def test_the_upgrade_lets_others_work(old_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = create_engine(old_url)
    watched: list[Transactions] = []

    def make(url: str, **options: Any) -> Engine:
        made = make_engine(url, **options)
        watched.append(Transactions(made))
        return made

    monkeypatch.setattr(migrate, "make_engine", make)
    assert not is_migrated(engine)
    workers = [Worker(engine) for _ in range(2)]
    for worker in workers:
        worker.start()
        assert worker.started.wait(30)
    upgrade(old_url)
    assert watched[0].slow == []
    assert watched[0].keeping > 5  # it does see locks
    before = [worker.added for worker in workers]
    for worker in workers:
        worker.stop.set()
        worker.join(30)
    assert [worker.error for worker in workers] == [None] * 2
    assert all(before)
    with engine.connect() as connection:
        count = connection.scalar(text("SELECT count(*) FROM jobs"))
    assert count == ROWS + sum(worker.added for worker in workers)
    assert is_migrated(engine)
    engine.dispose()


def test_a_migration_that_would_hold_others_up_is_seen(old_url: str) -> None:
    engine = create_engine(old_url)
    transactions = Transactions(engine)
    for slow in ("CREATE INDEX ix ON jobs (name)", "ALTER TABLE jobs ADD CONSTRAINT ck CHECK (forks > 0)"):
        with engine.begin() as connection:
            connection.execute(text(slow))
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE jobs ADD COLUMN quick integer NOT NULL DEFAULT 0"))
    engine.dispose()
    assert transactions.slow == [f"migration 0001 looked at {ROWS} rows while it kept ['jobs']"] * 2


def test_a_table_in_use_is_waited_for_without_holding_others_up(old_url: str) -> None:
    """The migration stands in the table's queue for less than a second; those behind it go on then."""
    engine = create_engine(old_url)
    reader = engine.connect()
    reader.execute(text("SELECT count(*) FROM jobs"))  # its transaction stays open, and holds the table
    migrating = threading.Thread(target=upgrade, args=(old_url,))
    migrating.start()
    worker = Worker(engine)
    worker.start()
    try:
        assert worker.started.wait(30)
    finally:
        reader.close()
        migrating.join(60)
        worker.stop.set()
        worker.join(30)
    assert worker.error is None
    assert is_migrated(engine)
    engine.dispose()


def test_a_table_that_stays_in_use_ends_the_try(old_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drover_shared.db.migrate._PAUSES", (0.0, None))
    engine = create_engine(old_url)
    with engine.connect() as reader:
        reader.execute(text("SELECT count(*) FROM jobs"))
        with pytest.raises(OperationalError) as caught:
            upgrade(old_url)
    assert isinstance(caught.value.orig, psycopg2.errors.LockNotAvailable)
    upgrade(old_url)
    assert is_migrated(engine)
    engine.dispose()


_CHILDREN = text("""
    SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'ix_job_events_changed'::regclass
""")


def test_an_index_of_all_events_is_built_ahead_and_taken_over(stack_servers: StackServers) -> None:
    """Partition by partition, concurrently; one that an earlier try left half made is made again."""
    stack_servers.sql("CREATE DATABASE indexed")
    url = stack_servers.database_url("indexed")
    engine = create_engine(url)
    try:
        upgrade(url, "0012_traces")
        half_made = f"{partition_name(SystemClock().now().date())}_changed"
        with engine.begin() as connection:
            table = half_made.removesuffix("_changed")
            connection.execute(text(f"CREATE INDEX {half_made} ON {table} (job_run_id, seq) WHERE changed"))
            connection.execute(
                text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(:name)"),
                {"name": half_made},
            )
        upgrade(url)
        with engine.connect() as connection:
            children = set(connection.scalars(_CHILDREN))
            partitions = set(
                connection.scalars(
                    text(
                        "SELECT inhrelid::regclass::text FROM pg_inherits "
                        "WHERE inhparent = 'job_events'::regclass"
                    )
                )
            )
            invalid = connection.scalar(text("SELECT count(*) FROM pg_index WHERE NOT indisvalid"))
        assert children == {f"{partition}_changed" for partition in partitions}
        assert half_made in children
        assert invalid == 0
    finally:
        engine.dispose()
        stack_servers.drop_database("indexed")
