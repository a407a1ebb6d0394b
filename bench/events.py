"""Events from the stream into the database, against the same rows by bare COPY, in one run.

    python bench/events.py [--events 120000] [--rounds 3] [--workers 1 2 4] [--rows 0 1000000]

Both sides write to the same real PostgreSQL. COPY gets its rows ready-made, on one connection, in one
transaction. The ingest workers are the real processes: they are stopped (SIGSTOP) while the stream is filled.
`--rows` is how many small rows the day's partition holds before (made by SQL): one measurement for each
number, so that it shows how the cost of an insert grows, if it does.
"""

import argparse
import io
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import redis
from sqlalchemy import Engine, create_engine, text

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from drover_event_ingest.batches import prepare
from drover_event_ingest.copying import COLUMNS
from drover_shared.db.partitions import ensure_partitions
from drover_shared.ids import new_run_id
from support.many_events import ROWS_A_RUN, fill_runs
from support.output import batch_fields, entry
from support.runs import RunRow, make_run
from support.servers import StackServers, running_servers

RUNS = 4
HOSTS = 50
BATCH = 100  # events an entry, as an executor under load sends them
COUNTS = "run_event_progress, job_host_summaries"


def task_result(seq: int) -> dict[str, Any]:
    """An event as Ansible's modules make them: about 600 bytes of JSON."""
    host = f"web{seq % HOSTS:03}.example.com"
    return {
        "seq": seq,
        "timestamp": f"2025-12-10T09:{seq // 60 % 60:02}:{seq % 60:02}.123456Z",
        "event_type": "TASK_OK",
        "host": host,
        "task_name": "nginx : Install the configuration file",
        "play_name": "Configure web servers",
        "stdout_snippet": f"changed: [{host}]",
        "data": {
            "changed": seq % 5 == 0,
            "rc": 0,
            "action": "ansible.builtin.template",
            "dest": "/etc/nginx/nginx.conf",
            "checksum": "5b2e9b7a0e4b3d6c4f5f2b1f0a9c8d7e6f5a4b3c",
            "diff": [{"before": "worker_processes 1;\n", "after": "worker_processes auto;\n"}],
            "invocation": {"module_args": {"src": "nginx.conf.j2", "mode": "0644", "owner": "root"}},
            "uid": 0,
            "gid": 0,
            "state": "file",
            "size": 648 + seq % 100,
        },
    }


def entries_of(run: RunRow, events: int) -> list[dict[bytes, bytes]]:
    return [
        dict(batch_fields(run, [task_result(seq) for seq in range(low, min(low + BATCH, events + 1))]))
        for low in range(1, events + 1, BATCH)
    ]


def by_copy(engine: Engine, rows: bytes) -> float:
    """Seconds of a bare COPY."""
    with engine.connect() as connection:
        raw = connection.connection
        started = time.perf_counter()
        cursor = raw.cursor()
        cursor.copy_expert(f"COPY job_events ({COLUMNS}) FROM STDIN", io.BytesIO(rows), size=1024 * 1024)
        raw.commit()
        return time.perf_counter() - started


@contextmanager
def ingest(environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "drover_event_ingest"], env={**os.environ, **environment}
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait()


def by_stream(
    engine: Engine,
    client: "redis.Redis",
    processes: "list[subprocess.Popen[bytes]]",
    entries: list[dict[bytes, bytes]],
    events: int,
) -> float:
    """Seconds from waking the workers to the last commit."""
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    with client.pipeline(transaction=False) as pipeline:
        for fields in entries:
            pipeline.xadd("job-events", fields)  # type: ignore[arg-type]
        pipeline.execute()
    started = time.perf_counter()
    for process in processes:
        process.send_signal(signal.SIGCONT)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while connection.scalar(text("SELECT coalesce(sum(events), 0) FROM run_event_progress")) < events:
            time.sleep(0.02)
    return time.perf_counter() - started


def empty(engine: Engine, runs: list[RunRow]) -> None:
    """Take the measured runs' rows away; what the partition held before stays."""
    with engine.begin() as connection:
        connection.execute(
            text("DELETE FROM job_events WHERE job_run_id = ANY(CAST(:runs AS uuid[]))"),
            {"runs": [str(run.id) for run in runs]},
        )
        connection.execute(text(f"TRUNCATE {COUNTS}"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM job_events"))
        connection.execute(text("CHECKPOINT"))


def fill(engine: Engine, rows: int) -> None:
    """Rows of other runs, in the partition that is written to; nothing where there are as many."""
    with engine.connect() as connection:
        missing = rows - int(connection.scalar(text("SELECT count(*) FROM job_events")) or 0)
    fill_runs(engine, [str(new_run_id()) for _ in range(missing // ROWS_A_RUN)])


def sent(engine: Engine, events: int) -> tuple[list[RunRow], list[dict[bytes, bytes]], bytes]:
    """Fresh runs, their entries as they would arrive, and the same as rows of COPY."""
    runs = [make_run(engine) for _ in range(RUNS)]
    streams = [entries_of(run, events // RUNS) for run in runs]
    entries = [fields for group in zip(*streams, strict=True) for fields in group]
    load = prepare([entry(fields) for fields in entries])
    return runs, entries, b"".join(event.row for batch in load.batches for event in batch.events)


def measure(servers: StackServers, options: argparse.Namespace) -> None:
    url, redis_url = servers.database_url(servers.make_database()), servers.redis_url(1)
    engine, client = create_engine(url), redis.Redis.from_url(redis_url)
    with engine.begin() as connection:
        ensure_partitions(connection, datetime.now(UTC).date())
    runs, entries, lines = sent(engine, options.events)
    total = options.events // RUNS * RUNS
    print(f"{total} events in {len(entries)} entries, {len(lines) / 1e6:.1f} MB of rows")
    environment = {"DROVER_DATABASE_URL": url, "DROVER_REDIS_URL": redis_url, "DROVER_LOG_LEVEL": "warning"}
    for rows in options.rows:
        fill(engine, rows)
        for workers in options.workers:
            with ExitStack() as started:
                processes = [started.enter_context(ingest(environment)) for _ in range(workers)]
                empty(engine, runs)
                by_stream(engine, client, processes, entries[: 4 * RUNS], 4 * RUNS * BATCH)  # warm
                ratios = []
                for _ in range(options.rounds):
                    empty(engine, runs)
                    copied = by_copy(engine, lines)
                    empty(engine, runs)
                    streamed = by_stream(engine, client, processes, entries, total)
                    ratios.append(copied / streamed)
                    rates = f"COPY {total / copied:>8,.0f}/s   stream {total / streamed:>8,.0f}/s"
                    print(f"  {rates}   ratio {ratios[-1]:.2f}")
                empty(engine, runs)
            print(
                f"{rows} rows before, {workers} worker(s): ratio, median of {options.rounds}:"
                f" {statistics.median(ratios):.2f} (target for one: at least 0.8)"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=120_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[1])
    parser.add_argument("--rows", type=int, nargs="+", default=[0], help="in rising order")
    options = parser.parse_args()
    with running_servers() as servers:
        measure(servers, options)


if __name__ == "__main__":
    main()
