"""What a decision costs: the pages PostgreSQL looks at, which no other load on the machine changes."""

from typing import Any

import pytest
from drover_scheduler import line, waiting
from drover_shared.db.attempts import is_available
from drover_shared.db.models import JobRun
from sqlalchemy import Connection, Engine, Select, select, text

FEW, MANY = 200, 20_000
LANES = """
    INSERT INTO jobs (name, organization_id, inventory_id, project_id, inventory_snapshot_id, project,
        playbook, job_template_id, allow_simultaneous, priority, status)
    SELECT 'job', 1 + n % 2, 1, 1, (SELECT id FROM inventory_snapshots LIMIT 1), '{}', 'site.yml',
        1 + n % 5, true, n % 3, :status
    FROM generate_series(1, :count) AS n
"""
RUNS = """
    INSERT INTO job_runs (id, job_id, attempt_number, state, rung_at)
    SELECT gen_random_uuid(), id, 1, 'pending', now() FROM jobs
"""
HEADS = {"pool": "default", "at_once": 10}
ROOM = {"pool": "default", "spare": line.SPARE, "alive": line.ALIVE_SECONDS}


def pages(connection: Connection, query: str | Select[Any], values: dict[str, Any]) -> int:
    """How many pages a query looks at."""
    literal = {"literal_binds": True}
    sql = query if isinstance(query, str) else str(query.compile(connection, compile_kwargs=literal))
    explained = text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}")
    connection.execute(explained, values)  # the first one also reads the catalogue
    found = connection.execute(explained, values).scalar_one()
    plan = found[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def costs(engine: Engine, count: int, status: str, query: str | Select[Any], values: dict[str, Any]) -> int:
    with engine.connect() as connection:
        connection.execute(
            text("INSERT INTO inventory_snapshots (inventory_id, version, manifest) VALUES (1, 1, '{}')")
        )
        connection.execute(text(LANES), {"count": count, "status": status})
        if status == "queued":
            connection.execute(text(RUNS))
        connection.execute(text("ANALYZE jobs"))
        connection.execute(text("ANALYZE job_runs"))
        cost = pages(connection, query, values)
        connection.rollback()
    return cost


NEXT_RUN = (
    select(JobRun.id)
    .where(JobRun.state == "pending", JobRun.pool == "default", is_available())
    .order_by(JobRun.id)
    .limit(1)
)


@pytest.mark.parametrize(
    ("status", "sql", "values"),
    [
        ("pending", line._NEXT.text, HEADS),
        ("pending", line._POOLS.text, {}),
        ("queued", line._ROOM.text, ROOM),
        ("queued", waiting._POOLS.text, {}),
        ("queued", NEXT_RUN, {}),
    ],
    ids=["next in line", "pools of jobs", "room", "pools of runs", "next run"],
)
def test_a_decision_costs_the_same_however_many_wait(
    engine: Engine, status: str, sql: str | Select[Any], values: dict[str, Any]
) -> None:
    few, many = (costs(engine, count, status, sql, values) for count in (FEW, MANY))
    assert many <= 2 * few + 20, f"{few} pages with {FEW} waiting, {many} with {MANY}"
