"""The real process under load: killed, doubled, and with its object store gone for a while."""

import random
import threading
from hashlib import sha256
from pathlib import Path
from typing import Any

import redis
from drover_shared.domain.keys import chunk_key
from drover_shared.objects import ObjectStore
from drover_shared.settings import S3Settings
from sqlalchemy import Engine, text
from support.output import send_chunk
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


def stored(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM log_chunks")) or 0)


def test_killed_again_and_again_under_load(
    engine: Engine,
    database_url: str,
    redis_url: str,
    redis_client: "redis.Redis",
    s3: S3Settings,
    tmp_path: Path,
) -> None:
    rng = random.Random(7)
    runs = [make_run(engine) for _ in range(2)]
    count = 300
    bodies = {run.id: [rng.randbytes(rng.randint(1, 4000)) for _ in range(count)] for run in runs}
    sends = [(run, seq) for run in runs for seq in range(count)]
    sends += [send for send in sends if rng.random() < 0.3]
    rng.shuffle(sends)
    env = service_env(database_url, redis_url, s3) | {"DROVER_CLAIM_IDLE_SECONDS": "0.3"}
    victims = [ServiceProcess(MODULE, env, tmp_path / f"{number}.log").start() for number in range(2)]

    def send_all() -> None:
        for run, seq in sends:
            chunks = bodies[run.id]
            send_chunk(redis_client, run, seq, sum(len(body) for body in chunks[:seq]), chunks[seq])

    sender = threading.Thread(target=send_all)
    sender.start()
    try:
        for done in (0.1, 0.4, 0.7):
            eventually(f"{done:.0%}", lambda done=done: stored(engine) >= done * count * len(runs), 60)  # type: ignore[misc]
            victim = rng.choice(victims)
            victim.kill()
            victim.start()
        sender.join()
        eventually("all chunks", lambda: stored(engine) == count * len(runs), 60)
        eventually("an empty stream", lambda: redis_client.xlen("log-chunks") == 0, 60)
    finally:
        for victim in victims:
            victim.kill()
    objects = ObjectStore(s3)
    for run in runs:
        whole = b"".join(bodies[run.id])
        assert tuple(progress(engine, run)) == (f"{{[0,{count})}}", len(whole))
        log = b"".join(objects.get(chunk_key(run.id, seq)) for seq in range(count))
        assert sha256(log).digest() == sha256(whole).digest()


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
    with ServiceProcess(MODULE, service_env(database_url, redis_url, s3), tmp_path / "log") as process:
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
        assert run.token not in process.log_text()
        assert s3.secret_key not in process.log_text()
