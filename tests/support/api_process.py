"""The API as its own process over the test's servers, with an organization's worth of things in it."""

import contextlib
import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from cryptography.fernet import Fernet
from drover_api.access.passwords import hash_password
from drover_api.bootstrap import ensure_built_ins
from drover_cli.local.ports import choose_port
from drover_shared.db.models import Job, JobRun, Token, User
from drover_shared.ids import new_token, token_hash
from drover_shared.objects import ObjectStore
from drover_shared.settings import S3Settings
from sqlalchemy import create_engine, func, text
from sqlalchemy.orm import Session

from support.api import ADMIN_PASSWORD, REGISTRATION_TOKEN
from support.job_rows import QueuedJob, add_executor, add_queued_job
from support.launch_rows import add_credential, grant, make_world
from support.output_rows import store_events, store_log, store_summary
from support.servers import S3_KEYS, StackServers
from support.services import ServiceProcess, service_env
from support.waiting import eventually

START_SECONDS = 180  # of a very busy machine
EVENTS = 42
LOG = (b"PLAY [all]\n", "\u001b[0;32mok: [w\u00e9b]\u001b[0m\n".encode())


@dataclass(frozen=True)
class Place:
    """Fresh databases and a bucket for one API process."""

    database_url: str
    redis_url: str
    s3: S3Settings

    @classmethod
    def make(cls, servers: StackServers) -> "Place":
        return cls(
            servers.database_url(servers.make_database()),
            servers.redis_url(servers.next_redis_database()),
            S3Settings(servers.s3_endpoint, servers.make_bucket(), *S3_KEYS),
        )


class ApiProcess(ServiceProcess):
    """`python -m drover_api` on a port of its own; ready when `start` returns."""

    def __init__(self, place: Place, log: Path, settings: Mapping[str, str] | None = None) -> None:
        port = choose_port(None, set(), random.Random())
        self.url = f"http://127.0.0.1:{port}"
        env = {
            **service_env(place.database_url, place.redis_url, place.s3),
            "DROVER_SECRET_KEYS": f"k1:{Fernet.generate_key().decode()}",
            "DROVER_REGISTRATION_TOKEN": REGISTRATION_TOKEN,
            "DROVER_PORT": str(port),
            "DROVER_API_WORKERS": "1",
            **(settings or {}),
        }
        super().__init__("drover_api", env, log)

    def start(self) -> "ApiProcess":
        super().start()
        eventually(f"{self.url} is ready", self._ready, START_SECONDS)
        return self

    def _ready(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        return False


def raw_exchange(address: str, request: bytes) -> bytes:
    """What the server answers to bytes of any kind, until it closes."""
    host, _, port = address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


@dataclass(frozen=True)
class Known:
    """Tokens and ids of what `populate` made."""

    admin_id: int
    token: str
    token_id: int
    executor_token: str
    run_token: str
    ids: Mapping[str, Any]


def populate(place: Place) -> Known:
    """One of each resource, a job with output of every kind, a claimed run and a pending one."""
    engine = create_engine(place.database_url)
    try:
        with Session(engine) as db, db.begin():
            ensure_built_ins(db)
            admin = User(username="admin", is_superuser=True, password_hash=hash_password(ADMIN_PASSWORD))
            db.add_all([admin, User(username="somebody")])
            db.flush()
            token, secret = _token(db, admin.id)
            return Known(admin.id, secret, token.id, *_world(db, place))
    finally:
        engine.dispose()


def _token(db: Session, user_id: int) -> tuple[Token, str]:
    secret = new_token("drv")
    made = Token(user_id=user_id, token_hash=token_hash(secret), scope="write")
    db.add(made)
    db.flush()
    return made, secret


# The ids of the specification's examples, so that the document's examples are about what is there.
_EXAMPLE_IDS = {
    "inventories": 42,
    "projects": 9,
    "job_templates": 17,
    "execution_environments": 5,
    "credentials": 5,
}


def _world(db: Session, place: Place) -> tuple[str, str, dict[str, Any]]:
    for table, value in _EXAMPLE_IDS.items():
        db.execute(text(f"ALTER TABLE {table} ALTER COLUMN id RESTART WITH {value}"))
    ask = ["extra_vars", "limit", "job_type", "verbosity", "inventory", "execution_environment"]
    world = make_world(db, ask=ask)
    add_credential(db, world, "machine", "SSH Key", inputs={"username": "deploy"})
    add_credential(db, world, "vault", "Vault Password", inputs={})
    grant(db, "somebody", "execute", "job_template", world.template_id)
    executor_token, run_token = new_token("drexec"), new_token("drrun")
    executor = add_executor(db, token=executor_token)
    claimed = add_queued_job(db, job_template_id=world.template_id)
    waiting = add_queued_job(db, job_template_id=world.template_id)
    run = db.get_one(JobRun, claimed.run_id)
    run.state, run.executor_id, run.run_token_hash = "starting", executor.id, token_hash(run_token)
    run.stream_token_hash = token_hash("drstream_of-the-test")
    db.flush()
    ended = _ended(db, place, world.template_id)
    ids = {
        "job": ended.job_id,
        "run": str(ended.run_id),
        "claimed_run": str(claimed.run_id),
        "pending_run": str(waiting.run_id),
        "executor": executor.id,
    }
    return executor_token, run_token, ids


def _ended(db: Session, place: Place, template_id: int) -> QueuedJob:
    """A finished job with all of its output."""
    made = add_queued_job(db, job_template_id=template_id)
    job, run = db.get_one(Job, made.job_id), db.get_one(JobRun, made.run_id)
    for state in ("starting", "running"):
        run.state = state
        db.flush()
    job.status = "running"
    db.flush()
    _output(db, place, made.run_id, made.job_id)
    run.state, run.finished_at, run.exit_code = "successful", func.now(), 0
    run.final_event_seq, run.final_log_chunks = EVENTS, len(LOG)
    run.final_log_bytes = sum(map(len, LOG))
    run.final_log_sha256 = sha256(b"".join(LOG)).hexdigest()
    job.status, job.finished_at = "successful", func.now()
    db.flush()
    return made


def _output(db: Session, place: Place, run_id: UUID, job_id: int) -> None:
    store_events(db, run_id, job_id, range(1, EVENTS + 1))
    store_summary(db, run_id, job_id, "web01.example.com", ok=10, changed=2)
    store = ObjectStore(place.s3)
    try:
        store_log(db, store, run_id, job_id, LOG)
    finally:
        store.close()
