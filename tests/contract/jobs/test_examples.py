"""Each JSON example of specification 2.5 to 2.9, 3.1 and 7.1: the same keys, the same types."""

from collections.abc import Mapping
from typing import Any

import pytest
from drover_api.deps import Deps
from drover_shared.db.models import Job, JobTemplate
from drover_shared.objects import ObjectStore
from support.api import Api
from support.executor_client import Executor, ending
from support.job_rows import QueuedJob
from support.launch_rows import World, add_credential, make_world
from support.output_rows import store_events, store_log, store_summary
from support.specification import EVENT, HOST_SUMMARY, JOB, LOG_CHUNK, MANIFEST, RUN


def assert_like(found: Any, example: Any, place: str = "") -> None:
    """`found` has every key of `example`, with values of the same JSON type."""
    assert type(found) is type(example), f"{place}: {found!r} is not like {example!r}"
    if isinstance(example, Mapping):
        for key, value in example.items():
            assert key in found, f"{place}/{key} is missing"
            assert_like(found[key], value, f"{place}/{key}")
    elif isinstance(example, str) and example.endswith("Z"):
        assert found.endswith("Z"), f"{place}: {found!r} is not in UTC"


@pytest.fixture
def world(api_deps: Deps) -> World:
    with api_deps.sessions.begin() as db:
        return make_world(
            db, ask=["extra_vars", "verbosity"], timeout_seconds=7200, extra_vars={"some_var": "value"}
        )


@pytest.fixture
def running(
    admin: Api, api_deps: Deps, executor: Executor, queued: QueuedJob, world: World
) -> tuple[QueuedJob, Api]:
    """A job with a running attempt that has put out something of each kind."""
    del admin
    with api_deps.sessions.begin() as db:
        db.get_one(Job, queued.job_id).job_template_id = world.template_id
    run = executor.claim(queued)
    run.post("/start", {"project_revision": "abc"})
    with api_deps.sessions.begin() as db:
        store_events(db, queued.run_id, queued.job_id, range(1, 43))
        store_summary(db, queued.run_id, queued.job_id, "web01.example.com", ok=10, changed=2)
        store_log(db, ObjectStore(api_deps.settings.s3), queued.run_id, queued.job_id, [b"x" * 1024])
    return queued, run


def test_2_5_job(admin: Api, running: tuple[QueuedJob, Api]) -> None:
    job = admin.get(f"/jobs/{running[0].job_id}").get_json()
    assert_like(job, JOB)
    assert job["status"] == "running"
    assert set(job["summary"]) == set(JOB["summary"])
    assert_like(admin.get("/jobs").get_json()["items"][0], JOB)


def test_2_6_run(admin: Api, running: tuple[QueuedJob, Api]) -> None:
    run = admin.get(f"/job-runs/{running[0].run_id}").get_json()
    assert_like(run, RUN)
    assert (run["attempt_number"], run["state"], run["last_event_seq"]) == (1, "running", 42)


def test_2_7_event(admin: Api, running: tuple[QueuedJob, Api]) -> None:
    page = admin.get(f"/jobs/{running[0].job_id}/events?after_seq=41").get_json()
    event = page["items"][0]
    assert_like(event, EVENT)
    assert set(event) == set(EVENT)
    varying = {"id", "job_id", "job_run_id", "timestamp"}
    assert {key: value for key, value in event.items() if key not in varying} == {
        key: value for key, value in EVENT.items() if key not in varying
    }
    assert event["timestamp"].endswith(".123Z")


def test_2_8_host_summary(admin: Api, running: tuple[QueuedJob, Api]) -> None:
    page = admin.get(f"/jobs/{running[0].job_id}/host-summaries").get_json()
    assert_like(page["items"][0], HOST_SUMMARY)
    assert (page["items"][0]["ok"], page["items"][0]["changed"]) == (10, 2)


def test_2_9_log_chunk(admin: Api, running: tuple[QueuedJob, Api]) -> None:
    run_id = running[0].run_id
    chunk = admin.get(f"/job-runs/{run_id}/log-chunks").get_json()["items"][0]
    assert_like(chunk, LOG_CHUNK)
    assert set(chunk) == set(LOG_CHUNK)
    assert chunk["storage_key"] == f"jobs/{run_id}/chunk-0000.log"


def test_3_1_create_job(admin: Api, world: World) -> None:
    body = {
        "job_template_id": world.template_id,
        "execution_environment_id": world.environment_id,
        "inventory_id": world.inventory_id,
        "execution_environment": None,
        "extra_vars": {"version": "1.2.3", "env": "prod"},
        "limit": None,
        "job_type": "run",
        "verbosity": 3,
    }
    answer = admin.post("/jobs", body)
    assert answer.status_code == 201, answer.get_data(as_text=True)
    job = answer.get_json()
    assert_like(job, {**JOB, "started_at": None, "current_run_id": None})
    assert job["status"] == "pending"
    assert job["extra_vars"] == {"some_var": "value", "version": "1.2.3", "env": "prod"}


def test_7_1_manifest(executor: Executor, queued: QueuedJob, api_deps: Deps, world: World) -> None:
    with api_deps.sessions.begin() as db:
        ids = [
            add_credential(db, world, "machine", "SSH Key"),
            add_credential(db, world, "vault", "Vault Password"),
        ]
        db.get_one(Job, queued.job_id).credential_ids = ids
    manifest = executor.claim(queued).get("/manifest").get_json()
    expected = {**MANIFEST, "job_run_id": str(queued.run_id), "job_id": queued.job_id}
    expected["credentials"] = [
        {"id": ids[0], "type": "machine", "name": "SSH Key"},
        {"id": ids[1], "type": "vault", "name": "Vault Password"},
    ]
    assert {key: manifest[key] for key in MANIFEST} == expected


def test_a_template_edited_after_the_launch_changes_nothing_for_the_job(
    admin: Api, api_deps: Deps, world: World
) -> None:
    job = admin.make("/jobs", job_template_id=world.template_id)
    with api_deps.sessions.begin() as db:
        template = db.get_one(JobTemplate, world.template_id)
        template.playbook, template.extra_vars = "other.yml", {}
    after = admin.get(f"/jobs/{job['id']}").get_json()
    assert (after["playbook"], after["extra_vars"]) == ("deploy.yml", {"some_var": "value"})


def test_an_ended_job_keeps_its_shape(admin: Api, running: tuple[QueuedJob, Api]) -> None:
    queued, run = running
    assert run.post("/finish", ending(last_seq=42, log_chunks=1, log_bytes=1024)).status_code == 200
    job = admin.get(f"/jobs/{queued.job_id}").get_json()
    assert_like(job, {**JOB, "finished_at": "2025-12-10T09:05:00Z"})
    assert (job["status"], job["events_complete"], job["log_complete"]) == ("successful", True, True)
