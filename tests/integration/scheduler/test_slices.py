"""A job with several slices: split once, its slices side by side, and followed to its end."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import redis
from drover_scheduler.attempts import fill_pool
from drover_scheduler.line import SPARE
from drover_scheduler.pending import cancel_waiting, end_overdue
from drover_scheduler.retention import count_expired, remove_some
from drover_scheduler.scheduler import Tick, schedule_jobs
from drover_shared.db.slices import follow
from drover_shared.ids import new_run_id
from sqlalchemy import Engine
from support.runs import add_executor
from support.scheduling import SilentBell, change, job, make_tick, rows, status


@pytest.fixture
def tick(engine: Engine, redis_client: redis.Redis) -> Tick:
    return make_tick(engine, redis_client, SilentBell())


def slices(engine: Engine, job_id: int) -> list[int]:
    found = rows(engine, "SELECT id FROM jobs WHERE sliced_job_id = :id ORDER BY slice_number", id=job_id)
    return [one for (one,) in found]


def fill(engine: Engine) -> list[int]:
    with engine.begin() as connection:
        return [run.job_id for run in fill_pool(connection, "default", new_run_id)]


def begin(engine: Engine, job_id: int) -> None:
    for state in ("starting", "running"):
        change(engine, "UPDATE job_runs SET state = :state WHERE job_id = :id", state=state, id=job_id)
    change(engine, "UPDATE jobs SET status = 'running', started_at = now() WHERE id = :id", id=job_id)


def end(engine: Engine, job_id: int, status: str = "successful", **values: Any) -> None:
    state = "failed" if status == "error" else status
    change(engine, "UPDATE job_runs SET state = :state WHERE job_id = :id", state=state, id=job_id)
    told = {"reason": None, "detail": None, "artifacts": "{}", **values}
    change(
        engine,
        "UPDATE jobs SET status = :status, finished_at = now(), error_reason = :reason,"
        " error_detail = :detail, artifacts = CAST(:artifacts AS jsonb) WHERE id = :id",
        status=status,
        id=job_id,
        **told,
    )


def test_a_job_is_split_at_its_turn_and_has_no_run_itself(engine: Engine, tick: Tick) -> None:
    first = job(engine, job_template_id=7, slice_count=3, limit="web*", priority=4, launched_by_id=None)
    later = job(engine, job_template_id=7)
    tick.run()
    split = slices(engine, first)
    assert [status(engine, one) for one in (first, later)] == ["queued", "pending"]  # one at a time
    assert rows(engine, "SELECT job_id FROM job_runs ORDER BY id") == [(one,) for one in split]
    columns = 'status, slice_number, slice_count, "limit", priority, job_template_id, launch_type'
    assert rows(engine, f"SELECT {columns} FROM jobs WHERE sliced_job_id IS NOT NULL ORDER BY id") == [  # noqa: S608
        ("queued", number, 3, "web*", 4, 7, "slice") for number in (1, 2, 3)
    ]
    assert rows(engine, "SELECT current_run_id FROM jobs WHERE id = :id", id=first) == [(None,)]
    tick.run()
    assert len(rows(engine, "SELECT id FROM jobs")) == 5


def test_slices_take_the_pools_room_and_the_job_none(engine: Engine) -> None:
    crowd = job(engine, slice_count=SPARE + 2)
    last = job(engine)
    made = fill(engine)
    assert made == slices(engine, crowd)[:SPARE]  # as old as their job, so before what came later
    add_executor(engine, slots=3)
    assert fill(engine) == [*slices(engine, crowd)[SPARE:], last]


def test_a_limit_counts_the_job_and_not_its_slices(engine: Engine) -> None:
    change(engine, "INSERT INTO organizations (id, name) VALUES (1, 'ops')")
    change(
        engine,
        "INSERT INTO inventories (id, name, organization_id, max_simultaneous) VALUES (1, 'fleet', 1, 2)",
    )
    jobs = [job(engine, slice_count=2) for _ in range(3)]
    assert fill(engine) == [*slices(engine, jobs[0]), *slices(engine, jobs[1])]
    assert status(engine, jobs[2]) == "pending"
    for one in slices(engine, jobs[0]):
        begin(engine, one)
        end(engine, one)
    assert fill(engine) == []  # the job has not followed them yet
    assert schedule_jobs(engine, SilentBell(), new_run_id, slices(engine, jobs[0])[:1], "message") == 2
    assert [status(engine, one) for one in jobs] == ["successful", "queued", "queued"]


def test_two_schedulers_split_it_once(engine: Engine) -> None:
    jobs = [job(engine, slice_count=3) for _ in range(6)]
    add_executor(engine, slots=30)
    barrier = Barrier(3)

    def scheduler(_: int) -> int:
        barrier.wait()
        return len(fill(engine))

    with ThreadPoolExecutor(3) as pool:
        made = sum(pool.map(scheduler, range(3)))
    assert made == 18
    found = rows(
        engine,
        "SELECT sliced_job_id, array_agg(slice_number ORDER BY id) FROM jobs"
        " WHERE sliced_job_id IS NOT NULL GROUP BY 1 ORDER BY 1",
    )
    assert found == [(one, [1, 2, 3]) for one in jobs]


def test_the_job_runs_with_its_first_slice_and_ends_with_its_last(engine: Engine, tick: Tick) -> None:
    parent = job(engine, slice_count=3)
    tick.run()
    one, two, three = slices(engine, parent)
    begin(engine, two)
    tick.run()
    assert status(engine, parent) == "running"
    begin(engine, one)
    end(engine, one, artifacts='{"from": 1, "first": true}')
    end(engine, two, "failed", reason="playbook_failed", detail="web02 failed", artifacts='{"from": 2}')
    begin(engine, three)
    tick.run()
    assert status(engine, parent) == "running"
    end(engine, three, artifacts='{"from": 3}')
    tick.run()
    told = "status, error_reason, error_detail, artifacts"
    assert rows(engine, f"SELECT {told} FROM jobs WHERE id = :id", id=parent) == [  # noqa: S608
        ("failed", "playbook_failed", f"Slice 2 (job {two}): web02 failed", {"from": 3, "first": True})
    ]
    times = """
        SELECT p.started_at = min(s.started_at), p.finished_at = max(s.finished_at)
        FROM jobs p JOIN jobs s ON s.sliced_job_id = p.id GROUP BY p.id
    """
    assert rows(engine, times) == [(True, True)]


def test_a_message_of_a_slice_is_enough(engine: Engine) -> None:
    parent = job(engine, slice_count=2)
    fill(engine)
    one, two = slices(engine, parent)
    begin(engine, one)
    schedule_jobs(engine, SilentBell(), new_run_id, [one], "message")
    assert status(engine, parent) == "running"
    end(engine, one)
    begin(engine, two)
    end(engine, two)
    schedule_jobs(engine, SilentBell(), new_run_id, [two], "message")
    assert status(engine, parent) == "successful"


def test_slices_that_never_ran_end_it_too(engine: Engine, tick: Tick) -> None:
    parent = job(engine, slice_count=2, waiting_timeout_seconds=60)
    tick.run()
    change(engine, "UPDATE jobs SET created_at = now() - interval '2 minutes'")
    assert end_overdue(engine) == 2  # each slice, and not the job: it does not wait itself
    assert status(engine, parent) == "queued"
    tick.run()
    assert rows(engine, "SELECT status, error_reason FROM jobs WHERE id = :id", id=parent) == [
        ("error", "waiting_timeout")
    ]


def test_a_cancel_ends_a_job_before_its_split_and_its_slices_afterwards(engine: Engine, tick: Tick) -> None:
    waiting = job(engine, slice_count=2, cancel_requested=True)
    split = job(engine, slice_count=2)
    tick.run()
    assert (status(engine, waiting), slices(engine, waiting)) == ("canceled", [])
    change(engine, "UPDATE jobs SET cancel_requested = true WHERE id = :id", id=split)
    assert cancel_waiting(engine) == 0  # its slices come first
    change(engine, "UPDATE jobs SET cancel_requested = true")
    tick.run()
    tick.run()
    assert {status(engine, one) for one in (split, *slices(engine, split))} == {"canceled"}


def test_followers_at_once_move_it_once(engine: Engine) -> None:
    parent = job(engine, slice_count=2)
    fill(engine)
    for one in slices(engine, parent):
        begin(engine, one)
        end(engine, one)
    barrier = Barrier(4)

    def follower(_: int) -> bool:
        with engine.begin() as connection:
            barrier.wait()
            return follow(connection, parent)

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(follower, range(4))) == 1
    assert status(engine, parent) == "successful"


def test_retention_takes_a_job_with_its_slices_and_no_slice_alone(engine: Engine) -> None:
    old, young = job(engine, slice_count=2), job(engine, slice_count=2)
    fill(engine)
    for parent in (old, young):
        for one in slices(engine, parent):
            begin(engine, one)
            end(engine, one)
        with engine.begin() as connection:
            follow(connection, parent)
    change(engine, "UPDATE jobs SET finished_at = now() - interval '9 days' WHERE id <> :id", id=young)
    with engine.connect() as connection:
        found = count_expired(connection, 8)
    assert (found.jobs, found.runs) == (3, 2)
    assert remove_some(engine, lambda _keys: None, 8) == 3
    assert rows(engine, "SELECT count(*) FROM jobs WHERE id = :id OR sliced_job_id = :id", id=young) == [(3,)]
    assert rows(engine, "SELECT count(*) FROM jobs") == [(3,)]
