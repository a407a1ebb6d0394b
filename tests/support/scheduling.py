"""A scheduler's tick in the test's own process."""

from uuid import UUID

import redis
from drover_scheduler.lease_time import LeaseTime
from drover_scheduler.scheduler import Tick
from drover_shared.clock import SystemClock
from drover_shared.ids import new_run_id
from sqlalchemy import Engine


class SilentBell:
    """Nobody hears it: what waits is asked for."""

    def run_waits(self, run_id: UUID, pool: str) -> bool:
        del run_id, pool
        return True


def make_tick(engine: Engine, client: "redis.Redis", bell: SilentBell) -> Tick:
    clock = SystemClock()
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
