"""What messages tell of is decided together, whatever their number."""

import threading
from uuid import UUID

from drover_scheduler import metrics
from drover_scheduler.decider import Decider
from drover_shared.clock import SystemClock
from drover_shared.ids import new_run_id
from drover_shared.streams.progress import Progress
from sqlalchemy import Engine, text
from support.runs import add_job
from support.waiting import eventually


class Heard:
    """A bell that only keeps what it was told."""

    def __init__(self) -> None:
        self.pools: list[str] = []

    def run_waits(self, run_id: UUID, pool: str) -> bool:
        del run_id
        self.pools.append(pool)
        return True


def decisions() -> float:
    [metric] = metrics.DECISION_SECONDS.collect()
    return next(sample.value for sample in metric.samples if sample.name.endswith("_count"))


def test_messages_that_wait_share_a_decision(engine: Engine) -> None:
    with engine.begin() as connection:
        jobs = [add_job(connection, executor_pool=pool) for pool in ("a", "b") for _ in range(4)]
    bell, stop, before = Heard(), threading.Event(), decisions()
    decider = Decider(engine, bell, new_run_id, stop, Progress(SystemClock()))
    for job in [*jobs, *jobs, 987654]:
        decider.job_waits(job)
    decider.start()

    def waiting() -> int:
        with engine.connect() as connection:
            found = connection.scalar(text("SELECT count(*) FROM jobs WHERE status = 'pending'"))
        return int(found or 0)

    eventually("every job has an attempt", lambda: waiting() == 0)
    stop.set()
    decider.close()
    assert sorted(bell.pools) == ["a"] * 4 + ["b"] * 4
    assert decisions() - before == 1


def test_a_decision_that_fails_is_not_the_last(engine: Engine) -> None:
    with engine.begin() as connection:
        job = add_job(connection)
    stop, told = threading.Event(), Heard()

    class Broken(Heard):
        def run_waits(self, run_id: UUID, pool: str) -> bool:
            if not self.pools:
                self.pools.append(pool)
                raise OSError
            return told.run_waits(run_id, pool)

    decider = Decider(engine, Broken(), new_run_id, stop, Progress(SystemClock()))
    decider.start()
    failures = metrics.FAILURES.labels("message")
    before = failures._value.get()
    decider.job_waits(job)
    eventually("it failed", lambda: failures._value.get() == before + 1)
    with engine.begin() as connection:
        job = add_job(connection)
    decider.job_waits(job)
    eventually("the next one is heard of", lambda: told.pools == ["default"])
    stop.set()
    decider.close()
