"""From a pending job to its run: by message, by tick, one at a time, and never twice."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

import pytest
import redis
from drover_scheduler.scheduler import Tick, schedule_jobs
from drover_shared.ids import new_run_id
from sqlalchemy import Engine, create_engine
from support.runs import add_executor
from support.scheduling import change, job, make_tick, rows, status


@dataclass
class Heard:
    """What a bell was asked to ring."""

    runs: list[tuple[UUID, str]] = field(default_factory=list)

    def run_waits(self, run_id: UUID, pool: str) -> bool:
        self.runs.append((run_id, pool))
        return True


@pytest.fixture
def bell() -> Heard:
    return Heard()


@pytest.fixture
def tick(engine: Engine, redis_client: redis.Redis, bell: Heard) -> Tick:
    return make_tick(engine, redis_client, bell)


def finish(engine: Engine, job_id: int) -> None:
    """As an executor and the API would."""
    for state in ("starting", "running", "successful"):
        change(engine, "UPDATE job_runs SET state = :state WHERE job_id = :id", state=state, id=job_id)
    for ended in ("running", "successful"):
        change(engine, "UPDATE jobs SET status = :status WHERE id = :id", status=ended, id=job_id)


def test_a_message_makes_the_first_attempt(engine: Engine, bell: Heard) -> None:
    job_id = job(engine, executor_pool="edge")
    assert schedule_jobs(engine, bell, new_run_id, [job_id], "message")
    [(run_id, attempt, state, pool, current)] = rows(
        engine, "SELECT r.id, attempt_number, state, pool, current_run_id FROM job_runs r JOIN jobs ON true"
    )
    assert (attempt, state, pool, current) == (1, "pending", "edge", run_id)
    assert status(engine, job_id) == "queued"
    assert bell.runs == [(run_id, "edge")]


def test_a_second_message_and_one_about_nothing_are_harmless(engine: Engine, bell: Heard) -> None:
    job_id = job(engine)
    assert schedule_jobs(engine, bell, new_run_id, [job_id], "message") == 1
    assert schedule_jobs(engine, bell, new_run_id, [job_id], "message") == 0
    assert schedule_jobs(engine, bell, new_run_id, [987654], "message") == 0
    assert rows(engine, "SELECT count(*) FROM job_runs") == [(1,)]


def test_the_tick_finds_what_no_message_told(engine: Engine, tick: Tick, bell: Heard) -> None:
    low, high = job(engine), job(engine, priority=5)
    tick.run()
    assert [status(engine, job_id) for job_id in (low, high)] == ["queued", "queued"]
    assert rows(engine, "SELECT job_id FROM job_runs ORDER BY id") == [(high,), (low,)]
    assert len(bell.runs) == 2


def test_jobs_of_a_template_run_one_at_a_time(engine: Engine, tick: Tick, bell: Heard) -> None:
    first, second = job(engine, job_template_id=7), job(engine, job_template_id=7)
    other = job(engine, job_template_id=8)
    tick.run()
    assert [status(engine, each) for each in (first, second, other)] == ["queued", "pending", "queued"]
    assert not schedule_jobs(engine, bell, new_run_id, [second], "message")
    finish(engine, first)
    third = job(engine, job_template_id=7)
    assert schedule_jobs(engine, bell, new_run_id, [first], "message")  # the message of its end
    assert [status(engine, each) for each in (second, third)] == ["queued", "pending"]


def test_jobs_of_a_template_that_allows_it_run_together(engine: Engine, tick: Tick) -> None:
    jobs = [job(engine, job_template_id=7, allow_simultaneous=True) for _ in range(3)]
    tick.run()
    assert {status(engine, each) for each in jobs} == {"queued"}


def test_canceled_jobs_end_before_an_executor_has_them(engine: Engine, tick: Tick, bell: Heard) -> None:
    waiting = job(engine, cancel_requested=True)
    queued, claimed = job(engine), job(engine)
    assert schedule_jobs(engine, bell, new_run_id, [waiting], "message") == 2
    change(engine, "UPDATE jobs SET cancel_requested = true")
    change(engine, "UPDATE job_runs SET state = 'starting' WHERE job_id = :id", id=claimed)
    tick.run()
    statuses = [status(engine, each) for each in (waiting, queued, claimed)]
    assert statuses == ["canceled", "canceled", "queued"]
    assert rows(engine, "SELECT state FROM job_runs WHERE job_id = :id", id=queued) == [("canceled",)]


@pytest.fixture
def others(database_url: str) -> Iterator[list[Engine]]:
    engines = [create_engine(database_url) for _ in range(3)]
    yield engines
    for each in engines:
        each.dispose()


def test_schedulers_that_race_make_one_run_each(
    engine: Engine, others: list[Engine], redis_client: redis.Redis
) -> None:
    add_executor(engine, slots=60)
    free = [job(engine, job_template_id=1, allow_simultaneous=True) for _ in range(50)]
    single = [job(engine, job_template_id=template) for template in (2, 3, 4) for _ in range(5)]
    start = threading.Barrier(2 * len(others))

    def by_tick(mine: Engine) -> None:
        start.wait()
        make_tick(mine, redis_client, Heard()).run()

    def by_message(mine: Engine) -> None:
        start.wait()
        for each in [*free, *single]:
            schedule_jobs(mine, Heard(), new_run_id, [each], "message")

    threads = [threading.Thread(target=way, args=(mine,)) for mine in others for way in (by_tick, by_message)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows(engine, "SELECT count(*), count(DISTINCT job_id) FROM job_runs WHERE attempt_number = 1") == [
        (53, 53)
    ]
    assert rows(
        engine,
        "SELECT job_template_id, count(*) FROM jobs WHERE status = 'queued' GROUP BY 1 ORDER BY 1",
    ) == [(1, 50), (2, 1), (3, 1), (4, 1)]
