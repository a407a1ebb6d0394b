"""How long anybody waits for a migration: from a revision to this release's, under reads and writes.

    python bench/migrations.py [--rows 1000000] [--from 0001]

A database at the older revision gets so many small events, and a job and a run for each 500 of them, by SQL.
Then five threads read and write as services do, first alone and then beside the migrations. Printed are
the longest statement of each kind, and the longest that anybody waited for a lock, and for whom (PostgreSQL's
own account, looked at every 20 ms): the rule is that nobody waits for over a second. What the migrations
themselves waited for is told apart. Every job waits and has a credential, which is the dearest for them.
50 million events take some 15 GB.
"""

import argparse
import statistics
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, text

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from drover_shared.db.migrate import APPLICATION, is_migrated, upgrade
from drover_shared.db.partitions import ensure_partitions
from drover_shared.logging import configure
from drover_shared.settings import LogSettings
from support.servers import StackServers, running_servers

EACH = 500  # events a run
BATCH = 400  # runs filled at once
ALONE_SECONDS = 10.0
PAUSE_SECONDS = 0.01
LOOK_SECONDS = 0.02
SECONDARY = {
    "ix_job_events_host": "(job_run_id, host, seq)",
    "ix_job_events_type": "(job_run_id, event_type, seq)",
}
CREDENTIAL = text("""
    WITH made AS (INSERT INTO credential_types (name, namespace) VALUES ('bench', 'bench') RETURNING id)
    INSERT INTO credentials (id, name, credential_type_id) SELECT 1, 'bench', id FROM made
""")
SNAPSHOT = text("INSERT INTO inventory_snapshots (inventory_id, version, manifest) VALUES (1, 1, '{}')")
JOBS = text("""
    INSERT INTO jobs (name, organization_id, inventory_id, project_id, inventory_snapshot_id, project,
                      playbook, status, credential_ids, extra_vars, tags, skip_tags, artifacts)
    SELECT 'job ' || number, 1, 1, 1, (SELECT min(id) FROM inventory_snapshots), '{}', 'site.yml', 'pending',
           '{1}', '{}', '{}', '{}', '{}'
    FROM generate_series(1, :count) AS number RETURNING id
""")
RUNS = text("""
    INSERT INTO job_runs (id, job_id, attempt_number, state)
    SELECT uuidv7(), id, 1, 'pending' FROM jobs WHERE id > :after ORDER BY id
""")
FILL = text("""
    INSERT INTO job_events (job_run_id, seq, job_id, timestamp, event_type, host, task_name, changed, data)
    SELECT run.id, seq, run.job_id, now(), 'TASK_OK', 'web' || seq % 100, 'Install nginx', seq % 5 = 0,
           '{"rc": 0}'
    FROM job_runs AS run, generate_series(1, :each) AS seq
    WHERE run.job_id > :low AND run.job_id <= :high ORDER BY run.id, seq
""")
STORE = text("""
    INSERT INTO job_events (job_run_id, seq, job_id, timestamp, event_type, host, task_name, changed, data)
    SELECT uuidv7(), seq, 1, now(), 'TASK_OK', 'web' || seq, 'Install nginx', true, '{"rc": 0}'
    FROM generate_series(1, 100) AS seq
""")
RUN = """(
    SELECT id FROM job_runs
    WHERE job_id = 1 + (random() * (SELECT max(job_id) - 1 FROM job_runs))::bigint LIMIT 1
)"""
LOAD = {
    "store events": STORE,
    "launch a job": JOBS.bindparams(count=1),
    "heartbeat of a run": text(f"UPDATE job_runs SET lease_expires_at = now() WHERE id = {RUN}"),  # noqa: S608 - RUN is ours
    "read a run's events": text(
        f"SELECT * FROM job_events WHERE job_run_id = {RUN} ORDER BY seq LIMIT 50"  # noqa: S608 - the same
    ),
    "list jobs": text("SELECT id, name, status FROM jobs ORDER BY id DESC LIMIT 50"),
}
WAITING = text("""
    SELECT extract(epoch FROM clock_timestamp() - l.waitstart) AS seconds,
           a.application_name = :migrations AS own,
           left(regexp_replace(a.query, '\\s+', ' ', 'g'), 60) AS query,
           (SELECT left(regexp_replace(query, '\\s+', ' ', 'g'), 60) FROM pg_stat_activity
            WHERE pid = ANY (pg_blocking_pids(l.pid)) LIMIT 1) AS holder
    FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
    WHERE NOT l.granted AND l.waitstart IS NOT NULL AND l.locktype <> 'advisory'
""").bindparams(migrations=APPLICATION)
NOBODY = (0.0, "nobody waited")


