"""A job of several attempts as its users see it: why each was made, and what became of every host."""

from typing import Any

from drover_api.deps import Deps
from drover_scheduler.narrowing import narrow
from drover_shared.db.models import Job, JobHostSummary, JobRun
from sqlalchemy import update
from support.api import Api
from support.executor_client import Executor, ending
from support.job_rows import QueuedJob
from support.output_rows import store_summary


def failed(api_deps: Deps, executor: Executor, job: QueuedJob, hosts: dict[str, dict[str, int]]) -> QueuedJob:
    """End the current attempt with these results; returns the attempt that follows, ready to be claimed."""
    run = executor.claim(job)
    run.post("/start", {"project_revision": "abc123"})
    with api_deps.sessions.begin() as db:
        for host, counts in hosts.items():
            store_summary(db, job.run_id, job.job_id, host, **counts)
        db.execute(update(JobHostSummary).values(final=True))
    assert run.post("/finish", ending("failed")).status_code == 200
    narrow(api_deps.engine)
    with api_deps.sessions() as db:
        following = db.get_one(Job, job.job_id).current_run_id
    assert following is not None
    return QueuedJob(job.job_id, following)


def test_hosts_keep_their_results_while_others_are_tried_again(
    admin: Api, api_deps: Deps, queued: QueuedJob, executor: Executor
) -> None:
    with api_deps.sessions.begin() as db:
        policy = {"retry_on": ["failed"], "retry_hosts": "failed_and_unstarted", "retry_wait_seconds": 0}
        db.execute(update(Job).values(**policy))
    first = {"a": {"ok": 2, "changed": 1}, "b": {"failed": 1}, "c": {"unreachable": 1}, "d": {"skipped": 1}}
    second = failed(api_deps, executor, queued, first)
    third = failed(api_deps, executor, second, {"b": {"ok": 2, "changed": 2}, "c": {"unreachable": 1}})

    assert executor.claim(third).get("/manifest").get_json()["limit"] == "all,!a,!d,!b"
    runs = admin.get(f"/jobs/{queued.job_id}/runs").get_json()["items"]
    told = [(run["attempt_number"], run["cause"], run["error_reason"], run["limit"]) for run in runs]
    assert sorted(told) == [
        (1, "launch", "playbook_failed", None),
        (2, "playbook_failed", "playbook_failed", "all,!a,!d"),
        (3, "playbook_failed", None, "all,!a,!d,!b"),
    ]
    for job in (
        admin.get(f"/jobs/{queued.job_id}").get_json(),
        admin.get("/jobs?host=a").get_json()["items"][0],
    ):
        assert job["summary"] == {
            "hosts_total": 4,
            "hosts_ok": 2,
            "hosts_failed": 0,
            "hosts_unreachable": 1,
            "hosts_skipped": 1,
            "hosts_changed": 2,
        }
    path = f"/jobs/{queued.job_id}/host-summaries"
    assert results(admin, path) == {"a": 2, "b": 2, "c": 0, "d": 0}
    assert results(admin, f"{path}?outcome=unreachable") == {"c": 0}
    assert results(admin, f"{path}?job_run_id={second.run_id}") == {"b": 2, "c": 0}
    assert results(admin, f"{path}?job_run_id={queued.run_id}") == {"a": 2, "b": 0, "c": 0, "d": 0}


def test_a_wait_before_another_attempt_is_told(
    admin: Api, api_deps: Deps, queued: QueuedJob, executor: Executor
) -> None:
    with api_deps.sessions.begin() as db:
        db.execute(update(Job).values(retry_on=["failed"], retry_wait_seconds=600))
    following = failed(api_deps, executor, queued, {})
    job = admin.get(f"/jobs/{queued.job_id}").get_json()
    assert (job["status"], job["pending_reason"]["code"]) == ("queued", "retry_wait")
    assert "playbook_failed" in job["pending_reason"]["detail"]
    run = admin.get(f"/job-runs/{following.run_id}").get_json()
    assert run["available_at"] > run["created_at"]
    assert admin.post(f"/jobs/{queued.job_id}/cancel").status_code == 202
    assert admin.get(f"/jobs/{queued.job_id}").get_json()["status"] == "canceled"


def test_a_relaunch_on_failed_hosts_knows_the_results_of_all_attempts(
    admin: Api, api_deps: Deps, queued: QueuedJob, executor: Executor
) -> None:
    with api_deps.sessions.begin() as db:
        policy = {"retry_on": ["failed"], "retry_hosts": "failed", "retry_wait_seconds": 0, "max_attempts": 2}
        db.execute(update(Job).values(**policy))
    second = failed(api_deps, executor, queued, {"a": {"ok": 1}, "b": {"failed": 1}, "c": {"failed": 1}})
    failed(api_deps, executor, second, {"b": {"ok": 1}, "c": {"failed": 1}})
    path = f"/jobs/{queued.job_id}/relaunch"
    assert admin.post(path, {"hosts": "failed"}).get_json()["limit"] == "c"
    again = admin.post(path, {"hosts": "failed_and_unstarted"}).get_json()
    assert again["limit"] == "all,!a,!b"
    assert (again["retry_on"], again["retry_hosts"]) == (["failed"], "failed")
    with api_deps.sessions() as db:
        assert db.query(JobRun).filter_by(job_id=queued.job_id).count() == 2


def results(admin: Api, path: str) -> dict[str, int]:
    items: list[dict[str, Any]] = admin.get(path).get_json()["items"]
    return {one["host"]: one["ok"] for one in items}
