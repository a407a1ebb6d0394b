"""Jobs with slices over HTTP: launched, read, canceled, launched again, deleted."""

from typing import Any

import pytest
from drover_api.deps import Deps
from drover_shared.db.models import Host, Inventory, Job, JobRun, Project
from drover_shared.db.slices import follow
from flask import Flask
from sqlalchemy import func, select
from support.api import Api, token_for
from support.executor_client import Executor, ending
from support.launch_rows import World, grant, make_world
from support.output_rows import store_events, store_summary
from support.slice_rows import SplitJob, add_split_job, split_now


@pytest.fixture
def executor(api_app: Flask) -> Executor:
    """One that knows slices."""
    return Executor(api_app.test_client(), slices=True)


@pytest.fixture
def split_job(api_deps: Deps) -> SplitJob:
    with api_deps.sessions.begin() as db:
        return add_split_job(db, limit="web*")


def finished(api_deps: Deps, executor: Executor, job: SplitJob, states: list[str]) -> None:
    for one, state in zip(job.slices, states, strict=True):
        run = executor.claim(one)
        run.post("/start", {})
        run.post("/finish", ending(state))
    with api_deps.sessions.begin() as db:
        follow(db, job.job_id)


def slices_of(api: Api, job_id: int) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = api.get(f"/jobs?sliced_job_id={job_id}&order_by=id").get_json()["items"]
    return items


class TestLaunching:
    def launch(self, admin: Api, api_deps: Deps, slice_count: int, hosts: int) -> dict[str, Any]:
        with api_deps.sessions.begin() as db:
            world = make_world(db, slice_count=slice_count)
            db.add_all(Host(inventory_id=world.inventory_id, name=f"more{n}") for n in range(hosts - 2))
        answer = admin.post("/jobs", {"job_template_id": world.template_id})
        assert answer.status_code == 201, answer.get_data(as_text=True)
        launched: dict[str, Any] = answer.get_json()
        return launched

    @pytest.mark.parametrize(("wanted", "hosts", "slices"), [(3, 5, 3), (9, 4, 4), (1, 5, 1)])
    def test_no_more_slices_than_hosts(
        self, admin: Api, api_deps: Deps, wanted: int, hosts: int, slices: int
    ) -> None:
        job = self.launch(admin, api_deps, wanted, hosts)
        assert (job["slice_count"], job["slice_number"], job["sliced_job_id"]) == (slices, None, None)
        assert job["slices"] == []

    def test_its_slices_wait_for_one_sync_and_run_one_commit(self, admin: Api, api_deps: Deps) -> None:
        job = self.launch(admin, api_deps, 2, 2)  # of a project that was never synced
        assert job["pending_reason"]["code"] == "project_syncing"
        with api_deps.sessions.begin() as db:
            assert db.get_one(Job, job["waits_for_job_id"]).kind == "project_sync"

    def test_an_inventory_of_another_project_is_the_commit_of_its_last_sync(
        self, admin: Api, api_deps: Deps
    ) -> None:
        with api_deps.sessions.begin() as db:
            world = make_world(db, slice_count=2)
            organization = world.organization_id
            source = Project(
                name="hosts",
                organization_id=organization,
                scm_url="https://x.example/h",
                update_on_launch=True,
            )
            db.add(source)
            db.flush()
            inventory = db.get_one(Inventory, world.inventory_id)
            inventory.kind, inventory.source_project_id, inventory.source_path = "scm", source.id, "hosts"
            source_id = source.id
        refused = admin.post("/jobs", {"job_template_id": world.template_id})
        assert refused.status_code == 409
        assert f"project {source_id}, which was never synced" in refused.get_json()["detail"]
        with api_deps.sessions.begin() as db:
            db.get_one(Project, source_id).scm_revision = "a" * 40
        job = admin.post("/jobs", {"job_template_id": world.template_id}).get_json()
        with api_deps.sessions() as db:
            frozen = db.get_one(Job, job["id"])
            assert frozen.inventory_project is not None
            assert frozen.inventory_project["scm_revision"] == "a" * 40
            assert frozen.slice_count == 2  # how many hosts there are is not known


