"""The scheduler's decisions with few and with many jobs waiting, and in few and many lanes, in one run.

    python bench/scheduler.py [--waiting 100 100000] [--lanes 1 100 5000] [--decisions 200]

A decision is one look at a pool that makes one attempt, on a real PostgreSQL. First among jobs in 100 lanes:
two organizations, 50 templates and 10 inventories, a third of which wait for each other. Then by the number
of lanes, each a template of its own, 50 templates an organization, with as many jobs as waited most.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from drover_scheduler.attempts import fill_pool
from drover_scheduler.line import SPARE
from drover_shared.ids import new_run_id
from sqlalchemy import Connection, Engine, create_engine, text
from support.runs import add_job
from support.servers import StackServers, running_servers

_SAME = """name, project_id, inventory_snapshot_id, project, playbook, credential_ids, extra_vars, tags,
           skip_tags, artifacts"""
_PLACE = "organization_id, job_template_id, inventory_id, allow_simultaneous, priority"  # in the line
_COPY_JOBS = text(f"""
    INSERT INTO jobs ({_SAME}, {_PLACE})
    SELECT {_SAME}, 1 + n % :templates / :of_one, 1 + n % :templates, 1 + n % :templates % 10,
           n % 3 > 0 OR NOT :wait, n % 5
    FROM jobs, generate_series(1, :count) AS n WHERE id = :pattern
""")  # noqa: S608 - names from above
_AGAIN = text(f"""
    INSERT INTO jobs ({_SAME}, {_PLACE}) SELECT {_SAME}, {_PLACE} FROM jobs WHERE id = :id
""")  # noqa: S608 - the same


@dataclass(frozen=True)
class Line:
    """`count` pending jobs; `of_one`: how many of the templates are one organization's.

    `wait`: whether a third of them wait for others of their template.
    """

    count: int
    templates: int = 50
    of_one: int = 25
    wait: bool = True

    def add(self, connection: Connection, pattern: int, count: int) -> None:
        values = {"templates": self.templates, "of_one": self.of_one, "wait": self.wait}
        connection.execute(_COPY_JOBS, {"count": count, "pattern": pattern, **values})

    def fill(self, engine: Engine) -> None:
        with engine.begin() as connection:
            self.add(connection, add_job(connection), self.count - 1)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE jobs"))


def decide(engine: Engine) -> float:
    """Seconds of a decision: one place is free, and one attempt is made."""
    with engine.begin() as connection:
        _end_oldest(connection)
    started = time.perf_counter()
    with engine.begin() as connection:
        made = fill_pool(connection, "default", new_run_id)
    took = time.perf_counter() - started
    if len(made) != 1:
        raise SystemExit(f"a decision made {len(made)} attempts, not one")
    return took


def _end_oldest(connection: Connection) -> None:
    run: UUID
    run, job = connection.execute(
        text("SELECT id, job_id FROM job_runs WHERE state = 'pending' ORDER BY id LIMIT 1")
    ).one()
    connection.execute(text("UPDATE job_runs SET state = 'canceled' WHERE id = :id"), {"id": run})
    connection.execute(text("UPDATE jobs SET status = 'canceled' WHERE id = :id"), {"id": job})
    # A job like it takes its place at the end of its lane, so that each lane stays as long as it is.
    connection.execute(_AGAIN, {"id": job})


def measure(servers: StackServers, lines: Mapping[str, Line], decisions: int) -> list[float]:
    """Prints what decisions cost in each line; returns their medians in seconds.

    They take turns, so that whatever else the machine does is the same for all.
    """
    engines = [create_engine(servers.database_url(servers.make_database())) for _ in lines]
    for engine, line in zip(engines, lines.values(), strict=True):
        line.fill(engine)
        with engine.begin() as connection:
            fill_pool(connection, "default", new_run_id)
    turns = [[decide(engine) for engine in engines] for _ in range(decisions)]
    for what, engine, each in zip(lines, engines, zip(*turns, strict=True), strict=True):
        engine.dispose()
        times = sorted(each)
        print(
            f"  {what}: {1 / statistics.mean(times):>6,.0f} decisions/s   p50 "
            f"{statistics.median(times) * 1e3:.1f} ms   p99 {times[int(len(times) * 0.99) - 1] * 1e3:.1f} ms"
        )
    return [statistics.median(each) for each in zip(*turns, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--waiting", type=int, nargs="+", default=[100, 100_000])
    parser.add_argument("--lanes", type=int, nargs="*", default=[1, 100, 5000])
    parser.add_argument("--decisions", type=int, default=200)
    options = parser.parse_args()
    most = max(options.waiting)
    with running_servers() as servers:
        waiting = {f"{count:>7,} waiting": Line(count + SPARE) for count in options.waiting}
        medians = measure(servers, waiting, options.decisions)
        print(f"cost of a decision, most to fewest waiting: {medians[-1] / medians[0]:.2f} (target: about 1)")
        lanes = {
            f"{lanes:>7,} lanes of {most:,}": Line(most + SPARE, templates=lanes, of_one=50, wait=False)
            for lanes in options.lanes
        }
        measure(servers, lanes, options.decisions)


if __name__ == "__main__":
    main()
