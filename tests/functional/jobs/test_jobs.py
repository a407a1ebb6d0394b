"""Jobs that exist: reading, canceling, launching again, deleting."""

from typing import Any

import pytest
from drover_api.deps import Deps
from drover_shared.db.models import Job, JobEvent, JobRun, LogArchive, LogChunkRow, User
from drover_shared.domain.keys import archive_key, chunk_key
from drover_shared.ids import new_run_id
from drover_shared.objects import ObjectStore
from flask import Flask
from sqlalchemy import func, select, text
from support.api import Api, token_for
from support.executor_client import Executor, ending
from support.job_rows import QueuedJob, add_job
from support.launch_rows import grant, make_world
from support.output_rows import store_archive, store_events, store_log, store_summary


def finished(executor: Executor, queued: QueuedJob, state: str = "successful", **values: Any) -> None:
    run = executor.claim(queued)
    run.post("/start", {})
    run.post("/finish", ending(state, **values))


class TestReading:
    def test_a_waiting_job_says_why(self, admin: Api, queued: QueuedJob, api_app: Flask) -> None:
        path = f"/jobs/{queued.job_id}"
        reason = admin.get(path).get_json()["pending_reason"]
        assert (reason["code"], reason["queue_position"]) == ("no_executor", 1)
        executor = Executor(api_app.test_client())
        assert admin.get(path).get_json()["pending_reason"]["code"] == "waiting_for_executor"
        executor.claim(queued)
        assert admin.get(path).get_json()["pending_reason"]["code"] == "preparing"

    def test_a_job_behind_another_of_its_template_says_so(self, admin: Api, api_deps: Deps) -> None:
        with api_deps.sessions.begin() as db:
            first = add_job(db, job_template_id=1)
            first.status = "queued"
            second = add_job(db, job_template_id=1)
            third = add_job(db, job_template_id=1, allow_simultaneous=True)
        reason = admin.get(f"/jobs/{second.id}").get_json()["pending_reason"]
        assert reason["code"] == "template_busy"
        assert f"Job {first.id} " in reason["detail"]
        reason = admin.get(f"/jobs/{third.id}").get_json()["pending_reason"]
        assert (reason["code"], reason["queue_position"]) == ("no_executor", 2)

    def test_a_running_job_has_the_summary_of_its_run(
        self, admin: Api, executor: Executor, queued: QueuedJob, api_deps: Deps
    ) -> None:
        executor.claim(queued).post("/start", {"project_revision": "abc"})
        with api_deps.sessions.begin() as db:
            store_events(db, queued.run_id, queued.job_id, [1, 2, 4])
        job = admin.get(f"/jobs/{queued.job_id}").get_json()
        assert job["status"] == "running"
        assert job["pending_reason"] is None
        assert job["summary"]["hosts_total"] == 1
        assert (job["events_complete"], job["log_complete"]) == (False, False)
        run = admin.get(f"/job-runs/{queued.run_id}").get_json()
        assert run["last_event_seq"] == 2
        assert run["project_revision"] == "abc"

    def test_output_is_complete_when_all_that_was_promised_is_stored(
        self, admin: Api, executor: Executor, queued: QueuedJob, api_deps: Deps
    ) -> None:
        finished(executor, queued, last_seq=3)
        path = f"/jobs/{queued.job_id}"
        with api_deps.sessions.begin() as db:
            store_events(db, queued.run_id, queued.job_id, [1, 3])
        job = admin.get(path).get_json()
        assert (job["events_complete"], job["log_complete"]) == (False, True)
        with api_deps.sessions.begin() as db:
            store_events(db, queued.run_id, queued.job_id, [2])
        assert admin.get(path).get_json()["events_complete"] is True

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("status=pending", 2),
            ("status=pending,queued", 3),
            ("job_template_id=7", 1),
            ("inventory_id=42", 3),
            ("name=SPECIAL", 1),
            ("name=%25", 0),
            ("created_after=2020-01-01T00:00:00Z", 3),
            ("created_before=2020-01-01T00:00:00Z", 0),
            ("finished_after=2020-01-01T00:00:00Z", 0),
            ("host=web01.example.com", 1),
            ("launched_by=1", 0),
        ],
    )
    def test_filters(self, admin: Api, api_deps: Deps, queued: QueuedJob, query: str, found: int) -> None:
        with api_deps.sessions.begin() as db:
            add_job(db, job_template_id=7)
            add_job(db, name="A special one")
            store_summary(db, queued.run_id, queued.job_id, "web01.example.com", ok=1)
        page = admin.get(f"/jobs?{query}").get_json()
        assert (page["total"], len(page["items"])) == (found, found)

    @pytest.mark.parametrize("query", ["status=odd", "limit=201", "created_after=2020-01-01", "colour=red"])
    def test_a_wrong_filter_is_422(self, admin: Api, query: str) -> None:
        assert admin.get(f"/jobs?{query}").status_code == 422

    def test_newest_first(self, admin: Api, api_deps: Deps) -> None:
        with api_deps.sessions.begin() as db:
            ids = [add_job(db).id for _ in range(3)]
        assert [job["id"] for job in admin.get("/jobs").get_json()["items"]] == ids[::-1]
        assert [job["id"] for job in admin.get("/jobs?order_by=id").get_json()["items"]] == ids

    def test_what_is_not_visible_does_not_exist(
        self, api_app: Flask, api_deps: Deps, queued: QueuedJob
    ) -> None:
        ann = Api(api_app.test_client(), token_for(api_deps, "ann"))
        for path in (
            f"/jobs/{queued.job_id}",
            f"/jobs/{queued.job_id}/events",
            f"/jobs/{queued.job_id}/log",
            f"/job-runs/{queued.run_id}",
            f"/job-runs/{queued.run_id}/events",
            f"/job-runs/{queued.run_id}/log",
            f"/job-runs/{queued.run_id}/log-chunks",
        ):
            assert ann.get(path).status_code == 404, path
        assert ann.post(f"/jobs/{queued.job_id}/cancel").status_code == 404
        assert ann.delete(f"/jobs/{queued.job_id}").status_code == 404
        assert ann.get("/jobs").get_json()["total"] == 0

    def test_every_attempt_is_listed(self, admin: Api, api_deps: Deps, queued: QueuedJob) -> None:
        with api_deps.sessions.begin() as db:
            db.get_one(JobRun, queued.run_id).state = "canceled"
            db.flush()
            db.add(JobRun(id=new_run_id(), job_id=queued.job_id, attempt_number=2))
        runs = admin.get(f"/jobs/{queued.job_id}/runs").get_json()["items"]
        assert [(run["attempt_number"], run["state"]) for run in runs] == [(1, "canceled"), (2, "pending")]


