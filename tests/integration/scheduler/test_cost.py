"""What a decision costs: the pages PostgreSQL looks at, which no other load on the machine changes."""

from typing import Any

import pytest
from drover_scheduler import line, waiting
from drover_scheduler.attempts import fill_pool
from drover_shared.db.attempts import is_available
from drover_shared.db.models import JobRun
from drover_shared.ids import new_run_id
from sqlalchemy import Connection, Engine, Select, select, text

FEW, CROWDED, MANY = 200, 10_000, 20_000
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


# Of one organization, each more urgent than the one of another that comes last.
CROWD = """
    INSERT INTO jobs (name, organization_id, inventory_id, project_id, inventory_snapshot_id, project,
        playbook, job_template_id, allow_simultaneous, priority)
    SELECT 'job', 1, 1, 1, (SELECT id FROM inventory_snapshots LIMIT 1), '{}', 'site.yml',
        1 + n % 5, true, 100
    FROM generate_series(1, :count) AS n
"""
LATE = """
    INSERT INTO jobs (name, organization_id, inventory_id, project_id, inventory_snapshot_id, project,
        playbook, job_template_id, allow_simultaneous, priority)
    VALUES ('late', 2, 1, 1, (SELECT id FROM inventory_snapshots LIMIT 1), '{}', 'site.yml', 9, true, 0)
    RETURNING id
"""


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


def test_ten_thousand_of_one_organization_do_not_hold_up_one_of_another(engine: Engine) -> None:
    """It is the next in line at once, and to find that out costs the same as in a short line."""
    found = {}
    for count in (FEW, CROWDED):
        with engine.connect() as connection:
            connection.execute(
                text("INSERT INTO inventory_snapshots (inventory_id, version, manifest) VALUES (1, 1, '{}')")
            )
            connection.execute(text(CROWD), {"count": count})
            assert len(fill_pool(connection, "default", new_run_id)) == line.SPARE
            connection.execute(text("UPDATE job_runs SET state = 'starting'"))
            late = connection.execute(text(LATE)).scalar_one()
            connection.execute(text("ANALYZE jobs"))
            found[count] = pages(connection, line._NEXT.text, HEADS)
            assert fill_pool(connection, "default", new_run_id)[0].job_id == late
            connection.rollback()
    assert found[CROWDED] <= 2 * found[FEW] + 20, found