class TestReading:
    def test_the_job_and_its_slices_name_each_other(self, admin: Api, split_job: SplitJob) -> None:
        job = admin.get(f"/jobs/{split_job.job_id}").get_json()
        ids = [one.job_id for one in split_job.slices]
        assert [one["job_id"] for one in job["slices"]] == ids
        assert [(one["slice_number"], one["status"]) for one in job["slices"]] == [
            (number, "queued") for number in (1, 2, 3)
        ]
        assert job["current_run_id"] is None
        assert job["pending_reason"]["code"] == "no_executor"
        found = slices_of(admin, split_job.job_id)
        assert [(one["id"], one["slice_number"], one["sliced_job_id"]) for one in found] == [
            (one, number, split_job.job_id) for number, one in enumerate(ids, 1)
        ]

    def test_a_slice_is_seen_by_whoever_sees_the_job(self, api_app: Flask, api_deps: Deps) -> None:
        tokens = [token_for(api_deps, name) for name in ("one", "other")]
        with api_deps.sessions.begin() as db:
            world = make_world(db)
            grant(db, "one", "read", "job_template", world.template_id)
            own = {"organization_id": world.organization_id, "job_template_id": world.template_id}
            made = add_split_job(db, **own)
        paths = [f"/jobs/{made.job_id}", *(f"/jobs/{each.job_id}" for each in made.slices)]
        for token, status in zip(tokens, (200, 404), strict=True):
            api = Api(api_app.test_client(), token)
            for path in paths:
                assert api.get(path).status_code == status
                assert api.get(f"{path}/events").status_code == status
            assert len(slices_of(api, made.job_id)) == (3 if status == 200 else 0)

    def test_a_limit_counts_the_job_once(self, admin: Api, api_deps: Deps) -> None:
        with api_deps.sessions.begin() as db:
            made = add_split_job(db, job_template_id=1)
            from_same = add_split_job(db, job_template_id=2)
            next_one = Job(**_like(db, made.job_id))
            db.add(next_one)
            db.flush()
            next_id = next_one.id
        reason = admin.get(f"/jobs/{next_id}").get_json()["pending_reason"]
        assert (reason["code"], f"Job {made.job_id} " in reason["detail"]) == ("template_busy", True)
        reason = admin.get(f"/jobs/{from_same.slices[0].job_id}").get_json()["pending_reason"]
        assert reason["code"] == "no_executor"


def _like(db: Any, job_id: int) -> dict[str, Any]:
    of = db.get_one(Job, job_id)
    names = (
        "name",
        "organization_id",
        "job_template_id",
        "inventory_id",
        "project_id",
        "playbook",
        "project",
    )
    return {name: getattr(of, name) for name in (*names, "inventory_snapshot_id")}


class TestRunning:
    def test_the_manifest_says_which_share(
        self, api_deps: Deps, executor: Executor, split_job: SplitJob
    ) -> None:
        with api_deps.sessions.begin() as db:
            db.get_one(JobRun, split_job.slices[1].run_id).limit = "web02"  # an attempt on fewer hosts
        manifests = [executor.claim(one).get("/manifest").get_json() for one in split_job.slices]
        assert [one["slice"] for one in manifests] == [
            {"number": number, "count": 3, "limit": "web*"} for number in (1, 2, 3)
        ]
        assert [one["limit"] for one in manifests] == ["web*", "web02", "web*"]

    def test_an_executor_that_does_not_know_slices_gets_none(
        self, api_app: Flask, split_job: SplitJob, executor: Executor
    ) -> None:
        old = Executor(api_app.test_client(), "old")
        refused = old.try_claim(split_job.slices[0])
        assert refused.status_code == 409
        assert "does not know slices" in refused.get_json()["detail"]
        path = "/executors/{0.id}/next"
        assert old.api.post(path.format(old), {}).status_code == 204
        offered = executor.api.post(path.format(executor), {"slices": True}).get_json()
        assert offered["job_run_id"] == str(split_job.slices[0].run_id)

    def test_runs_are_those_of_its_slices_in_turn(
        self, admin: Api, api_deps: Deps, executor: Executor, split_job: SplitJob
    ) -> None:
        with api_deps.sessions.begin() as db:
            for one in split_job.slices:
                job = db.get_one(Job, one.job_id)
                job.retry_on, job.retry_wait_seconds = ["failed"], 0
        run = executor.claim(split_job.slices[0])
        run.post("/start", {})
        run.post("/finish", ending("failed"))
        runs = admin.get(f"/jobs/{split_job.job_id}/runs").get_json()["items"]
        ids = [one.job_id for one in split_job.slices]
        assert [(one["job_id"], one["attempt_number"]) for one in runs] == [
            (ids[0], 1),
            (ids[0], 2),
            (ids[1], 1),
            (ids[2], 1),
        ]