class TestCancel:
    def test_a_pending_job_is_canceled_at_once(self, admin: Api, api_deps: Deps) -> None:
        with api_deps.sessions.begin() as db:
            job_id = add_job(db).id
        for _ in range(2):
            answer = admin.post(f"/jobs/{job_id}/cancel")
            assert answer.status_code == 202
            job = answer.get_json()
            assert (job["status"], job["cancel_requested"]) == ("canceled", True)
            assert (job["events_complete"], job["log_complete"]) == (True, True)

    def test_a_run_that_waits_is_canceled_with_its_job(
        self, admin: Api, queued: QueuedJob, executor: Executor
    ) -> None:
        job = admin.post(f"/jobs/{queued.job_id}/cancel").get_json()
        assert (job["status"], job["error_reason"]) == ("canceled", "canceled")
        assert admin.get(f"/job-runs/{queued.run_id}").get_json()["state"] == "canceled"
        assert executor.try_claim(queued).status_code == 410

    def test_a_claimed_run_is_told_by_its_heartbeat(
        self, admin: Api, queued: QueuedJob, executor: Executor
    ) -> None:
        run = executor.claim(queued)
        job = admin.post(f"/jobs/{queued.job_id}/cancel").get_json()
        assert (job["status"], job["cancel_requested"]) == ("queued", True)
        beat = run.put("/heartbeat", {"last_seq": 0, "last_log_seq": -1}).get_json()
        assert beat["cancel"] == "graceful"
        run.post("/finish", ending("canceled", exit_code=None))
        assert admin.get(f"/jobs/{queued.job_id}").get_json()["status"] == "canceled"

    def test_a_job_that_waits_for_another_attempt_is_canceled_at_once(
        self, admin: Api, queued: QueuedJob, executor: Executor
    ) -> None:
        run = executor.claim(queued)
        run.post("/finish", ending("failed", error_reason="executor_lost"))
        for _ in range(2):
            answer = admin.post(f"/jobs/{queued.job_id}/cancel")
            assert (answer.status_code, answer.get_json()["status"]) == (202, "canceled")
        runs = admin.get(f"/jobs/{queued.job_id}/runs").get_json()["items"]
        assert [(run["attempt_number"], run["state"]) for run in runs] == [(1, "failed"), (2, "canceled")]

    def test_a_repeat_changes_nothing(
        self, admin: Api, api_deps: Deps, queued: QueuedJob, executor: Executor
    ) -> None:
        run = executor.claim(queued)
        run.post("/start", {"project_revision": None})
        for _ in range(2):
            job = admin.post(f"/jobs/{queued.job_id}/cancel").get_json()
            assert (job["status"], job["cancel_requested"]) == ("running", True)
        with api_deps.sessions.begin() as db:
            asked = db.get_one(Job, queued.job_id).cancel_requested_at
        admin.post(f"/jobs/{queued.job_id}/cancel")
        with api_deps.sessions.begin() as db:
            assert db.get_one(Job, queued.job_id).cancel_requested_at == asked
        run.post("/finish", ending("canceled", exit_code=None))
        assert admin.post(f"/jobs/{queued.job_id}/cancel").get_json()["status"] == "canceled"

    def test_a_finished_job_is_409(self, admin: Api, queued: QueuedJob, executor: Executor) -> None:
        finished(executor, queued)
        answer = admin.post(f"/jobs/{queued.job_id}/cancel")
        assert (answer.status_code, answer.content_type) == (409, "application/problem+json")


