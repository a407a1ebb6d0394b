"""The real process: woken by a message, not dependent on one, and on no Redis either."""

from pathlib import Path

import redis
from drover_shared.queue import Doorbell
from drover_shared.settings import S3Settings
from sqlalchemy import Engine, text
from support.probes import documented, free_port, loops
from support.runs import add_job
from support.servers import StackServers
from support.services import ServiceProcess, service_env
from support.waiting import eventually

MODULE = "drover_scheduler"


def job(engine: Engine) -> int:
    with engine.begin() as connection:
        return add_job(connection)


def is_queued(engine: Engine, job_id: int) -> bool:
    with engine.connect() as connection:
        status = connection.scalar(text("SELECT status FROM jobs WHERE id = :id"), {"id": job_id})
    return bool(status == "queued")


def test_a_message_is_enough(
    engine: Engine,
    database_url: str,
    redis_url: str,
    redis_client: "redis.Redis",
    s3: S3Settings,
    tmp_path: Path,
) -> None:
    port = free_port()
    env = service_env(database_url, redis_url, s3) | {"DROVER_TICK_SECONDS": "60"}
    env |= {"DROVER_HEALTH_PORT": str(port), "DROVER_RETENTION_JOBS_DAYS": "1"}
    bell = Doorbell(redis_url)
    with ServiceProcess(MODULE, env, tmp_path / "log") as process:
        eventually("the first tick", lambda: "house_kept" in process.log_text(), 60)
        first = job(engine)
        assert bell.job_waits(first)
        eventually("a run", lambda: is_queued(engine, first), 30)
        eventually("a message", lambda: redis_client.llen("runs.default") == 1)
        redis_client.flushdb()  # its memory gone, all queues with it
        second = job(engine)
        assert bell.job_waits(second)
        eventually("another run", lambda: is_queued(engine, second), 30)
        eventually("another message", lambda: redis_client.llen("runs.default") == 1)
        assert loops(port) == dict.fromkeys(documented("scheduler"), "ok")


def test_no_message_is_needed_nor_redis(
    stack_servers: StackServers,
    engine: Engine,
    database_url: str,
    redis_url: str,
    tmp_path: Path,
) -> None:
    stack_servers.kill("redis")
    env = service_env(database_url, redis_url) | {"DROVER_TICK_SECONDS": "0.2"}
    try:
        with ServiceProcess(MODULE, env, tmp_path / "log"):
            first = job(engine)
            eventually("a run without Redis", lambda: is_queued(engine, first), 60)
            stack_servers.restart("redis")
            with redis.Redis.from_url(redis_url) as client:
                eventually("the run rung again", lambda: client.llen("runs.default") >= 1, 60)
                client.delete("runs.default")
            stack_servers.kill("redis")
            second = job(engine)
            eventually("a run without Redis again", lambda: is_queued(engine, second), 60)
    finally:
        stack_servers.restart("redis")
