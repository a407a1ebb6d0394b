"""The first page of a run's events, by every filter, over HTTP, while the table holds many runs' events.

    python bench/reads.py [--rows 1000000] [--requests 300]

A real API process on real PostgreSQL. Runs of 10,000 events each lie in one day's partition; requests go to
them at random, one after the other.
"""

import argparse
import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
from drover_shared.db.partitions import ensure_partitions
from sqlalchemy import create_engine, text

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.api_process import ApiProcess, Place, populate
from support.many_events import ROWS_A_RUN, fill_runs
from support.runs import make_run
from support.servers import running_servers

QUERIES = (
    "",
    "host=web7",
    "event_type=TASK_OK",
    "changed=true",
    "failed=true",
    "after_seq=5000",
    "parent_seq=1",
)


def prepare(place: Place, rows: int) -> list[str]:
    """Runs with their events; their ids."""
    engine = create_engine(place.database_url)
    with engine.begin() as connection:
        ensure_partitions(connection, datetime.now(UTC).date())
    runs = [str(make_run(engine).id) for _ in range(rows // ROWS_A_RUN)]
    fill_runs(engine, runs)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE job_events"))
    engine.dispose()
    return runs


def measure(client: httpx.Client, runs: list[str], requests: int) -> None:
    rng = random.Random(1)
    for query in QUERIES:
        times = []
        for _ in range(requests):
            started = time.perf_counter()
            client.get(f"/api/v1/job-runs/{rng.choice(runs)}/events?{query}").raise_for_status()
            times.append(time.perf_counter() - started)
        times.sort()
        p50, p99 = (times[int(len(times) * share)] * 1e3 for share in (0.5, 0.99))
        print(f"  {query or 'no filter':<20} p50 {p50:6.1f} ms   p99 {p99:6.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=300)
    options = parser.parse_args()
    with running_servers() as servers:
        place = Place.make(servers)
        token = populate(place).token
        runs = prepare(place, options.rows)
        print(f"{len(runs)} runs of {ROWS_A_RUN} events (target: p99 below 25 ms)")
        with (
            ApiProcess(place, servers.home / "api.log") as api,
            httpx.Client(base_url=api.url, headers={"Authorization": f"Bearer {token}"}) as client,
        ):
            measure(client, runs, options.requests)


if __name__ == "__main__":
    main()
