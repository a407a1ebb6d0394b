"""Credentials as launches froze them: a change is for the launches after it."""

from typing import Any

import pytest
from drover_api.deps import Deps
from drover_shared.db.credential_snapshots import forget_old
from drover_shared.db.models import CredentialSnapshot, JobTemplateCredential
from sqlalchemy import func, select
from support.api import Api
from support.executor_client import Executor, ending
from support.job_rows import queue_attempt
from support.launch_rows import World, make_world


@pytest.fixture
def world(api_deps: Deps) -> World:
    with api_deps.sessions.begin() as db:
        return make_world(db, allow_simultaneous=True)


@pytest.fixture
def credential(admin: Api, api_deps: Deps, world: World) -> int:
    """One of a type of its own, on the template."""
    kind = admin.make(
        "/credential-types",
        name="Own",
        namespace="own",
        inputs={"fields": [{"id": "key", "label": "Key", "secret": True}]},
        injectors={"env": {"KEY": "first {{ key }}"}},
    )
    made = admin.make("/credentials", name="one", credential_type_id=kind["id"], inputs={"key": "old"})
    with api_deps.sessions.begin() as db:
        db.add(JobTemplateCredential(job_template_id=world.template_id, credential_id=made["id"]))
    row_id: int = made["id"]
    return row_id


def claim(executor: Executor, deps: Deps, job: dict[str, Any]) -> Api:
    with deps.sessions.begin() as db:
        queued = queue_attempt(db, job["id"])
    return executor.claim(queued)


def snapshots(deps: Deps) -> int:
    with deps.sessions() as db:
        return db.scalars(select(func.count()).select_from(CredentialSnapshot)).one()


def test_a_change_is_for_the_launches_after_it(
    admin: Api, api_deps: Deps, world: World, credential: int, executor: Executor
) -> None:
    before = [admin.make("/jobs", job_template_id=world.template_id) for _ in range(2)]
    assert snapshots(api_deps) == 1
    changed = admin.patch(f"/credentials/{credential}", {"name": "two", "inputs": {"key": "new"}})
    kind = changed.get_json()["credential_type_id"]
    after = admin.make("/jobs", job_template_id=world.template_id)
    assert (
        admin.patch(f"/credential-types/{kind}", {"injectors": {"env": {"KEY": "2 {{ key }}"}}}).status_code
        == 200
    )
    last = admin.make("/jobs", job_template_id=world.template_id)
    runs = [claim(executor, api_deps, job) for job in (before[0], after, last)]
    told = [run.get(f"/credentials/{credential}").get_json() for run in runs]
    assert [(one["name"], one["inputs"]["key"], one["injectors"]["env"]["KEY"]) for one in told] == [
        ("one", "old", "first old"),
        ("two", "new", "first new"),
        ("two", "new", "2 new"),
    ]
    assert admin.delete(f"/credentials/{credential}").status_code == 409

    def forget() -> int:
        with api_deps.engine.begin() as connection:
            return forget_old(connection)

    assert forget() == 0
    for run in runs[:2]:
        run.post("/start", {})
        assert run.post("/finish", ending()).status_code == 200
    assert forget() == 1, "the oldest is still needed by the second job"
    assert snapshots(api_deps) == 2
    again = admin.post(f"/jobs/{before[0]['id']}/relaunch").get_json()
    found = claim(executor, api_deps, again).get(f"/credentials/{credential}").get_json()
    assert found["inputs"]["key"] == "new", "a relaunch takes the credential as it is now"
