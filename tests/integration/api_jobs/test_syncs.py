"""Syncs of projects, from the API through the scheduler to an executor's answer and back."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from drover_api.deps import Deps
from drover_scheduler.scheduler import Tick
from drover_shared.db.models import Job, Project
from flask import Flask
from sqlalchemy import select
from support.api import Api, token_for
from support.executor_client import Executor, ending
from support.job_rows import QueuedJob
from support.launch_rows import World, grant, make_world
from support.scheduling import SilentBell, make_tick

REVISION, LATER = "a" * 40, "b" * 40
FOUND = {"scm_revision": REVISION, "playbooks": ["deploy.yml", "plays/web.yml"], "truncated": False}


@dataclass
class Site:
    """A project that launches update, and what works on it."""

    admin: Api
    deps: Deps
    world: World
    executor: Executor
    tick: Tick

    @property
    def path(self) -> str:
        return f"/projects/{self.world.project_id}"

    def launch(self) -> dict[str, Any]:
        return self.admin.make("/jobs", job_template_id=self.world.template_id)

    def job(self, job_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self.admin.get(f"/jobs/{job_id}").get_json()
        return found

    def project(self) -> dict[str, Any]:
        found: dict[str, Any] = self.admin.get(self.path).get_json()
        return found

    def claim(self, job_id: int) -> Api:
        """The attempt that the scheduler makes, started."""
        self.tick.run()
        run_id = self.job(job_id)["current_run_id"]
        run = self.executor.claim(QueuedJob(job_id, UUID(run_id)))
        assert run.post("/start", {}).status_code == 200
        return run

    def end(self, job_id: int, **end: Any) -> None:
        answer = self.claim(job_id).post("/finish", ending(**end))
        assert answer.get_json()["complete"] is True


@pytest.fixture
def site(admin: Api, api_deps: Deps, executor: Executor) -> Site:
    with api_deps.sessions.begin() as db:
        world = make_world(db, allow_simultaneous=True)
        db.get_one(Project, world.project_id).update_on_launch = True
    tick = make_tick(api_deps.engine, api_deps.redis, SilentBell())
    return Site(admin, api_deps, world, executor, tick)


def test_one_sync_serves_all_who_wait(site: Site) -> None:
    first, second = site.launch(), site.launch()
    sync_id = first["waits_for_job_id"]
    assert second["waits_for_job_id"] == sync_id
    assert first["pending_reason"]["code"] == "project_syncing"
    assert site.admin.post(f"{site.path}/sync").get_json()["id"] == sync_id
    run = site.claim(sync_id)
    manifest = run.get("/manifest").get_json()
    assert (manifest["kind"], manifest["project"]["scm_url"]) == (
        "project_sync",
        "https://git.example.com/site.git",
    )
    assert [site.job(one["id"])["status"] for one in (first, second)] == ["pending", "pending"]
    assert run.post("/finish", ending(artifacts=FOUND)).get_json()["complete"] is True

    for one in (first, second):
        manifest = site.claim(one["id"]).get("/manifest").get_json()
        assert (manifest["kind"], manifest["project"]["scm_revision"]) == ("playbook", REVISION)
    project = site.project()
    assert project["scm_revision"] == REVISION
    assert (project["last_sync"]["job_id"], project["last_sync"]["status"]) == (sync_id, "successful")
    listed = site.admin.get(f"{site.path}/playbooks?name=WEB").get_json()
    assert listed == {
        "items": [{"path": "plays/web.yml"}],
        "total": 1,
        "limit": 50,
        "offset": 0,
        "truncated": False,
    }


def test_jobs_and_syncs_are_listed_apart(site: Site) -> None:
    job = site.launch()

    def listed(query: str) -> list[int]:
        return [item["id"] for item in site.admin.get(f"/jobs{query}").get_json()["items"]]

    assert listed("") == [job["id"]]
    assert listed("?kind=project_sync") == [job["waits_for_job_id"]]
    sync = site.job(job["waits_for_job_id"])
    assert (sync["inventory_id"], sync["job_template_id"], sync["launch_type"]) == (None, None, "dependency")


def test_a_failed_sync_fails_its_jobs_with_its_reason(site: Site) -> None:
    job = site.launch()
    sync_id = job["waits_for_job_id"]
    told = {"error_reason": "project_unreachable", "error_detail": "git.example.com does not answer."}
    site.end(sync_id, state="failed", exit_code=None, **told)
    ended = site.job(job["id"])
    assert (ended["status"], ended["error_reason"]) == ("error", "project_unreachable")
    assert "git.example.com does not answer." in ended["error_detail"]
    assert f"job {sync_id}" in ended["error_detail"]
    last = site.project()["last_sync"]
    assert (last["status"], last["error_reason"]) == ("error", "project_unreachable")
    assert site.project()["scm_revision"] is None
    refused = site.admin.post(f"/jobs/{sync_id}/relaunch")
    assert refused.status_code == 409


def test_a_canceled_sync_cancels_its_jobs(site: Site) -> None:
    job = site.launch()
    sync = f"/jobs/{job['waits_for_job_id']}"
    other = site.launch()
    assert site.admin.post(f"/jobs/{other['id']}/cancel").status_code == 202
    assert site.admin.post(f"{sync}/cancel").status_code == 202
    again = site.launch()
    assert again["waits_for_job_id"] != job["waits_for_job_id"]
    assert site.job(job["id"])["status"] == "canceled"
    assert site.job(again["id"])["status"] == "pending"
    assert site.admin.delete(sync).status_code == 204
    assert site.job(other["id"])["waits_for_job_id"] is None


def test_a_sync_that_ends_unseen_is_settled_by_the_tick(site: Site) -> None:
    """As where a job comes to wait at the very moment the sync ends."""
    job = site.launch()
    sync_id = job["waits_for_job_id"]
    site.end(sync_id, artifacts=FOUND)
    with site.deps.sessions.begin() as db:
        late = db.get_one(Job, job["id"])
        assert late.waits_for_job_id is None
        late.waits_for_job_id, late.project = sync_id, {**late.project, "scm_revision": None}
    site.tick.run()
    manifest = site.claim(job["id"]).get("/manifest").get_json()
    assert manifest["project"]["scm_revision"] == REVISION


def test_a_cache_timeout_spares_syncs(site: Site) -> None:
    assert site.admin.patch(site.path, {"cache_timeout_seconds": 3600}).status_code == 200
    first = site.launch()
    run = site.claim(first["waits_for_job_id"])
    assert site.launch()["waits_for_job_id"] == first["waits_for_job_id"], "it runs, and that is fresh enough"
    run.post("/finish", ending(artifacts=FOUND))
    fresh = site.launch()
    assert fresh["waits_for_job_id"] is None
    manifest = site.claim(fresh["id"]).get("/manifest").get_json()
    assert manifest["project"]["scm_revision"] == REVISION


def test_without_a_cache_timeout_a_sync_that_looks_already_is_too_old(site: Site) -> None:
    first = site.launch()
    site.claim(first["waits_for_job_id"])
    assert site.launch()["waits_for_job_id"] != first["waits_for_job_id"]


def test_another_source_forgets_what_was_found(site: Site) -> None:
    job = site.launch()
    run = site.claim(job["waits_for_job_id"])
    assert site.admin.patch(site.path, {"scm_branch": "next"}).status_code == 200
    run.post("/finish", ending(artifacts=FOUND))
    assert site.project()["scm_revision"] is None, "it was found in a source the project has left"
    site.end(site.launch()["waits_for_job_id"], artifacts=FOUND | {"scm_revision": LATER})
    assert site.project()["scm_revision"] == LATER
    site.admin.patch(site.path, {"scm_branch": "main"})
    assert site.project()["scm_revision"] is None
    assert site.admin.get(f"{site.path}/playbooks").get_json()["total"] == 0


def test_without_update_on_launch_jobs_run_what_the_last_sync_found(site: Site) -> None:
    site.admin.patch(site.path, {"update_on_launch": False})
    never = site.launch()
    assert (never["waits_for_job_id"], never["pending_reason"]["code"]) == (None, "scheduling")
    site.end(site.admin.post(f"{site.path}/sync").get_json()["id"], artifacts=FOUND)
    job = site.launch()
    assert site.claim(job["id"]).get("/manifest").get_json()["project"]["scm_revision"] == REVISION
    assert site.claim(never["id"]).get("/manifest").get_json()["project"]["scm_revision"] is None


def test_many_launches_at_once_make_one_sync(site: Site, api_app: Flask) -> None:
    token = token_for(site.deps, "admin")

    def launch(_place: int) -> int:
        api = Api(api_app.test_client(), token)
        waits: int = api.make("/jobs", job_template_id=site.world.template_id)["waits_for_job_id"]
        return waits

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(launch, range(24)))) == 1
    with site.deps.sessions() as db:
        assert len(db.scalars(select(Job.id).where(Job.kind == "project_sync")).all()) == 1


def test_a_pool_that_drains_begins_nothing(site: Site) -> None:
    waiting, queued = site.launch(), site.admin.post(f"{site.path}/sync").get_json()["id"]
    site.tick.run()
    run_id = site.job(queued)["current_run_id"]
    pools = site.admin.get("/executor-pools?name=default").get_json()["items"]
    path = f"/executor-pools/{pools[0]['id']}"
    assert site.admin.patch(path, {"draining": True}).get_json()["draining"] is True
    answer = site.executor.try_claim(QueuedJob(queued, UUID(run_id)))
    assert (answer.status_code, "drains" in answer.get_json()["detail"]) == (409, True)
    asked = site.executor.api.post(f"/executors/{site.executor.id}/next", {"wait_seconds": 0})
    assert asked.status_code == 204
    assert site.job(queued)["pending_reason"]["code"] == "pool_draining"
    site.admin.patch(site.path, {"update_on_launch": False})
    other = site.launch()
    site.tick.run()
    told = site.job(other["id"])
    assert (told["status"], told["pending_reason"]["code"]) == ("pending", "pool_draining")
    assert site.admin.patch(path, {"draining": False}).status_code == 200
    site.end(queued, artifacts=FOUND)
    assert site.job(waiting["id"])["waits_for_job_id"] is None


def test_who_may_update_a_project_may_sync_it_and_cancel_that(site: Site, api_app: Flask) -> None:
    users = {name: Api(api_app.test_client(), token_for(site.deps, name)) for name in ("updater", "reader")}
    with site.deps.sessions.begin() as db:
        grant(db, "updater", "update", "project", site.world.project_id)
        grant(db, "reader", "read", "project", site.world.project_id)
    assert users["reader"].post(f"{site.path}/sync").status_code == 403
    sync_id = users["updater"].post(f"{site.path}/sync").get_json()["id"]
    assert users["reader"].get(f"/jobs/{sync_id}").status_code == 200
    assert users["reader"].post(f"/jobs/{sync_id}/cancel").status_code == 403
    assert users["updater"].post(f"/jobs/{sync_id}/cancel").status_code == 202
