"""The internal API over HTTP: tokens, states, answers that repeat."""

from typing import Any

import pytest
import redis
from drover_api.deps import Deps
from drover_api.internal.manifest import manifest
from drover_api.internal.schemas import ManifestSchema
from drover_shared import traces
from drover_shared.db.credential_snapshots import freeze
from drover_shared.db.models import Activity, Job, JobRun
from drover_shared.db.transitions import move_run
from drover_shared.domain.states import RunState
from drover_shared.messages.streams import decode_chunk, decode_events
from flask import Flask
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import select
from support.api import REGISTRATION_TOKEN, Api
from support.executor_client import PREFIX, Executor, ending
from support.job_rows import QueuedJob
from support.launch_rows import add_credential, make_world


def job_status(deps: Deps, queued: QueuedJob) -> str:
    with deps.sessions() as db:
        return db.get_one(Job, queued.job_id).status


def test_registration_needs_its_token(api_app: Flask) -> None:
    body = {"name": "one", "pools": ["default"], "slots": 2, "version": "1"}
    for token in (None, "guess", "gu\u00e9ss"):
        answer = Api(api_app.test_client(), token, PREFIX).post("/executors", body)
        assert answer.status_code == 401
        assert answer.content_type == "application/problem+json"


def test_registration_tells_how_to_stay_alive(executor: Executor) -> None:
    assert executor.registered["lease_seconds"] == 300
    assert executor.registered["heartbeat_interval_seconds"] == 5
    answer = executor.api.post(f"/executors/{executor.id}/heartbeat", {"running": []})
    assert answer.get_json() == {"drain": False}


def test_an_executor_says_what_isolates_it(api_app: Flask, executor: Executor, admin: Api) -> None:
    """One that says nothing isolates nothing; what it says later counts."""

    def shown() -> str:
        return str(admin.get(f"/executors/{executor.id}").get_json()["isolation"])

    assert shown() == "none"
    body = {"name": "one", "pools": ["default"], "slots": 2, "version": "1", "isolation": "podman 4.3.1"}
    Api(api_app.test_client(), REGISTRATION_TOKEN, PREFIX).post("/executors", body)
    assert shown() == "podman 4.3.1"


def test_an_executor_speaks_for_itself_only(api_app: Flask, executor: Executor) -> None:
    other = Executor(api_app.test_client(), "two")
    assert other.api.post(f"/executors/{executor.id}/heartbeat", {"running": []}).status_code == 403


def test_next_gives_a_waiting_run_or_nothing(executor: Executor, api_deps: Deps) -> None:
    path = f"/executors/{executor.id}/next"
    assert executor.api.post(path, {"wait_seconds": 0}).status_code == 204
    assert executor.api.post(path, {"wait_seconds": 0.2}).status_code == 204
    assert executor.api.post(path, {"wait_seconds": 26}).status_code == 422
    del api_deps


def test_next_names_the_run(executor: Executor, queued: QueuedJob) -> None:
    answer = executor.api.post(f"/executors/{executor.id}/next", {"wait_seconds": 5})
    assert answer.get_json() == {"job_run_id": str(queued.run_id)}


def test_the_whole_way_of_an_attempt(executor: Executor, queued: QueuedJob, api_deps: Deps) -> None:
    run = executor.claim(queued)
    assert run.post("/start", {"project_revision": "abc"}).get_json() == {
        "state": "running",
        "cancel": "none",
    }
    beat = run.put("/heartbeat", {"last_seq": 0, "last_log_seq": -1}).get_json()
    assert beat["cancel"] == "none"
    assert (beat["committed_seq"], beat["missing"]) == (0, [])
    assert (beat["committed_log_seq"], beat["missing_log"]) == (-1, [])
    assert run.post("/finish", ending()).get_json() == {
        "complete": True,
        "missing": [],
        "missing_log": [],
    }
    assert run.post("/finish", ending()).status_code == 200
    assert job_status(api_deps, queued) == "successful"


def test_finish_answers_202_with_the_gaps(executor: Executor, queued: QueuedJob) -> None:
    run = executor.claim(queued)
    run.post("/start", {})
    answer = run.post("/finish", ending("failed", exit_code=2, last_seq=3, log_chunks=1, log_bytes=9))
    assert answer.status_code == 202
    assert answer.get_json() == {"complete": False, "missing": [[1, 3]], "missing_log": [[0, 0]]}


def test_a_claimed_run_is_409_for_others_and_a_finished_one_410(
    api_app: Flask, executor: Executor, queued: QueuedJob
) -> None:
    other = Executor(api_app.test_client(), "two")
    run = executor.claim(queued)
    taken = other.try_claim(queued)
    assert (taken.status_code, taken.content_type) == (409, "application/problem+json")
    run.post("/start", {})
    run.post("/finish", ending())
    assert other.try_claim(queued).status_code == 410


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/manifest", None),
        ("GET", "/credentials/1", None),
        ("POST", "/start", {}),
        ("PUT", "/heartbeat", {"last_seq": 0, "last_log_seq": -1}),
        ("POST", "/events", {"token": "t", "events": []}),
        ("POST", "/log-chunks", {"token": "t", "seq": 0, "offset": 0, "body": ""}),
        ("POST", "/finish", ending()),
    ],
)
class TestTokens:
    def test_a_wrong_token_is_401(
        self, api_app: Flask, executor: Executor, queued: QueuedJob, method: str, path: str, body: Any
    ) -> None:
        executor.claim(queued)
        for token in (None, "drrun_guess", executor.stream_token, executor.registered["token"]):
            api = Api(api_app.test_client(), token, f"{PREFIX}/job-runs/{queued.run_id}")
            answer = api.call(method, path, body)
            assert (answer.status_code, answer.content_type) == (401, "application/problem+json")

    def test_a_lost_attempt_is_410(
        self, api_deps: Deps, executor: Executor, queued: QueuedJob, method: str, path: str, body: Any
    ) -> None:
        run = executor.claim(queued)
        with api_deps.sessions.begin() as db:
            move_run(db, queued.run_id, RunState.LOST)
        assert run.call(method, path, body).status_code == 410


