"""The real process under load: killed, doubled, and with Redis wiped, nothing is missing or double."""

from dataclasses import replace
from pathlib import Path

import redis
from sqlalchemy import Engine, text
from support.kills import USUAL, events_of_run, facts, ride
from support.output import send_events
from support.probes import documented, free_port, loops
from support.runs import RunRow, make_run
from support.services import ServiceProcess, service_env
from support.waiting import eventually

MODULE = "drover_event_ingest"


def received(engine: Engine, run: RunRow) -> str | None:
    with engine.connect() as connection:
        value = connection.scalar(
            text("SELECT received::text FROM run_event_progress WHERE job_run_id = :run"), {"run": run.id}
        )
    return None if value is None else str(value)


def test_killed_again_and_again_under_load(
    engine: Engine, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """`./drover bench kills` does it as often as one likes."""
    storm = replace(USUAL, seed=7, kills=24, size=1000)
    found = ride(engine, database_url, redis_url, tmp_path / "log", storm)
    assert found.total >= 3000


def test_what_redis_forgot_and_the_executor_sends_again(
    engine: Engine, database_url: str, redis_url: str, redis_client: "redis.Redis", tmp_path: Path
) -> None:
    run = make_run(engine)
    events = events_of_run(300)
    port = free_port()
    env = service_env(database_url, redis_url) | {"DROVER_HEALTH_PORT": str(port)}
    with ServiceProcess(MODULE, env, tmp_path / "log"):
        send_events(redis_client, run, events[:100])
        eventually("stored", lambda: received(engine, run) == "{[1,101)}", 60)
        redis_client.flushdb()
        send_events(redis_client, run, events[200:])
        eventually("stored", lambda: received(engine, run) == "{[1,101),[201,301)}", 60)
        send_events(redis_client, run, events[50:250])
        eventually("stored", lambda: received(engine, run) == "{[1,301)}", 60)
        assert loops(port) == dict.fromkeys(documented("event-ingest"), "ok")
    assert facts(engine, run)[0] == [(295, 1, 300)]


def test_a_missing_setting_is_one_line(redis_url: str, tmp_path: Path) -> None:
    process = ServiceProcess(
        MODULE, {"DROVER_REDIS_URL": redis_url, "DROVER_DATABASE_URL": ""}, tmp_path / "log"
    )
    assert process.start().wait() == 2
    assert process.log_text() == "drover: DROVER_DATABASE_URL must be set (see deploy/env.example)\n"
