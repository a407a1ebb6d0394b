"""Secrets that are given at launch: asked for, kept encrypted, handed to the executor, asked for again."""

from typing import Any

import pytest
from cryptography.fernet import Fernet
from drover_api.crypto import Vault
from drover_api.deps import Deps
from drover_api.rotation import rotate
from drover_shared.db.models import Job, JobTemplateCredential
from sqlalchemy import text
from support.api import Api
from support.executor_client import Executor
from support.job_rows import queue_attempt
from support.launch_rows import World, make_world

SECRET = "s3cret of this launch"


@pytest.fixture
def world(api_deps: Deps) -> World:
    with api_deps.sessions.begin() as db:
        return make_world(db, allow_simultaneous=True)


@pytest.fixture
def machine(admin: Api, api_deps: Deps, world: World) -> int:
    """A credential of the template whose password and privilege escalation password are asked for."""
    types = {one["namespace"]: one["id"] for one in admin.get("/credential-types").get_json()["items"]}
    inputs = {"username": "deploy", "password": "ASK", "become_password": "ASK", "ssh_key_data": "key"}
    made = admin.make("/credentials", name="asks", credential_type_id=types["machine"], inputs=inputs)
    assert made["inputs"] == inputs | {"ssh_key_data": "$encrypted$"}
    with api_deps.sessions.begin() as db:
        db.add(JobTemplateCredential(job_template_id=world.template_id, credential_id=made["id"]))
    row_id: int = made["id"]
    return row_id


def pointers(answer: Any) -> set[str]:
    assert answer.status_code == 422, answer.get_data(as_text=True)
    return {error["pointer"] for error in answer.get_json()["errors"]}


def test_each_launch_gives_the_secrets(
    admin: Api, world: World, machine: int, executor: Executor, api_deps: Deps
) -> None:
    body: dict[str, Any] = {"job_template_id": world.template_id}
    at = f"/credential_secrets/{machine}"
    assert pointers(admin.post("/jobs", body)) == {f"{at}/password", f"{at}/become_password"}
    body["credential_secrets"] = {str(machine): {"password": SECRET, "become_password": "b", "username": "x"}}
    assert pointers(admin.post("/jobs", body)) == {f"{at}/username"}
    body["credential_secrets"] = {str(machine): {"password": SECRET, "become_password": "b"}}
    job = admin.make("/jobs", **body)
    assert SECRET not in admin.get(f"/jobs/{job['id']}").get_data(as_text=True)
    assert SECRET not in admin.get("/activity?limit=200").get_data(as_text=True)
    with api_deps.sessions() as db:
        row = db.execute(text("SELECT jobs::text FROM jobs WHERE id = :id"), {"id": job["id"]}).scalar_one()
        assert SECRET not in row

    with api_deps.sessions.begin() as db:
        queued = queue_attempt(db, job["id"])
    run = executor.claim(queued)
    told = run.get(f"/credentials/{machine}").get_json()["inputs"]
    assert told == {"username": "deploy", "ssh_key_data": "key", "password": SECRET, "become_password": "b"}


def test_a_relaunch_asks_again(admin: Api, world: World, machine: int, api_deps: Deps) -> None:
    secrets = {str(machine): {"password": SECRET, "become_password": "b"}}
    job = admin.make("/jobs", job_template_id=world.template_id, credential_secrets=secrets)
    assert admin.post(f"/jobs/{job['id']}/cancel").status_code == 202
    path = f"/jobs/{job['id']}/relaunch"
    assert len(pointers(admin.post(path))) == 2
    again = admin.post(path, {"credential_secrets": secrets})
    assert again.status_code == 201
    newest = f"k2:{Fernet.generate_key().decode()}"
    assert rotate(api_deps.sessions, Vault((newest, *api_deps.settings.secret_keys)))["jobs"] == 2
    with api_deps.sessions() as db:
        row = db.get_one(Job, again.get_json()["id"])
        assert Vault((newest,)).decrypt(row.credential_secrets) == secrets


def test_only_secrets_meant_for_it_are_asked_for(admin: Api, world: World) -> None:
    types = {one["namespace"]: one["id"] for one in admin.get("/credential-types").get_json()["items"]}
    inputs = {"username": "ASK", "password": "ASK"}
    made = admin.make("/credentials", name="key", credential_type_id=types["scm"], inputs=inputs)
    assert made["inputs"] == {"username": "ASK", "password": "$encrypted$"}
    changed = admin.make(
        "/credentials", name="vault", credential_type_id=types["vault"], inputs={"vault_password": "x"}
    )
    path = f"/credentials/{changed['id']}"
    for value, shown in (("ASK", "ASK"), ("y", "$encrypted$"), ("$encrypted$", "$encrypted$")):
        answer = admin.patch(path, {"inputs": {"vault_password": value}})
        assert answer.get_json()["inputs"] == {"vault_password": shown}
    del world