def test_credentials_are_given_in_clear_while_the_run_lives_and_each_read_is_audited(
    executor: Executor, queued: QueuedJob, api_deps: Deps
) -> None:
    with api_deps.sessions.begin() as db:
        credential_id = add_credential(
            db,
            make_world(db),
            "aws",
            "Cloud",
            inputs={"username": "AKIA"},
            secrets=api_deps.vault.encrypt({"password": "s3cret"}),
            secret_names=["password"],
        )
        job = db.get_one(Job, queued.job_id)
        job.credential_ids = [credential_id]
        job.credential_snapshot_ids = freeze(db, [credential_id])
    run = executor.claim(queued)
    answer = run.get(f"/credentials/{credential_id}").get_json()
    assert answer["inputs"] == {"username": "AKIA", "password": "s3cret"}
    assert answer["injectors"]["env"] == {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s3cret"}
    assert run.get("/credentials/999").status_code == 404
    with api_deps.sessions() as db:
        entry = db.scalars(select(Activity).where(Activity.action == "read_secret")).one()
    assert (entry.actor, entry.resource_id) == ("executor:one", credential_id)
    assert "s3cret" not in str(entry.changes)
    run.post("/start", {})
    run.post("/finish", ending())
    assert run.get(f"/credentials/{credential_id}").status_code == 410


def test_secret_answers_travel_in_the_manifest_alone(
    executor: Executor, queued: QueuedJob, api_deps: Deps, admin: Api
) -> None:
    with api_deps.sessions.begin() as db:
        job = db.get_one(Job, queued.job_id)
        job.extra_vars = {"some_var": "value", "pin": "$encrypted$"}
        job.secret_vars = api_deps.vault.encrypt({"pin": "1234"})
        job.untrusted_vars, job.start_at_task = ["some_var"], "Install*"
    answer = executor.claim(queued).get("/manifest").get_json()
    assert answer["extra_vars"] == {"some_var": "value", "pin": "1234"}
    assert answer["secret_vars"] == ["pin"]
    assert (answer["untrusted_vars"], answer["start_at_task"]) == (["some_var"], "Install*")
    assert admin.get(f"/jobs/{queued.job_id}").get_json()["extra_vars"]["pin"] == "$encrypted$"


def test_no_part_of_the_manifest_is_dropped_on_its_way(queued: QueuedJob, api_deps: Deps) -> None:
    """A schema leaves out what it does not name."""
    with api_deps.sessions() as db:
        made = manifest(db, db.get_one(JobRun, queued.run_id), api_deps.vault.decrypt)
    assert set(made) == set(ManifestSchema().fields)


def test_output_by_http_comes_on_the_streams(
    executor: Executor, queued: QueuedJob, redis_client: "redis.Redis"
) -> None:
    run = executor.claim(queued)
    event = {"seq": 1, "event_type": "TASK_OK", "stdout_snippet": "a\x00b", "data": {}}
    body = {"token": executor.stream_token, "events": [event]}
    assert run.post("/events", body).status_code == 202
    chunk = {"token": executor.stream_token, "seq": 0, "offset": 0, "body": "aGVsbG8="}
    assert run.post("/log-chunks", chunk).status_code == 202
    assert run.post("/log-chunks", {**chunk, "body": "not base64!"}).status_code == 422
    entries: Any = redis_client.xrange("job-events")
    batch = decode_events(entries[0][1])
    assert batch.events[0]["stdout_snippet"] == "a\ufffdb"
    assert batch.token == executor.stream_token
    entries = redis_client.xrange("log-chunks")
    assert decode_chunk(entries[0][1]).body == b"hello"


def test_output_by_http_keeps_its_trace(
    executor: Executor, queued: QueuedJob, redis_client: "redis.Redis"
) -> None:
    """What stores it goes on from the request that brought it."""
    run = executor.claim(queued)
    exporter = InMemorySpanExporter()
    traces.send_to("api", exporter)
    try:
        run.post("/events", {"token": executor.stream_token, "events": [{"seq": 1, "event_type": "TASK_OK"}]})
        chunk = {"token": executor.stream_token, "seq": 0, "offset": 0, "body": "aGVsbG8="}
        run.post("/log-chunks", chunk)
    finally:
        traces.close()
    spans = exporter.get_finished_spans()
    assert [span.name.rpartition("/")[2] for span in spans] == ["events", "log-chunks"]
    for span, stream in zip(spans, ("job-events", "log-chunks"), strict=True):
        entries: Any = redis_client.xrange(stream)
        [(_, fields)] = entries
        _, trace, parent, _ = fields[b"traceparent"].decode().split("-")
        context: Any = span.get_span_context()
        assert (int(trace, 16), int(parent, 16)) == (context.trace_id, context.span_id)


def test_a_wrong_body_names_its_field(executor: Executor, queued: QueuedJob) -> None:
    run = executor.claim(queued)
    answer = run.put("/heartbeat", {"last_seq": -1, "last_log_seq": "x"})
    assert {error["pointer"] for error in answer.get_json()["errors"]} == {"/last_seq", "/last_log_seq"}
    assert run.post("/finish", ending("lost")).status_code == 422
    assert run.post("/finish", {**ending(), "colour": "red", "state": "canceled"}).status_code == 200
