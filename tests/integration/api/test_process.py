"""The API as a process: its commands, its answers to what is no HTTP, its end."""

import contextlib
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from cryptography.fernet import Fernet
from drover_cli.local.ports import choose_port
from drover_cli.local.process import Child, Program, inherited_environment, wait_until
from drover_shared.db.models import CredentialType, ExecutionEnvironment, ExecutorPool, User
from drover_shared.settings import S3Settings
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session
from support.api_process import raw_exchange
from support.fleet import family

PASSWORD = "a password of the first administrator"
START_SECONDS = 90  # of a busy machine


@pytest.fixture
def environment(database_url: str, redis_url: str, s3: S3Settings) -> dict[str, str]:
    return {
        "DROVER_DATABASE_URL": database_url,
        "DROVER_REDIS_URL": redis_url,
        "DROVER_S3_ENDPOINT": s3.endpoint,
        "DROVER_S3_BUCKET": s3.bucket,
        "DROVER_S3_ACCESS_KEY": s3.access_key,
        "DROVER_S3_SECRET_KEY": s3.secret_key,
        "DROVER_SECRET_KEYS": f"k1:{Fernet.generate_key().decode()}",
        "DROVER_REGISTRATION_TOKEN": "registration",
        "DROVER_ADMIN_PASSWORD": PASSWORD,
        "DROVER_PORT": str(choose_port(None, set(), random.Random())),
        "DROVER_API_WORKERS": "1",
    }


def run(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "drover_api", *arguments],
        env={**inherited_environment(), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=START_SECONDS,
    )


def test_create_admin_makes_what_is_missing_and_changes_nothing_else(
    environment: dict[str, str], engine: Engine
) -> None:
    first = run(environment, "create-admin")
    assert first.returncode == 0, first.stderr
    with Session(engine) as db, db.begin():
        admin = db.scalars(select(User)).one()
        assert (admin.username, admin.is_superuser) == ("admin", True)
        stored = admin.password_hash
        assert stored is not None
        assert stored.startswith("$argon2id$")
        namespaces = set(db.scalars(select(CredentialType.namespace)))
        assert {"machine", "vault", "scm", "registry", "aws"} <= namespaces
        assert db.scalars(select(ExecutorPool.name)).all() == ["default"]
        assert db.scalars(select(ExecutionEnvironment.managed)).all() == [True]
    second = run({**environment, "DROVER_ADMIN_PASSWORD": "another password"}, "create-admin")
    assert second.returncode == 0, second.stderr
    assert PASSWORD not in first.stderr + second.stderr
    with Session(engine) as db:
        assert db.scalars(select(User.password_hash)).one() == stored
        assert db.scalar(select(func.count()).select_from(CredentialType)) == len(namespaces)


def test_wrong_settings_are_one_line(environment: dict[str, str]) -> None:
    ended = run({**environment, "DROVER_SECRET_KEYS": "k1:short"})
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.startswith("drover: DROVER_SECRET_KEYS must hold")
    assert ended.stderr.count("\n") == 1


@contextlib.contextmanager
def serving(environment: dict[str, str], tmp_path: Path) -> Iterator[tuple[Child, str]]:
    """A serving API and its address."""
    log = tmp_path / "api.log"
    child = Child(Program("api", [sys.executable, "-m", "drover_api"], log, environment))
    address = f"http://127.0.0.1:{environment['DROVER_PORT']}"

    def ready() -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{address}/readyz", timeout=5).status_code == 200
        return False

    try:
        wait_until(ready, child, START_SECONDS)
        yield child, address
    finally:
        child.stop()


@pytest.fixture
def server(environment: dict[str, str], tmp_path: Path) -> Iterator[tuple[Child, str]]:
    assert run(environment, "create-admin").returncode == 0
    with serving(environment, tmp_path) as running:
        yield running


def test_it_serves_logs_json_and_stops(server: tuple[Child, str]) -> None:
    child, address = server
    with httpx.Client(base_url=address, timeout=30) as client:
        made = client.post("/api/v1/tokens", auth=("admin", PASSWORD), json={})
        assert made.status_code == 201, made.text
        headers = {"Authorization": f"Bearer {made.json()['token']}"}
        assert client.get("/api/v1/me", headers=headers).json()["username"] == "admin"
        assert client.get("/livez").status_code == 200
    for request in (
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 10_000),
        b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: <script>\r\n\r\n",
        b"POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    ):
        head, _, body = raw_exchange(address, request).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 4"), head
        assert b"application/problem+json" in head, head
        assert json.loads(body)["status"] in (400, 404, 414, 417, 431, 505), body
        assert b"<" not in body
    child.stop(timeout=10)
    assert child.exit_code() == 0
    for line in child.program.log.read_text().splitlines():
        json.loads(line)


def test_a_worker_whose_requests_all_hang_is_replaced(
    environment: dict[str, str], engine: Engine, tmp_path: Path
) -> None:
    """The process lives, and its thread that accepts connections turns: neither is progress."""
    few = {**environment, "DROVER_API_THREADS": "2", "DROVER_API_STALL_SECONDS": "2"}
    with serving(few, tmp_path) as (child, address), ThreadPoolExecutor(2) as threads:
        [_, worker] = family(child.pid)
        assert httpx.get(f"{address}/livez").json()["checks"] == {"requests": "ok", "live": "ok"}

        def hang() -> bool:
            """Whether its connection broke off, without an answer."""
            try:
                httpx.post(f"{address}/api/v1/tokens", auth=("admin", PASSWORD), json={}, timeout=60)
            except httpx.TransportError:
                return True
            return False

        with engine.begin() as connection:
            connection.execute(text("LOCK TABLE users"))
            hung = [threads.submit(hang) for _ in range(2)]
            assert [one.result() for one in hung] == [True, True]
        wait_until(lambda: family(child.pid)[1:] not in ([], [worker]), child, START_SECONDS)
        assert httpx.get(f"{address}/livez", timeout=30).status_code == 200
    events = [json.loads(line)["event"] for line in child.program.log.read_text().splitlines()]
    assert events.count("worker_stalled") == 1
