"""The database's own clock is set forward by an hour: no lease ends before its time."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import redis
from drover_scheduler.lease_time import LeaseTime
from drover_scheduler.requeue import requeue
from drover_scheduler.scheduler import Tick
from drover_shared.clock import FakeClock
from drover_shared.db.attempts import is_available
from drover_shared.db.models import JobRun
from drover_shared.ids import new_run_id
from drover_shared.settings import Environment
from sqlalchemy import Engine, create_engine, select, text
from support.runs import RunRow, add_job, add_run, make_run
from support.scheduling import SilentBell

LEASE, GRACE = 30.0, 5.0
NOWHERE = "redis://127.0.0.1:1/0"
# PostgreSQL looks for functions along the search path, in its own catalogue first unless that is named.
CLOCK = """
CREATE SCHEMA set_clock;
CREATE TABLE set_clock.ahead AS SELECT 0.0 AS seconds;
CREATE FUNCTION set_clock.now() RETURNS timestamptz STABLE LANGUAGE sql AS
    'SELECT pg_catalog.now() + (SELECT seconds FROM set_clock.ahead) * interval ''1 s''';
CREATE FUNCTION set_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
    'SELECT pg_catalog.clock_timestamp() + (SELECT seconds FROM set_clock.ahead) * interval ''1 s''';
"""

OVERDUE = """
WITH run AS (UPDATE job_runs SET started_at = now() - interval '2 hours' WHERE id = :run)
UPDATE jobs SET current_run_id = :run WHERE id = :job
"""


class World:
    """A database whose clock goes with `clock`, or is set apart from it."""

    def __init__(self, url: str, engine: Engine, clock: FakeClock) -> None:
        self.url, self.engine, self.clock = url, engine, clock
        with engine.begin() as connection:
            connection.execute(text(CLOCK))

    def set_forward(self, seconds: float) -> None:
        with self.engine.begin() as connection:
            connection.execute(text("UPDATE set_clock.ahead SET seconds = seconds + :by"), {"by": seconds})

    def go_on(self, seconds: float) -> None:
        self.set_forward(seconds)
        self.clock.advance(seconds)

    def beat(self, run: RunRow) -> None:
        sql = text("UPDATE job_runs SET lease_expires_at = now() + :lease * interval '1 s' WHERE id = :id")
        with self.engine.begin() as connection:
            connection.execute(sql, {"lease": LEASE, "id": run.id})

    def overdue_run(self) -> RunRow:
        """A run past its job's time, which is tried again after a time-out."""
        policy = {"timeout_seconds": 10, "retry_on": ["timeout"], "retry_wait_seconds": 0, "max_attempts": 2}
        with self.engine.begin() as connection:
            run = add_run(connection, add_job(connection, status="running", **policy))
            connection.execute(text(OVERDUE), {"run": run.id, "job": run.job_id})
        self.beat(run)
        return run

    def may_be_claimed(self) -> bool:
        with self.engine.connect() as connection:
            waiting = select(JobRun.id).where(JobRun.state == "pending", is_available())
            return connection.scalar(waiting) is not None

    def state(self, run: RunRow) -> str:
        with self.engine.connect() as connection:
            sql = text("SELECT state FROM job_runs WHERE id = :id")
            return str(connection.scalar(sql, {"id": run.id}))


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    path = "-c search_path=set_clock,pg_catalog,public -c timezone=UTC"
    engine = create_engine(database_url, connect_args={"options": path})
    yield World(database_url, engine, FakeClock(datetime.now(UTC)))
    engine.dispose()


@pytest.fixture
def tick(world: World, redis_client: redis.Redis) -> Tick:
    return Tick(
        world.engine,
        redis_client,
        SilentBell(),
        world.clock,
        new_run_id,
        tick_seconds=1,
        lease_grace_seconds=GRACE,
        lease_time=LeaseTime(world.clock, LEASE + GRACE),
    )


def test_a_clock_set_forward_loses_none_but_the_silent(world: World, tick: Tick) -> None:
    alive, silent = make_run(world.engine), make_run(world.engine)
    tick.run()
    world.go_on(LEASE + GRACE)
    for run in (alive, silent):
        world.beat(run)
    tick.run()
    world.set_forward(3600)
    tick.run()
    assert world.state(alive) == world.state(silent) == "running"
    for _ in range(5):
        world.go_on((LEASE + GRACE) / 6)
        tick.run()
        assert world.state(alive) == "running"
        assert world.state(silent) == "running"
        world.beat(alive)
    world.go_on(10)
    tick.run()
    assert world.state(silent) == "lost"
    assert world.state(alive) == "running"


def test_no_attempt_begins_while_one_that_took_too_long_may_live(world: World, tick: Tick) -> None:
    """Nor where somebody asks for what waits to be looked at now."""
    tick.run()
    world.go_on(LEASE + GRACE)
    run = world.overdue_run()
    tick.run()
    assert world.state(run) == "failed"
    world.set_forward(3600)
    assert requeue([], Environment({"DROVER_DATABASE_URL": world.url, "DROVER_REDIS_URL": NOWHERE})) == 0
    for _ in range(5):
        tick.run()
        assert not world.may_be_claimed()
        world.go_on((LEASE + GRACE) / 5)
    tick.run()
    assert world.may_be_claimed()
