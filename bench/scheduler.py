"""The scheduler's decisions with few and with many jobs waiting, side by side in one run.

    python bench/scheduler.py [--waiting 100 100000] [--decisions 200]

A decision is one look at a pool that makes one attempt, on a real PostgreSQL, among jobs of two
organizations, 50 templates and 10 inventories, a third of which wait for each other.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from drover_scheduler.attempts import fill_pool
from drover_scheduler.line import SPARE
from drover_shared.ids import new_run_id
from sqlalchemy import Connection, Engine, create_engine, text
from support.runs import add_job
from support.servers import StackServers, running_servers

_COPY_JOBS = text("""
    INSERT INTO jobs (name, organization_id, job_template_id, inventory_id, project_id, inventory_snapshot_id,
                      project, playbook, allow_simultaneous, priority, credential_ids, extra_vars, tags,
                      skip_tags, artifacts)
    SELECT name, 1 + n % 2, 1 + n % 50, 1 + n % 10, project_id, inventory_snapshot_id, project, playbook,
           n % 3 > 0, n % 5, credential_ids, extra_vars, tags, skip_tags, artifacts
    FROM jobs, generate_series(1, :count) AS n WHERE id = :pattern
""")


def fill_line(engine: Engine, count: int) -> None:
    """`count` pending jobs of two organizations, 50 templates and 10 inventories."""
    with engine.begin() as connection:
        pattern = add_job(connection)
        connection.execute(_COPY_JOBS, {"count": count - 1, "pattern": pattern})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE jobs"))


def decide(engine: Engine, decisions: int) -> list[float]:
    """Seconds of each decision: one place is free each time, and one attempt is made."""
    times = []
    with engine.begin() as connection:
        fill_pool(connection, "default", new_run_id)
    for _ in range(decisions):
        with engine.begin() as connection:
            _end_oldest(connection)
        started = time.perf_counter()
        with engine.begin() as connection:
            made = fill_pool(connection, "default", new_run_id)
        times.append(time.perf_counter() - started)
        if len(made) != 1:
            raise SystemExit(f"a decision made {len(made)} attempts, not one")
    return times


def _end_oldest(connection: Connection) -> None:
    run: UUID
    run, job = connection.execute(
        text("SELECT id, job_id FROM job_runs WHERE state = 'pending' ORDER BY id LIMIT 1")
    ).one()
    connection.execute(text("UPDATE job_runs SET state = 'canceled' WHERE id = :id"), {"id": run})
    connection.execute(text("UPDATE jobs SET status = 'canceled' WHERE id = :id"), {"id": job})
    # A job takes the ended one's place in the line, so that its length stays.
    connection.execute(_COPY_JOBS, {"count": 1, "pattern": job})


def measure(servers: StackServers, waiting: list[int], decisions: int) -> None:
    medians = []
    for count in waiting:
        engine = create_engine(servers.database_url(servers.make_database()))
        fill_line(engine, count + SPARE)
        times = sorted(decide(engine, decisions))
        median = statistics.median(times)
        medians.append(median)
        print(
            f"  {count:>7,} waiting: {1 / statistics.mean(times):>6,.0f} decisions/s   "
            f"p50 {median * 1e3:.1f} ms   p99 {times[int(len(times) * 0.99) - 1] * 1e3:.1f} ms"
        )
        engine.dispose()
    print(f"cost of a decision, most to fewest waiting: {medians[-1] / medians[0]:.2f} (target: about 1)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--waiting", type=int, nargs="+", default=[100, 100_000])
    parser.add_argument("--decisions", type=int, default=200)
    options = parser.parse_args()
    with running_servers() as servers:
        measure(servers, options.waiting, options.decisions)


if __name__ == "__main__":
    main()
