"""The database's own clock is set forward by an hour: nobody whose executor still beats is lost."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import redis
from drover_scheduler.lease_time import LeaseTime
from drover_scheduler.scheduler import Tick
from drover_shared.clock import FakeClock
from drover_shared.ids import new_run_id
from drover_shared.queue import Doorbell
from sqlalchemy import Engine, create_engine, text
from support.runs import RunRow, make_run

LEASE, GRACE = 30.0, 5.0
# PostgreSQL looks for functions along the search path, in its own catalogue first unless that is named.
CLOCK = """
CREATE SCHEMA set_clock;
CREATE TABLE set_clock.ahead AS SELECT 0.0 AS seconds;
CREATE FUNCTION set_clock.now() RETURNS timestamptz STABLE LANGUAGE sql AS
    'SELECT pg_catalog.now() + (SELECT seconds FROM set_clock.ahead) * interval ''1 s''';
CREATE FUNCTION set_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
    'SELECT pg_catalog.clock_timestamp() + (SELECT seconds FROM set_clock.ahead) * interval ''1 s''';
"""


class World:
    """A database whose clock goes with `clock`, or is set apart from it."""

    def __init__(self, engine: Engine, clock: FakeClock) -> None:
        self.engine, self.clock = engine, clock
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

    def state(self, run: RunRow) -> str:
        with self.engine.connect() as connection:
            sql = text("SELECT state FROM job_runs WHERE id = :id")
            return str(connection.scalar(sql, {"id": run.id}))


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    path = "-c search_path=set_clock,pg_catalog,public -c timezone=UTC"
    engine = create_engine(database_url, connect_args={"options": path})
    yield World(engine, FakeClock(datetime.now(UTC)))
    engine.dispose()


def test_a_clock_set_forward_loses_none_but_the_silent(
    world: World, redis_client: redis.Redis, redis_url: str
) -> None:
    clock = world.clock
    tick = Tick(
        world.engine,
        redis_client,
        Doorbell(redis_url),
        clock,
        new_run_id,
        tick_seconds=1,
        lease_grace_seconds=GRACE,
        lease_time=LeaseTime(clock, LEASE + GRACE),
    )
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
