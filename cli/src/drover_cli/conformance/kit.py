"""What the rules work with: executors and runs of a pool of their own, against a running API."""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import UUID

import httpx

from drover_cli.api import ApiClient, Json, problem_text

PREFIX = "/internal/api/v1"
PATIENCE_SECONDS = 30.0
_PAUSE_SECONDS = 0.1
NO_POLICY = {"retry_on": ["lost"], "retry_hosts": "all", "retry_wait_seconds": 0, "max_attempts": 2}
T = TypeVar("T")


class BrokenRuleError(Exception):
    """What the API did is not what the rule says; one line."""


def require(holds: object, what: str) -> None:
    """Raise BrokenRuleError unless `holds`."""
    if not holds:
        raise BrokenRuleError(what)


def expect(answer: httpx.Response, status: int) -> Json:
    """The JSON of an answer that must have `status`; a refusal must be problem+json."""
    told = f"{answer.request.method} {answer.request.url.path}"
    require(
        answer.status_code == status,
        f"{told} answered {answer.status_code} instead of {status}: {problem_text(answer)}",
    )
    if status >= HTTPStatus.BAD_REQUEST:
        kind = answer.headers.get("content-type", "")
        require(kind.startswith("application/problem+json"), f"{told} refused with {kind!r}")
    return dict(answer.json() or {}) if answer.content else {}


