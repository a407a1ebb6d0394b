"""Runs that nobody claims, that nobody answers for, and that do not end in time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from drover_scheduler import metrics
from drover_scheduler.scheduler import Tick
from drover_scheduler.waiting import MESSAGES_ENOUGH
from drover_shared.clock import FakeClock
from drover_shared.db.partitions import partition_name
from drover_shared.queue import Doorbell
from sqlalchemy import Engine, text
from support.runs import RunRow, add_job, add_run
from support.scheduling import change, make_tick, rows

PAST = datetime.now(UTC) - timedelta(hours=10)
FUTURE = datetime.now(UTC) + timedelta(hours=10)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime.now(UTC))


@pytest.fixture
def tick(engine: Engine, redis_client: redis.Redis, redis_url: str, clock: FakeClock) -> Tick:
    return make_tick(engine, redis_client, Doorbell(redis_url), clock)


def held_run(engine: Engine, job: dict[str, Any] | None = None, **run: Any) -> RunRow:
    with engine.begin() as connection:
        job_id = add_job(connection, **({"status": "running"} | (job or {})))
        row = add_run(connection, job_id, **run)
        connection.execute(
            text("UPDATE jobs SET current_run_id = :run WHERE id = :id"), {"run": row.id, "id": job_id}
        )
    return row


def attempts(engine: Engine) -> list[Any]:
    return rows(engine, "SELECT attempt_number, state, error_reason FROM job_runs ORDER BY attempt_number")


def jobs(engine: Engine) -> list[Any]:
    return rows(engine, "SELECT status, error_reason FROM jobs ORDER BY id")


def test_a_run_that_answers_is_left_alone(engine: Engine, tick: Tick) -> None:
    held_run(engine, lease_expires_at=FUTURE)
    held_run(engine, lease_expires_at=datetime.now(UTC) - timedelta(seconds=2))  # still within the grace
    tick.run()
    assert {state for _, state, _ in attempts(engine)} == {"running"}


def test_a_lost_run_is_followed_by_attempts_until_none_is_left(
    engine: Engine, tick: Tick, redis_client: redis.Redis
) -> None:
    held_run(engine, lease_expires_at=PAST)
    lost = (("lost", "executor_lost"),)
    for number, state in ((2, "starting"), (3, "running")):
        tick.run()
        assert jobs(engine) == [("queued", None)]
        assert rows(engine, "SELECT attempt_number FROM job_runs r JOIN jobs ON current_run_id = r.id") == [
            (number,)
        ]
        assert redis_client.llen("runs.default") == 1  # the third waits a while and rings then
        change(
            engine,
            "UPDATE job_runs SET state = 'starting', lease_expires_at = :past WHERE state = 'pending'",
            past=PAST,
        )
        if state == "running":  # the one before ended while it prepared, this one while it ran
            change(engine, "UPDATE job_runs SET state = 'running' WHERE state = 'starting'")
            change(engine, "UPDATE jobs SET status = 'running'")
    tick.run()
    assert attempts(engine) == [(number, *lost[0]) for number in (1, 2, 3)]
    assert jobs(engine) == [("error", "executor_lost")]
    assert rows(engine, "SELECT finished_at IS NOT NULL, error_detail <> '' FROM jobs") == [(True, True)]


def test_a_lost_run_of_a_canceled_job_ends_it(engine: Engine, tick: Tick) -> None:
    held_run(engine, {"cancel_requested": True}, lease_expires_at=PAST)
    tick.run()
    assert attempts(engine) == [(1, "lost", "executor_lost")]
    assert jobs(engine) == [("canceled", "canceled")]


def test_a_run_past_its_time_and_the_grace_fails(engine: Engine, tick: Tick) -> None:
    late = {"lease_expires_at": FUTURE, "started_at": datetime.now(UTC) - timedelta(seconds=100)}
    held_run(engine, {"timeout_seconds": 30}, **late)
    held_run(engine, {"timeout_seconds": 80}, **late)
    held_run(engine, {"timeout_seconds": 0}, **late)
    tick.run()
    assert jobs(engine) == [("failed", "timeout"), ("running", None), ("running", None)]
    assert rows(
        engine, "SELECT count(*) FROM job_runs WHERE state = 'failed' AND error_reason = 'timeout'"
    ) == [(1,)]


def test_an_attempt_after_a_time_out_waits_until_the_old_one_is_certainly_dead(
    engine: Engine, tick: Tick, redis_client: redis.Redis
) -> None:
    """Its executor may not be reachable, and its playbook still run."""
    held_run(
        engine,
        {"timeout_seconds": 30, "retry_on": ["timeout"], "retry_wait_seconds": 0},
        lease_expires_at=FUTURE,
        started_at=PAST,
    )
    tick.run()
    assert jobs(engine) == [("queued", None)]
    assert rows(engine, "SELECT state, cause, available_at FROM job_runs ORDER BY attempt_number") == [
        ("failed", "launch", None),
        ("pending", "timeout", FUTURE + timedelta(seconds=5)),
    ]
    assert redis_client.llen("runs.default") == 0


def test_a_third_attempt_waits_a_while_before_it_rings(
    engine: Engine, tick: Tick, redis_client: redis.Redis
) -> None:
    held_run(engine, attempt_number=2, lease_expires_at=PAST)
    tick.run()
    assert attempts(engine) == [(2, "lost", "executor_lost"), (3, "pending", None)]
    change(engine, "UPDATE job_runs SET rung_at = now() - interval '3 seconds'")
    tick.run()
    assert redis_client.llen("runs.default") == 0
    change(engine, "UPDATE job_runs SET available_at = now() WHERE available_at > now()")
    tick.run()
    assert redis_client.llen("runs.default") == 1


def test_a_run_that_does_not_get_started_in_time_is_the_platforms_error(engine: Engine, tick: Tick) -> None:
    queued = {"status": "queued", "start_timeout_seconds": 60}
    slow = {"state": "starting", "lease_expires_at": FUTURE, "claimed_at": PAST}
    held_run(engine, queued, **slow)
    held_run(engine, queued, **(slow | {"claimed_at": FUTURE}))
    held_run(engine, queued | {"start_timeout_seconds": 0}, **slow)
    tick.run()
    assert jobs(engine) == [("error", "start_timeout"), ("queued", None), ("queued", None)]


def test_a_job_that_waits_longer_than_it_may_ends(engine: Engine, tick: Tick) -> None:
    late = {"waiting_timeout_seconds": 60, "created_at": PAST}
    with engine.begin() as connection:
        add_job(connection, **late, executor_pool="nobody")
    held_run(engine, late | {"status": "queued"}, state="pending")
    held_run(engine, late | {"status": "queued"}, state="starting", lease_expires_at=FUTURE)
    held_run(engine, late | {"status": "queued", "waiting_timeout_seconds": 0}, state="pending")
    held_run(engine, late | {"status": "queued", "started_at": PAST}, state="pending", attempt_number=2)
    tick.run()
    ended = ("error", "waiting_timeout")
    assert jobs(engine) == [ended, ended, ("queued", None), ("queued", None), ("queued", None)]
    assert rows(engine, "SELECT error_reason FROM job_runs WHERE state = 'failed'") == [("waiting_timeout",)]


def test_a_run_nobody_claims_is_rung_again(engine: Engine, tick: Tick, redis_client: redis.Redis) -> None:
    with engine.begin() as connection:
        add_job(connection)
    tick.run()
    assert redis_client.llen("runs.default") == 1
    redis_client.flushdb()  # the message is lost
    tick.run()
    assert redis_client.llen("runs.default") == 0  # too early
    change(engine, "UPDATE job_runs SET rung_at = now() - interval '3 seconds'")
    tick.run()
    tick.run()
    assert redis_client.llen("runs.default") == 1


def test_ringing_is_bounded_and_the_oldest_come_first(
    engine: Engine, tick: Tick, redis_client: redis.Redis
) -> None:
    with engine.begin() as connection:
        runs = [
            add_run(connection, add_job(connection, status="queued"), state="pending", pool=pool)
            for pool in ("a", "b")
            for _ in range(MESSAGES_ENOUGH + 20)
        ]
    tick.run()
    change(engine, "UPDATE job_runs SET rung_at = NULL")
    tick.run()
    for pool in ("a", "b"):
        assert redis_client.llen(f"runs.{pool}") == MESSAGES_ENOUGH
    [last] = rows(engine, "SELECT rung_at FROM job_runs WHERE id = :run", run=runs[-1].id)
    assert last == (None,)


def test_without_redis_the_tick_still_schedules(engine: Engine, clock: FakeClock) -> None:
    nowhere = "redis://127.0.0.1:9/0"
    tick = make_tick(engine, redis.Redis.from_url(nowhere), Doorbell(nowhere), clock)
    with engine.begin() as connection:
        for _ in range(5):
            add_job(connection)
    held_run(engine, lease_expires_at=PAST)
    tick.run()
    assert {status for status, _ in jobs(engine)} == {"queued"}


def test_old_idempotency_keys_go(engine: Engine, tick: Tick, clock: FakeClock) -> None:
    change(engine, "INSERT INTO users (username) VALUES ('ann')")
    for key, age in (("old", 25), ("new", 23)):
        change(
            engine,
            "INSERT INTO idempotency_keys (user_id, key, body_hash, status, response, created_at) "
            "SELECT id, :key, '', 201, '{}', now() - make_interval(hours => :age) FROM users",
            key=key,
            age=age,
        )
    tick.run()
    assert rows(engine, "SELECT key FROM idempotency_keys") == [("new",)]
    change(engine, "UPDATE idempotency_keys SET created_at = now() - interval '2 days'")
    tick.run()
    assert rows(engine, "SELECT count(*) FROM idempotency_keys") == [(1,)]
    clock.advance(3601)
    tick.run()
    assert rows(engine, "SELECT count(*) FROM idempotency_keys") == [(0,)]


def test_housekeeping_that_fails_leaves_the_tables_alone_for_a_minute(
    engine: Engine, tick: Tick, clock: FakeClock
) -> None:
    """While a backup reads the events no partition can be added, and a try makes everybody wait."""
    failures = metrics.FAILURES.labels("housekeeping")
    before = failures._value.get()
    clock.advance(30 * 86400)
    with engine.begin() as backup:
        backup.execute(text("SELECT count(*) FROM job_events"))
        tick.run()
        tick.run()
    assert failures._value.get() == before + 1
    clock.advance(60)
    tick.run()
    assert rows(engine, "SELECT to_regclass(:name)", name=partition_name(clock.now().date())) != [(None,)]