class TestDelete:
    def test_a_live_job_stays(self, admin: Api, queued: QueuedJob) -> None:
        assert admin.delete(f"/jobs/{queued.job_id}").status_code == 409

    def test_everything_goes(self, admin: Api, queued: QueuedJob, executor: Executor, api_deps: Deps) -> None:
        store = ObjectStore(api_deps.settings.s3)
        finished(executor, queued, last_seq=2, log_chunks=2, log_bytes=6)
        with api_deps.sessions.begin() as db:
            store_events(db, queued.run_id, queued.job_id, [1, 2])
            store_log(db, store, queued.run_id, queued.job_id, [b"abc", b"def"])
            store_archive(db, store, queued.run_id, b"abcdef", 4)
        store.put(chunk_key(queued.run_id, 0), b"abc")  # chunks stay for a while beside their archive
        assert admin.delete(f"/jobs/{queued.job_id}").status_code == 204
        assert admin.get(f"/jobs/{queued.job_id}").status_code == 404
        with api_deps.sessions() as db:
            for table in (Job, JobRun, JobEvent, LogArchive, LogChunkRow):
                assert db.scalar(select(func.count()).select_from(table)) == 0
        for key in (chunk_key(queued.run_id, 0), archive_key(queued.run_id, "x")):
            with pytest.raises(LookupError):
                store.get(key)

    def test_not_while_output_still_arrives(
        self, admin: Api, queued: QueuedJob, executor: Executor, api_deps: Deps
    ) -> None:
        finished(executor, queued, last_seq=2)
        assert admin.delete(f"/jobs/{queued.job_id}").status_code == 409
        with api_deps.sessions.begin() as db:
            db.execute(text("UPDATE job_runs SET finished_at = now() - interval '1 hour'"))
        assert admin.delete(f"/jobs/{queued.job_id}").status_code == 204


class TestRelaunch:
    def test_a_live_job_is_refused(self, admin: Api, queued: QueuedJob) -> None:
        assert admin.post(f"/jobs/{queued.job_id}/relaunch", {}).status_code == 409

    def test_the_same_inputs_at_the_same_revision(
        self, admin: Api, queued: QueuedJob, executor: Executor, api_deps: Deps
    ) -> None:
        run = executor.claim(queued)
        run.post("/start", {"project_revision": "abc123"})
        run.post("/finish", ending())
        again = admin.post(f"/jobs/{queued.job_id}/relaunch")
        assert again.status_code == 201
        job = again.get_json()
        assert again.headers["Location"] == f"/api/v1/jobs/{job['id']}"
        assert job["relaunch_of_id"] == queued.job_id
        assert (job["extra_vars"], job["verbosity"]) == ({"some_var": "value"}, 3)
        with api_deps.sessions() as db:
            assert db.get_one(Job, job["id"]).project["scm_revision"] == "abc123"

    def test_on_the_hosts_that_need_it(
        self, admin: Api, queued: QueuedJob, executor: Executor, api_deps: Deps
    ) -> None:
        finished(executor, queued, "failed")
        path = f"/jobs/{queued.job_id}/relaunch"
        assert admin.post(path, {"hosts": "failed"}).status_code == 409
        with api_deps.sessions.begin() as db:
            store_summary(db, queued.run_id, queued.job_id, "good", ok=2)
            store_summary(db, queued.run_id, queued.job_id, "bad", failed=1)
            store_summary(db, queued.run_id, queued.job_id, "gone", unreachable=1)
        assert admin.post(path, {"hosts": "failed"}).get_json()["limit"] == "bad,gone"
        unstarted = admin.post(path, {"hosts": "failed_and_unstarted"}).get_json()
        assert unstarted["limit"] == "all,!good"
        with api_deps.sessions.begin() as db:
            store_summary(db, queued.run_id, queued.job_id, "@/etc/passwd", failed=1)
        assert admin.post(path, {"hosts": "failed"}).status_code == 409

    def test_who_lost_the_inventory_may_not_even_where_the_template_is_gone(
        self, api_app: Flask, queued: QueuedJob, executor: Executor, api_deps: Deps
    ) -> None:
        finished(executor, queued, "failed")
        launcher = Api(api_app.test_client(), token_for(api_deps, "launcher"))
        with api_deps.sessions.begin() as db:
            world = make_world(db)
            job = db.get_one(Job, queued.job_id)
            job.launched_by_id = db.scalars(select(User.id).where(User.username == "launcher")).one()
            job.inventory_id, job.project_id = world.inventory_id, world.project_id
        path = f"/jobs/{queued.job_id}/relaunch"
        assert launcher.get(f"/jobs/{queued.job_id}").status_code == 200
        assert launcher.post(path).status_code == 404
        with api_deps.sessions.begin() as db:
            grant(db, "launcher", "use", "project", world.project_id)
        assert launcher.post(path).status_code == 404
        with api_deps.sessions.begin() as db:
            grant(db, "launcher", "use", "inventory", world.inventory_id)
        assert launcher.post(path).status_code == 201
