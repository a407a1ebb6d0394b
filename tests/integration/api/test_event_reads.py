"""Every way of reading events goes by an index, in a day that holds many runs."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from drover_api.output.lists import filtered_events
from drover_shared.db.models import JobEvent
from drover_shared.ids import new_run_id
from sqlalchemy import Connection, Engine, Select, create_engine, func, select, text
from support.servers import StackServers

RUNS, EVENTS = 20, 2000
FILL = text("""
    INSERT INTO job_events (job_run_id, seq, job_id, timestamp, event_type, host, task_name, play_name,
                            changed, failed, data)
    SELECT run, seq, 1, now(),
           CASE seq % 40 WHEN 0 THEN 'TASK_STARTED' WHEN 1 THEN 'TASK_FAILED' ELSE 'TASK_OK' END,
           'web' || seq % 100, 'task ' || seq / 40, 'play', seq % 5 = 0, seq % 40 = 1, '{}'
    FROM unnest(CAST(:runs AS uuid[])) AS run, generate_series(1, :events) AS seq
""")


@pytest.fixture(scope="module")
def filled(stack_servers: StackServers) -> Iterator[tuple[Engine, UUID]]:
    """A database with some runs' events, and one of the runs."""
    name = stack_servers.make_database()
    engine = create_engine(stack_servers.database_url(name))
    runs = [new_run_id() for _ in range(RUNS)]
    with engine.begin() as connection:
        connection.execute(FILL, {"runs": [str(run) for run in runs], "events": EVENTS})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE job_events"))
    yield engine, runs[7]
    engine.dispose()
    stack_servers.drop_database(name)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def plan_of(connection: Connection, query: Select[Any]) -> list[dict[str, Any]]:
    sql = query.compile(connection.engine, compile_kwargs={"literal_binds": True})
    [plan] = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}").scalars()
    return list(nodes(plan[0]["Plan"]))


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({}, "_pkey"),
        ({"host": "web7"}, "_host_seq_idx"),
        ({"event_type": ["TASK_FAILED"]}, "_event_type_seq_idx"),
        ({"changed": True}, "_run_id_seq_idx"),
        ({"changed": False}, "_pkey"),
        ({"failed": True}, "_run_id_seq_idx"),
        ({"task_name": "task 3"}, "_pkey"),
        ({"parent_seq": 400}, "_pkey"),
    ],
)
def test_a_page_reads_an_index_of_the_runs_day_alone(
    filled: tuple[Engine, UUID], filters: dict[str, Any], index: str
) -> None:
    engine, run = filled
    query = filtered_events(run, filters).where(JobEvent.seq > 100)
    page = query.order_by(JobEvent.seq).limit(50)
    with engine.connect() as connection:
        for each in (page, select(func.count()).select_from(query.subquery())):
            plan = plan_of(connection, each)
            scanned = {node["Relation Name"] for node in plan if node.get("Relation Name")}
            assert not [node for node in plan if node["Node Type"] == "Seq Scan"], plan
            assert len(scanned) <= 1, scanned
        names = [node["Index Name"] for node in plan_of(connection, page) if node.get("Index Name")]
    assert any(index in name for name in names), names