class Load:
    """Threads that work until they are told to stop, and how long each of their statements took."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._stop = threading.Event()
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.longest_lock = self.own_wait = NOBODY
        self.errors: list[str] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        self.seconds.clear()
        self.longest_lock = self.own_wait = NOBODY
        works = [lambda kind=kind: self._work(kind) for kind in LOAD]
        threads = [threading.Thread(target=work) for work in (*works, self._look)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()
            self._stop.clear()

    def _work(self, kind: str) -> None:
        while not self._stop.wait(PAUSE_SECONDS):
            started = time.perf_counter()
            try:
                with self._engine.begin() as connection:
                    connection.execute(LOAD[kind])
            except Exception as error:  # noqa: BLE001 - told at the end
                self.errors.append(f"{kind}: {type(error).__name__}")
            self.seconds[kind].append(time.perf_counter() - started)

    def _look(self) -> None:
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not self._stop.wait(LOOK_SECONDS):
                for row in connection.execute(WAITING):
                    wait = (float(row.seconds), f"{row.query} | behind: {row.holder}")
                    if row.own:
                        self.own_wait = max(self.own_wait, wait)
                    else:
                        self.longest_lock = max(self.longest_lock, wait)

    def tell(self, when: str) -> None:
        for kind, seconds in self.seconds.items():
            middle = statistics.median(seconds) * 1000
            print(
                f"  {when}: {kind:<22} {len(seconds):>6} times, median {middle:>6.1f} ms, "
                f"longest {max(seconds) * 1000:>7.0f} ms"
            )


def fill(engine: Engine, rows: int) -> None:
    """Jobs, runs and `rows` events; indexes of the events are made at the end, which is quicker."""
    runs = max(1, rows // EACH)
    with engine.begin() as connection:
        ensure_partitions(connection, datetime.now(UTC).date())
        connection.execute(CREDENTIAL)
        connection.execute(SNAPSHOT)
        for name in SECONDARY:
            connection.execute(text(f"DROP INDEX {name}"))
        connection.execute(JOBS, {"count": runs})
        connection.execute(RUNS, {"after": 0})
    for low in range(0, runs, BATCH):
        with engine.begin() as connection:
            connection.execute(FILL, {"low": low, "high": min(low + BATCH, runs), "each": EACH})
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL maintenance_work_mem = '1GB'"))
        for name, columns in SECONDARY.items():
            connection.execute(text(f"CREATE INDEX {name} ON job_events {columns}"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def size(connection: Connection) -> str:
    found = connection.execute(
        text(
            "SELECT count(*) AS rows, (SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits"
            " WHERE inhparent = 'job_events'::regclass) / 1e9 AS gb FROM job_events"
        )
    ).one()
    return f"{found.rows} events, {found.gb:.1f} GB with their indexes"


def timed(action: Callable[[], None]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def measure(servers: StackServers, options: argparse.Namespace) -> None:
    servers.sql("CREATE DATABASE migrated")
    url = servers.database_url("migrated")
    upgrade(url, options.start)
    engine = create_engine(url, pool_size=len(LOAD) + 1)
    seconds = timed(lambda: fill(engine, options.rows))
    with engine.connect() as connection:
        print(f"{size(connection)}, made in {seconds:.0f} s, at migration {options.start}")
    load = Load(engine)
    with load.running():
        time.sleep(ALONE_SECONDS)
    load.tell("alone")
    with load.running():
        seconds = timed(lambda: upgrade(url))
    load.tell("beside the migrations")
    if not is_migrated(engine):
        sys.exit("the database is not at this release's migration")
    (waited, query), (own, step) = load.longest_lock, load.own_wait
    print(f"migrated in {seconds:.1f} s; errors: {load.errors or 'none'}")
    print(f"longest wait for a lock: {waited * 1000:.0f} ms ({query}); the rule: under 1000")
    print(f"longest that a migration waited: {own * 1000:.0f} ms ({step})")
    engine.dispose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000, help="events")
    parser.add_argument("--from", dest="start", default="0001", metavar="REVISION")
    options = parser.parse_args()
    configure("bench", LogSettings("warning"))
    with running_servers() as servers:
        measure(servers, options)


if __name__ == "__main__":
    main()
