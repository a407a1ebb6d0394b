"""A scheduler's tick in the test's own process, and the rows that it looks at."""

from typing import Any
from uuid import UUID

import redis
from drover_scheduler.lease_time import LeaseTime
from drover_scheduler.scheduler import Bell, Tick
from drover_shared.clock import Clock, SystemClock
from drover_shared.ids import new_run_id
from sqlalchemy import Engine, text

from support.runs import add_job


class SilentBell:
    """Nobody hears it: what waits is asked for."""

    def run_waits(self, run_id: UUID, pool: str) -> bool:
        del run_id, pool
        return True


def make_tick(engine: Engine, client: "redis.Redis", bell: Bell, clock: Clock | None = None) -> Tick:
    """A tick that judges leases at once, by the machine's clock unless another is given."""
    clock = clock or SystemClock()
    return Tick(
        engine,
        client,
        bell,
        clock,
        new_run_id,
        tick_seconds=1,
        lease_grace_seconds=5,
        lease_time=LeaseTime(clock, 0),
    )


def job(engine: Engine, **values: Any) -> int:
    with engine.begin() as connection:
        return add_job(connection, **values)


def rows(engine: Engine, sql: str, **values: Any) -> list[Any]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql), values)]


def change(engine: Engine, sql: str, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(text(sql), values)


def status(engine: Engine, job_id: int) -> str:
    return str(rows(engine, "SELECT status FROM jobs WHERE id = :id", id=job_id)[0][0])