def eventually(what: str, look: Callable[[], T | None], seconds: float = PATIENCE_SECONDS) -> T:
    """The first value of `look` that is neither None nor False."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        require(time.monotonic() < deadline, f"not within {seconds:g} s: {what}")
        time.sleep(_PAUSE_SECONDS)


def moment(text: str) -> datetime:
    """An RFC 3339 time."""
    return datetime.fromisoformat(text)


@dataclass(frozen=True)
class Executor:
    """A registered executor."""

    id: int
    token: str = field(repr=False)
    lease_seconds: int
    heartbeat_seconds: int


@dataclass
class Run:
    """A claimed attempt and what it has put out."""

    http: httpx.Client = field(repr=False)
    id: UUID
    job_id: int
    token: str = field(repr=False)
    stream_token: str = field(repr=False)
    claimed: Json = field(repr=False)
    events: int = 0
    log: bytes = b""
    chunks: int = 0

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return self.http.request(method, f"{PREFIX}/job-runs/{self.id}{path}", json=body, headers=headers)

    def start(self) -> Json:
        return expect(self.call("POST", "/start", {"project_revision": "0" * 40}), HTTPStatus.OK)

    def beat(self) -> Json:
        body = {"last_seq": self.events, "last_log_seq": self.chunks - 1}
        return expect(self.call("PUT", "/heartbeat", body), HTTPStatus.OK)

    def event(self, seq: int, text: str = "") -> Json:
        return {
            "seq": seq,
            "timestamp": "2025-12-10T09:00:00Z",
            "event_type": "WARNING",
            "host": None,
            "task_name": None,
            "play_name": None,
            "stdout_snippet": text,
            "data": {},
        }

    def post_events(self, low: int, high: int, text: str = "") -> None:
        """Post events `low`…`high`; a repeat is allowed."""
        self.events = max(self.events, high)
        self.send([self.event(seq, text) for seq in range(low, high + 1)])

    def send(self, batch: Sequence[Json]) -> None:
        expect(self.call("POST", "/events", {"token": self.stream_token, "events": batch}), 202)

    def chunk(self, seq: int, offset: int, body: bytes) -> Json:
        text = base64.b64encode(body).decode()
        return {"token": self.stream_token, "seq": seq, "offset": offset, "body": text}

    def post_log(self, body: bytes) -> None:
        """Post the next chunk of the log."""
        chunk = self.chunk(self.chunks, len(self.log), body)
        self.log, self.chunks = self.log + body, self.chunks + 1
        expect(self.call("POST", "/log-chunks", chunk), 202)

    def ending(self, state: str, **values: Any) -> Json:
        return {
            "state": state,
            "exit_code": 0,
            "error_reason": None,
            "error_detail": None,
            "last_seq": self.events,
            "log_chunks": self.chunks,
            "log_bytes": len(self.log),
            "log_sha256": hashlib.sha256(self.log).hexdigest(),
            **values,
        }

    def finish(self, state: str, **values: Any) -> httpx.Response:
        return self.call("POST", "/finish", self.ending(state, **values))

    def stored(self) -> None:
        """Return when a heartbeat says that all output is stored."""
        eventually("all output is stored", lambda: not any(self.gaps()))

    def gaps(self) -> tuple[list[Any], list[Any]]:
        beat = self.beat()
        return beat["missing"], beat["missing_log"]


class Kit:
    """`api` is logged in as somebody who may make organizations; every name is this run's own."""

    def __init__(self, url: str, api: ApiClient, registration_token: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=PATIENCE_SECONDS + 5, trust_env=False)
        self.api = api
        self.registration_token = registration_token
        self.name = f"conformance-{secrets.token_hex(4)}"
        self.one = self.register("one")
        self.two = self.register("two")
        self._template = self._make_template()

    def registration(self, name: str, pool: str | None = None) -> Json:
        pools = [self.name if pool is None else pool]
        return {"name": f"{self.name}-{name}", "pools": pools, "slots": 4, "version": "1"}

    def post(self, path: str, token: str | None, body: Mapping[str, Any]) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.http.post(f"{PREFIX}{path}", json=body, headers=headers)

    def register(self, name: str, pool: str | None = None) -> Executor:
        """Register an executor of this run's pool, or of another."""
        body = self.registration(name, pool)
        told = expect(self.post("/executors", self.registration_token, body), HTTPStatus.OK)
        return Executor(told["id"], told["token"], told["lease_seconds"], told["heartbeat_interval_seconds"])

    def next(self, executor: Executor, seconds: float = 20.0) -> UUID | None:
        """One long poll."""
        answer = self.post(f"/executors/{executor.id}/next", executor.token, {"wait_seconds": seconds})
        if answer.status_code == HTTPStatus.NO_CONTENT:
            return None
        return UUID(expect(answer, HTTPStatus.OK)["job_run_id"])

    def claim(self, run_id: object, executor: Executor) -> httpx.Response:
        return self.post(f"/job-runs/{run_id}/claim", executor.token, {"executor_id": executor.id})

    def launch(self) -> int:
        return int(self.api.post("/jobs", {"job_template_id": self._template})["id"])

    def set_policy(self, **values: Any) -> None:
        """Change what later launches take over from the template about further attempts."""
        self.api.patch(f"/job-templates/{self._template}", NO_POLICY | values)

    def job(self, job_id: int) -> Json:
        return self.api.get(f"/jobs/{job_id}")

    def waiting_run(self) -> tuple[UUID, int]:
        """A run nobody has claimed, and its job."""
        job_id = self.launch()
        found = eventually("the run is offered", lambda: self.next(self.one))
        require(self.job(job_id)["current_run_id"] == str(found), "another run than the job's is offered")
        return found, job_id

    def claimed_run(self) -> Run:
        return self.take(*self.waiting_run())

    def take(self, run_id: UUID, job_id: int) -> Run:
        told = expect(self.claim(run_id, self.one), HTTPStatus.OK)
        return Run(self.http, run_id, job_id, told["run_token"], told["stream_token"], told)

    def running_run(self) -> Run:
        run = self.claimed_run()
        run.start()
        return run

    def clear(self) -> None:
        """End what a broken rule left waiting or running, so that it does not break the next."""
        jobs = self.api.get("/jobs", job_template_id=self._template, limit=200)["items"]
        for job in jobs:
            if job["finished_at"] is None:
                self.api.post(f"/jobs/{job['id']}/cancel", {})
        while (left := self.next(self.one, 0)) is not None:
            self.take(left, 0).finish("canceled")

    def close(self) -> None:
        self.http.close()

    def _make_template(self) -> int:
        name = self.name
        organization = self.api.post("/organizations", {"name": name})["id"]
        owned = {"name": name, "organization_id": organization}
        inventory = self.api.post("/inventories", owned)["id"]
        project = self.api.post("/projects", owned | {"scm_url": "https://git.example.com/none.git"})["id"]
        image = owned | {"image": "registry.example.com/ee:latest"}
        environment = self.api.post("/execution-environments", image)["id"]
        template = {
            "name": name,
            "project_id": project,
            "inventory_id": inventory,
            "execution_environment_id": environment,
            "playbook": "site.yml",
            "executor_pool": name,
            "allow_simultaneous": True,
            **NO_POLICY,
        }
        return int(self.api.post("/job-templates", template)["id"])
