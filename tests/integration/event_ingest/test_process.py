"""The real process under load: killed, doubled, and with Redis wiped, nothing is missing or double."""

import random
import threading
from pathlib import Path
from typing import Any

import redis
from sqlalchemy import Engine, text
from support.output import event, send_events
from support.runs import RunRow, make_run
from support.services import ServiceProcess, service_env
from support.waiting import eventually

MODULE = "drover_event_ingest"
HOSTS = [f"web{number:02}" for number in range(20)]


def events_of_run(count: int) -> list[dict[str, Any]]:
    kinds = ["TASK_OK", "TASK_OK", "TASK_FAILED", "TASK_SKIPPED"]
    plain = [
        event(seq, kinds[seq % 4], HOSTS[seq % len(HOSTS)], changed=seq % 3 == 0) for seq in range(1, count)
    ]
    return [*plain, event(count, "STATS", None, ok=dict.fromkeys(HOSTS[:10], 5))]


def batches_of(events: list[dict[str, Any]], rng: random.Random) -> list[list[dict[str, Any]]]:
    """Cut into batches, some of them twice, in any order."""
    batches = []
    while events:
        size = rng.randint(1, 80)
        batches.append(events[:size])
        events = events[size:]
    batches += [batch for batch in batches if rng.random() < 0.3]
    rng.shuffle(batches)
    return batches


def received(engine: Engine, run: RunRow) -> str | None:
    with engine.connect() as connection:
        value = connection.scalar(
            text("SELECT received::text FROM run_event_progress WHERE job_run_id = :run"), {"run": run.id}
        )
    return None if value is None else str(value)


def facts(engine: Engine, run: RunRow) -> dict[str, Any]:
    """All that must come out the same whatever happened on the way."""
    queries = {
        "rows": "SELECT count(*), min(seq), max(seq) FROM job_events WHERE job_run_id = :run",
        "hosts": "SELECT host, ok, changed, failed, skipped, final FROM job_host_summaries "
        "WHERE job_run_id = :run ORDER BY host",
        "progress": "SELECT received::text, events, hosts_total, hosts_ok, hosts_failed, hosts_unreachable, "
        "hosts_skipped, hosts_changed FROM run_event_progress WHERE job_run_id = :run",
    }
    with engine.connect() as connection:
        return {
            name: [tuple(row) for row in connection.execute(text(sql), {"run": run.id})]
            for name, sql in queries.items()
        }


def test_killed_again_and_again_under_load(
    engine: Engine, database_url: str, redis_url: str, redis_client: "redis.Redis", tmp_path: Path
) -> None:
    rng = random.Random(7)
    runs = [make_run(engine) for _ in range(3)]
    count = 3000
    sends = [(run, batch) for run in runs for batch in batches_of(events_of_run(count), rng)]
    rng.shuffle(sends)
    env = service_env(database_url, redis_url) | {"DROVER_CLAIM_IDLE_SECONDS": "0.3"}
    victims = [ServiceProcess(MODULE, env, tmp_path / f"{number}.log").start() for number in range(2)]

    def send_all() -> None:
        for run, batch in sends:
            send_events(redis_client, run, batch)

    sender = threading.Thread(target=send_all)
    sender.start()
    try:
        for done in (0.1, 0.3, 0.5, 0.7, 0.9):
            eventually(f"{done:.0%} stored", lambda done=done: stored(engine) >= done * count * len(runs), 60)  # type: ignore[misc]
            victim = rng.choice(victims)
            victim.kill()
            victim.start()
        sender.join()
        for run in runs:
            eventually("all stored", lambda run=run: received(engine, run) == f"{{[1,{count + 1})}}", 60)  # type: ignore[misc]
        eventually("an empty stream", lambda: redis_client.xlen("job-events") == 0, 60)
    finally:
        for victim in victims:
            victim.kill()
    first = facts(engine, runs[0])
    assert first["rows"] == [(count, 1, count)]
    assert first["progress"][0][1:7] == (count, 20, 14, 3, 0, 3)
    assert all(facts(engine, run) == first for run in runs)


def stored(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT coalesce(sum(events), 0) FROM run_event_progress")) or 0)


def test_what_redis_forgot_and_the_executor_sends_again(
    engine: Engine, database_url: str, redis_url: str, redis_client: "redis.Redis", tmp_path: Path
) -> None:
    run = make_run(engine)
    events = events_of_run(300)
    with ServiceProcess(MODULE, service_env(database_url, redis_url), tmp_path / "log"):
        send_events(redis_client, run, events[:100])
        eventually("stored", lambda: received(engine, run) == "{[1,101)}", 60)
        redis_client.flushdb()
        send_events(redis_client, run, events[200:])
        eventually("stored", lambda: received(engine, run) == "{[1,101),[201,301)}", 60)
        send_events(redis_client, run, events[50:250])
        eventually("stored", lambda: received(engine, run) == "{[1,301)}", 60)
    assert facts(engine, run)["rows"] == [(300, 1, 300)]


def test_a_missing_setting_is_one_line(redis_url: str, tmp_path: Path) -> None:
    process = ServiceProcess(
        MODULE, {"DROVER_REDIS_URL": redis_url, "DROVER_DATABASE_URL": ""}, tmp_path / "log"
    )
    assert process.start().wait() == 2
    assert process.log_text() == "drover: DROVER_DATABASE_URL must be set (see deploy/env.example)\n"
