"""Whatever is sent: never a 5xx, and every refusal is a problem."""

import json
from typing import Any

from drover_api.deps import Deps
from drover_api.jobs.overrides import ASK
from drover_shared.objects import ObjectStore
from support.api import Api
from support.executor_client import Executor, ending
from support.job_rows import QueuedJob
from support.launch_rows import make_world
from support.output_rows import store_events, store_log
from werkzeug.test import TestResponse

ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    2**63,
    2**70,
    1.5,
    "",
    "a\x00b",
    "\ud800",
    "\U0001f4a5",
    "a" * 70_000,
    [],
    [None],
    [2**70],
    {},
    {"id": "1"},
    {"a": {"b": [1]}},
)
ODD_QUERY = ("", "x", "-1", "9" * 30, "%00", "%ff", "true", "2020-01-01", "9999-12-31T23:59:59-23:59", "a,")
PARAMETERS = (
    "limit",
    "offset",
    "order_by",
    "after_seq",
    "event_type",
    "host",
    "status",
    "created_after",
    "format",
)
ODD_RANGES = (
    "bytes=",
    "bytes=-",
    "bytes=5-1",
    "bytes=-0",
    f"bytes={'9' * 30}-",
    f"bytes=0-{'9' * 30}",
    "bytes=a-b",
)


def assert_sane(answer: TestResponse, what: str) -> None:
    assert answer.status_code < 500, f"{what[:80]}: {answer.status_code}"
    assert answer.status_code < 400 or answer.content_type == "application/problem+json", what[:80]


def sent(api: Api, method: str, path: str, body: Any) -> None:
    answer = api.call(method, path, data=json.dumps(body), content_type="application/json")
    assert_sane(answer, f"{method} {path} {body!r}")


def test_launch_bodies(admin: Api, api_deps: Deps) -> None:
    with api_deps.sessions.begin() as db:
        world = make_world(db, ask=list(ASK.values()))
    for value in ODD:
        sent(admin, "POST", "/jobs", value)
        sent(admin, "POST", "/bulk/jobs", {"jobs": value})
        for name in (*ASK, "execution_environment", "job_template_id"):
            sent(admin, "POST", "/jobs", {"job_template_id": world.template_id, name: value})


def test_queries_and_ranges(admin: Api, api_deps: Deps, queued: QueuedJob) -> None:
    with api_deps.sessions.begin() as db:
        store_events(db, queued.run_id, queued.job_id, [1])
        store_log(db, ObjectStore(api_deps.settings.s3), queued.run_id, queued.job_id, [b"abc"])
    job = f"/jobs/{queued.job_id}"
    for path in ("/jobs", f"{job}/runs", f"{job}/events", f"{job}/host-summaries", f"{job}/log"):
        for name in PARAMETERS:
            for value in ODD_QUERY:
                assert_sane(admin.get(f"{path}?{name}={value}"), f"{path}?{name}={value}")
    for value in ODD_RANGES:
        assert_sane(admin.get(f"{job}/log", headers={"Range": value}), value)
    for odd in ("0", "-1", "x", "9" * 30, "%00"):
        assert admin.get(f"/jobs/{odd}").status_code == 404
        assert admin.get(f"/job-runs/{odd}/log").status_code == 404


def test_executors_bodies(executor: Executor, queued: QueuedJob) -> None:
    run = executor.claim(queued)
    good: dict[str, tuple[str, dict[str, Any]]] = {
        "/heartbeat": ("PUT", {"last_seq": 0, "last_log_seq": -1}),
        "/events": ("POST", {"token": "t", "events": [{}]}),
        "/log-chunks": ("POST", {"token": "t", "seq": 0, "offset": 0, "body": ""}),
        "/finish": ("POST", ending("lost")),
    }
    for path, (method, body) in good.items():
        for value in ODD:
            sent(run, method, path, value)
            for name in body:
                sent(run, method, path, {**body, name: value})
