"""The real process under load: killed, doubled, and with its object store gone for a while."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import redis
from drover_shared.settings import S3Settings
from sqlalchemy import Engine, text
from support.log_kills import USUAL, ride
from support.output import send_chunk
from support.probes import documented, free_port, loops
from support.runs import RunRow, make_run
from support.servers import StackServers
from support.services import ServiceProcess, service_env
from support.waiting import eventually

MODULE = "drover_log_store"


def progress(engine: Engine, run: RunRow) -> Any:
    with engine.connect() as connection:
        return connection.execute(
            text("SELECT received::text, bytes FROM run_log_progress WHERE job_run_id = :run"),
            {"run": run.id},
        ).one_or_none()


def test_killed_a_dozen_times_while_it_stores_and_archives(
    engine: Engine, database_url: str, redis_url: str, s3: S3Settings, tmp_path: Path
) -> None:
    storm = replace(USUAL, seed=7, kills=12)
    assert ride(engine, database_url, redis_url, s3, tmp_path / "log", storm).kills == 12


def test_the_object_store_may_go_and_come_back(
    stack_servers: StackServers,
    engine: Engine,
    database_url: str,
    redis_url: str,
    redis_client: "redis.Redis",
    s3: S3Settings,
    tmp_path: Path,
) -> None:
    run = make_run(engine)
    port = free_port()
    env = service_env(database_url, redis_url, s3) | {"DROVER_HEALTH_PORT": str(port)}
    with ServiceProcess(MODULE, env, tmp_path / "log") as process:
        send_chunk(redis_client, run, 0, 0, b"before\n")
        eventually("a chunk", lambda: progress(engine, run) == ("{[0,1)}", 7), 60)
        stack_servers.kill("s3")
        try:
            send_chunk(redis_client, run, 1, 7, b"during\n")
            eventually("a failure noted", lambda: "stream_step_failed" in process.log_text(), 60)
            assert redis_client.xlen("log-chunks") == 1
        finally:
            stack_servers.restart("s3")
        eventually("the other chunk", lambda: progress(engine, run) == ("{[0,2)}", 14), 60)
        assert loops(port) == dict.fromkeys(documented("log-store"), "ok")
        assert run.token not in process.log_text()
        assert s3.secret_key not in process.log_text()