class TestCanceling:
    def test_it_ends_what_waits_and_asks_what_runs(
        self, admin: Api, api_deps: Deps, executor: Executor, split_job: SplitJob
    ) -> None:
        run = executor.claim(split_job.slices[1])
        run.post("/start", {})
        with api_deps.sessions.begin() as db:
            follow(db, split_job.job_id)
        path = f"/jobs/{split_job.job_id}"
        canceled = admin.post(f"{path}/cancel").get_json()
        assert (canceled["status"], canceled["cancel_requested"]) == ("running", True)
        assert [one["status"] for one in canceled["slices"]] == ["canceled", "running", "canceled"]
        assert admin.post(f"{path}/cancel").status_code == 202
        run.post("/finish", ending("canceled"))
        with api_deps.sessions.begin() as db:
            assert follow(db, split_job.job_id)
        assert admin.get(path).get_json()["status"] == "canceled"
        assert admin.post(f"{path}/cancel").status_code == 202

    def test_where_no_slice_runs_it_is_over_at_once(self, admin: Api, split_job: SplitJob) -> None:
        canceled = admin.post(f"/jobs/{split_job.job_id}/cancel").get_json()
        assert canceled["status"] == "canceled"
        assert (canceled["events_complete"], canceled["log_complete"]) == (True, True)

    def test_one_slice_alone(
        self, admin: Api, api_deps: Deps, executor: Executor, split_job: SplitJob
    ) -> None:
        last = split_job.slices.pop()
        assert admin.post(f"/jobs/{last.job_id}/cancel").get_json()["status"] == "canceled"
        finished(api_deps, executor, split_job, ["successful", "successful"])
        job = admin.get(f"/jobs/{split_job.job_id}").get_json()
        assert (job["status"], job["cancel_requested"]) == ("canceled", False)


class TestDeleting:
    def test_a_job_goes_with_its_slices_and_no_slice_alone(
        self, admin: Api, api_deps: Deps, executor: Executor, split_job: SplitJob
    ) -> None:
        path = f"/jobs/{split_job.job_id}"
        assert admin.delete(path).status_code == 409
        finished(api_deps, executor, split_job, ["successful", "failed", "successful"])
        refused = admin.delete(f"/jobs/{split_job.slices[0].job_id}")
        assert refused.status_code == 409
        assert f"slice of job {split_job.job_id}" in refused.get_json()["detail"]
        assert admin.delete(path).status_code == 204
        with api_deps.sessions() as db:
            for table in (Job, JobRun):
                assert db.scalar(select(func.count()).select_from(table)) == 0


class TestLaunchingAgain:
    def test_failed_hosts_of_all_slices(self, admin: Api, api_deps: Deps, executor: Executor) -> None:
        with api_deps.sessions.begin() as db:
            made = _world_job(db)
            for number, one in enumerate(made.slices):
                store_summary(db, one.run_id, one.job_id, f"good{number}", ok=1)
            for number, kind in ((0, "failed"), (2, "unreachable")):
                bad = made.slices[number]
                store_summary(db, bad.run_id, bad.job_id, f"bad{number}", **{kind: 1})
        finished(api_deps, executor, made, ["failed", "successful", "failed"])
        job = admin.get(f"/jobs/{made.job_id}").get_json()
        again = admin.post(f"/jobs/{made.job_id}/relaunch", {"hosts": "failed"}).get_json()
        assert (again["limit"], again["slice_count"], again["slice_number"]) == ("bad0,bad2", 2, None)
        assert again["relaunch_of_id"] == job["id"]
        whole = admin.post(f"/jobs/{made.job_id}/relaunch").get_json()
        assert (whole["limit"], whole["slice_count"]) == ("web*", 3)
        first = made.slices[0].job_id
        alone = admin.post(f"/jobs/{first}/relaunch").get_json()
        assert (alone["slice_number"], alone["slice_count"], alone["sliced_job_id"]) == (1, 3, None)
        failed = admin.post(f"/jobs/{first}/relaunch", {"hosts": "failed"}).get_json()
        assert (failed["limit"], failed["slice_number"], failed["slice_count"]) == ("bad0", None, 1)
        refused = admin.post(f"/jobs/{first}/relaunch", {"hosts": "failed_and_unstarted"})
        assert refused.status_code == 409


def _world_job(db: Any) -> SplitJob:
    world: World = make_world(db)
    return add_split_job(
        db,
        organization_id=world.organization_id,
        job_template_id=world.template_id,
        inventory_id=world.inventory_id,
        project={"id": 9, "scm_type": "git", "scm_revision": "a" * 40},
        limit="web*",
    )


def test_an_empty_page_of_events_before_the_split(admin: Api, api_deps: Deps) -> None:
    with api_deps.sessions.begin() as db:
        made = add_split_job(db, 2)
        waiting = Job(**_like(db, made.job_id), slice_count=2)
        db.add(waiting)
        db.flush()
        waiting_id = waiting.id
    for what in ("events", "host-summaries", "runs"):
        assert admin.get(f"/jobs/{waiting_id}/{what}").get_json()["total"] == 0
    assert admin.get(f"/jobs/{waiting_id}/log").get_data() == b""
    with api_deps.sessions.begin() as db:
        split = split_now(db, waiting_id)
        store_events(db, split.slices[0].run_id, split.slices[0].job_id, [1])
    assert admin.get(f"/jobs/{waiting_id}/events").get_json()["total"] == 1
