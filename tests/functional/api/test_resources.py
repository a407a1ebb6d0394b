"""What is particular to each resource."""

from typing import Any

import pytest
from drover_api.deps import Deps
from drover_shared.db.models import Credential, Executor, Job, JobTemplate
from flask import Flask
from sqlalchemy import select
from support.api import Api, token_for


@pytest.fixture
def types(admin: Api) -> dict[str, int]:
    return {item["namespace"]: item["id"] for item in admin.get("/credential-types").get_json()["items"]}


@pytest.fixture
def organization(admin: Api) -> int:
    made: int = admin.make("/organizations", name="Acme")["id"]
    return made


@pytest.fixture
def template(admin: Api, organization: int) -> dict[str, Any]:
    """What a template needs, as its body."""
    own = {"name": "own", "organization_id": organization}
    return {
        "name": "deploy",
        "playbook": "site.yml",
        "inventory_id": admin.make("/inventories", **own)["id"],
        "project_id": admin.make("/projects", **own, scm_url="https://git.example.com/app")["id"],
    }


def pointers(answer: Any) -> list[str]:
    assert answer.status_code == 422, answer.get_json()
    return [error["pointer"] for error in answer.get_json()["errors"]]


def test_secrets_are_written_and_never_read(
    admin: Api, api_deps: Deps, organization: int, types: dict[str, int]
) -> None:
    secrets = {"password": "hunter2-is-secret", "ssh_key_data": "BEGIN KEY"}
    made = admin.make(
        "/credentials",
        name="SSH",
        organization_id=organization,
        credential_type_id=types["machine"],
        inputs={"username": "deploy", **secrets},
    )
    masked = {"username": "deploy", "password": "$encrypted$", "ssh_key_data": "$encrypted$"}
    assert made["inputs"] == masked
    assert made["type"] == "machine"
    path = f"/credentials/{made['id']}"

    def stored() -> tuple[dict[str, Any], str | None]:
        with api_deps.sessions() as db:
            row = db.scalars(select(Credential)).one()
            assert b"hunter2" not in bytes(row.secrets or b"")
            return api_deps.vault.decrypt(row.secrets), row.key_id

    assert stored() == (secrets, "k1")
    kept = admin.patch(path, {"inputs": {"username": "root", "password": "$encrypted$"}})
    assert kept.get_json()["inputs"] == {**masked, "username": "root"}
    assert stored()[0] == secrets
    changed = admin.patch(path, {"inputs": {"password": "new", "ssh_key_data": None}})
    assert changed.get_json()["inputs"] == {"username": "root", "password": "$encrypted$"}
    assert stored()[0] == {"password": "new"}
    assert admin.patch(path, {"inputs": {"password": None}}).get_json()["inputs"] == {"username": "root"}
    assert stored() == ({}, None)
    everything = admin.get("/activity?limit=200").get_data(as_text=True)
    assert "hunter2" not in everything
    assert "BEGIN KEY" not in everything


def test_inputs_are_checked_by_their_type(admin: Api, organization: int, types: dict[str, int]) -> None:
    def make(kind: str, inputs: Any, **more: Any) -> Any:
        body = {"name": "x", "organization_id": organization, "credential_type_id": types[kind]}
        return admin.post("/credentials", body | {"inputs": inputs} | more)

    assert pointers(make("machine", {"nope": "x", "a/b": 1})) == ["/inputs/nope", "/inputs/a~1b"]
    assert pointers(make("machine", {"username": 1})) == ["/inputs/username"]
    assert pointers(make("machine", {"password": "$encrypted$"})) == ["/inputs/password"]
    assert pointers(make("vault", {})) == ["/inputs/vault_password"]
    assert pointers(make("registry", {"host": "x", "verify_ssl": "yes"})) == ["/inputs/verify_ssl"]
    assert pointers(make("machine", [], credential_type_id=9999)) == ["/inputs"]
    assert pointers(make("machine", {}, credential_type_id=9999)) == ["/credential_type_id"]


def test_custom_credential_types(admin: Api, organization: int, types: dict[str, int]) -> None:
    body: dict[str, Any] = {
        "name": "My Cloud",
        "inputs": {
            "fields": [
                {"id": "region", "label": "Region", "choices": ["eu", "us"]},
                {"id": "token", "label": "Token", "secret": True},
            ],
            "required": ["token"],
        },
        "injectors": {
            "env": {"CLOUD_TOKEN": "{{ token }}", "CLOUD_FILE": "{{ file.conf }}"},
            "file": {"conf": "region={{ region }}"},
        },
    }
    made = admin.make("/credential-types", **body)
    assert (made["namespace"], made["managed"]) == ("my_cloud", False)
    own = {"organization_id": organization, "credential_type_id": made["id"], "name": "c"}
    credential = admin.make("/credentials", **own, inputs={"token": "t", "region": "eu"})
    assert pointers(admin.post("/credentials", own | {"inputs": {"token": "t", "region": "mars"}})) == [
        "/inputs/region"
    ]
    path = f"/credential-types/{made['id']}"
    assert "credential" in admin.delete(path).get_json()["detail"]
    assert admin.delete(f"/credentials/{credential['id']}").status_code == 204
    assert admin.delete(path).status_code == 204
    wrong = {**body, "injectors": {"env": {"X": "{{ nope }}", "1": "x"}}}
    assert "/injectors/env/1/key" in pointers(admin.post("/credential-types", wrong))
    del wrong["injectors"]["env"]["1"]
    assert pointers(admin.post("/credential-types", wrong)) == ["/injectors/env/X"]
    built_in = f"/credential-types/{types['machine']}"
    assert admin.patch(built_in, {"name": "mine"}).status_code == 409
    assert admin.delete(built_in).status_code == 409


def test_a_credential_of_nobody_is_its_makers_alone(
    admin: Api, api_app: Flask, api_deps: Deps, types: dict[str, int]
) -> None:
    alice, bob = (Api(api_app.test_client(), token_for(api_deps, name)) for name in ("alice", "bob"))
    made = alice.make("/credentials", name="mine", credential_type_id=types["machine"])
    path = f"/credentials/{made['id']}"
    assert alice.get(path).status_code == 200
    assert bob.get(path).status_code == 404
    assert bob.get("/credentials").get_json()["total"] == 0
    assert alice.delete(path).status_code == 204
    assert admin.get("/role-assignments").get_json()["total"] == 0


def test_templates_refuse_what_no_launch_could_use(
    admin: Api, organization: int, template: dict[str, Any], types: dict[str, int]
) -> None:
    def refused(**change: Any) -> list[str]:
        return pointers(admin.post("/job-templates", template | change))

    def credential(kind: str, name: str, **inputs: str) -> int:
        made: int = admin.make(
            "/credentials",
            name=name,
            organization_id=organization,
            credential_type_id=types[kind],
            inputs=inputs,
        )["id"]
        return made

    assert refused(inventory_id=None) == ["/inventory_id"]
    assert refused(inventory_id=9999) == ["/inventory_id"]
    assert refused(project_id=9999) == ["/project_id"]
    assert refused(project_id="1") == ["/project_id"]
    assert refused(project_id=2**63) == ["/project_id"]
    assert refused(project_id=True) == ["/project_id"]
    for playbook in ("/etc/passwd", "../x.yml", "a/../../x.yml", "-x.yml", "a\nb", "a/.."):
        assert refused(playbook=playbook) == ["/playbook"]
    assert refused(verbosity=6) == ["/verbosity"]
    assert refused(slice_count=0) == ["/slice_count"]
    assert refused(slice_count=1001) == ["/slice_count"]
    assert refused(tags=["a,b"]) == ["/tags/0"]
    assert refused(extra_vars=[1]) == ["/extra_vars"]
    assert refused(executor_pool="nowhere") == ["/executor_pool"]
    assert refused(execution_environment={"id": 9999}) == ["/execution_environment_id"]
    assert refused(execution_environment="x") == ["/execution_environment/id"]
    both = {"execution_environment": {"id": 1}, "execution_environment_id": 2}
    assert refused(**both) == ["/execution_environment"]
    machines = [credential("machine", "m1"), credential("machine", "m2")]
    assert refused(credential_ids=machines) == ["/credential_ids/1"]
    vaults = [credential("vault", name, vault_password="x", vault_id=name) for name in ("v1", "v2")]
    made = admin.make("/job-templates", **template, credential_ids=[vaults[1], machines[0], vaults[0]])
    assert made["credential_ids"] == [vaults[1], machines[0], vaults[0]]
    used = admin.delete(f"/credentials/{vaults[0]}")
    assert used.status_code == 409
    assert f"job template {made['id']} (deploy)" in used.get_json()["detail"]


def test_surveys_are_typed(admin: Api, template: dict[str, Any]) -> None:
    def survey(**question: Any) -> Any:
        asked = {"variable": "v", "question": "V?", "type": "text"} | question
        return admin.post("/job-templates", template | {"survey": {"questions": [asked]}})

    first = "/survey/questions/0"
    assert pointers(survey(variable="not a name")) == [f"{first}/variable"]
    assert pointers(survey(type="date")) == [f"{first}/type"]
    assert pointers(survey(type="choice")) == [f"{first}/choices"]
    assert pointers(survey(min=3, max=2)) == [f"{first}/max"]
    assert pointers(survey(type="integer", default="x")) == ["/survey/v"]
    made = survey(type="choice", choices=["a", "b"], default="b", required=True)
    assert made.status_code == 201
    question = made.get_json()["survey"]["questions"][0]
    assert question == {
        "variable": "v", "question": "V?", "type": "choice", "required": True, "choices": ["a", "b"],
        "default": "b",
    }  # fmt: skip


def test_every_prompt_is_a_field(admin: Api, template: dict[str, Any]) -> None:
    made = admin.make("/job-templates", **template)
    asks = {key: False for key in made if key.startswith("ask_")}
    assert {"ask_inventory_on_launch", "ask_extra_vars_on_launch", "ask_limit_on_launch"} <= set(asks)
    turned = admin.patch(f"/job-templates/{made['id']}", dict.fromkeys(asks, True)).get_json()
    assert all(turned[name] for name in asks)


def test_what_is_in_use_stays(
    admin: Api, api_deps: Deps, organization: int, template: dict[str, Any]
) -> None:
    made = admin.make("/job-templates", **template)
    for path in (
        f"/inventories/{template['inventory_id']}",
        f"/projects/{template['project_id']}",
        f"/organizations/{organization}",
    ):
        answer = admin.delete(path)
        assert answer.status_code == 409
        assert f"job template {made['id']} (deploy)" in answer.get_json()["detail"]
    assert admin.delete(f"/job-templates/{made['id']}").status_code == 204
    for path in (f"/inventories/{template['inventory_id']}", f"/projects/{template['project_id']}"):
        assert admin.delete(path).status_code == 204
    assert admin.delete(f"/organizations/{organization}").status_code == 204
    with api_deps.sessions() as db:
        assert not db.scalars(select(JobTemplate)).all()
        assert not db.scalars(select(Job)).all()


def test_projects_refuse_addresses_that_run_commands(admin: Api, organization: int) -> None:
    for address in (
        "ext::sh -c whoami", "--upload-pack=x", "javascript://x", "relative/path", "https://u:p@example.com/x",
        "http://[::1", "fd::17", "https://x\x7fy z",
    ):  # fmt: skip
        body = {"name": "p", "organization_id": organization, "scm_url": address}
        assert pointers(admin.post("/projects", body)) == ["/scm_url"], address
    for address in (
        "https://example.com/x.git", "git@example.com:team/x.git", "file:///srv/x", "/srv/x",
        "ssh://git@example.com:2222/x",
    ):  # fmt: skip
        admin.make("/projects", name=address, organization_id=organization, scm_url=address)
    branch = {"name": "p", "organization_id": organization, "scm_url": "/x", "scm_branch": "--x"}
    assert pointers(admin.post("/projects", branch)) == ["/scm_branch"]


def test_executors_are_seen_and_drained(admin: Api, api_app: Flask, api_deps: Deps) -> None:
    with api_deps.sessions.begin() as db:
        db.add(Executor(name="e1", pools=["default"], slots=2, version="1", token_hash=b"x"))
    reader = Api(api_app.test_client(), token_for(api_deps, "reader"))
    executor = reader.get("/executors?pool=default").get_json()["items"][0]
    assert (executor["name"], executor["draining"], executor["current_runs"]) == ("e1", False, [])
    assert "token_hash" not in executor
    path = f"/executors/{executor['id']}"
    assert reader.patch(path, {"draining": True}).status_code == 403
    assert admin.patch(path, {"draining": True}).get_json()["draining"] is True
    assert reader.get("/executors?pool=other").get_json()["total"] == 0
    pool = admin.make("/executor-pools", name="gpu")
    assert admin.delete(f"/executor-pools/{pool['id']}").status_code == 204
    default = admin.get("/executor-pools?name=default").get_json()["items"][0]["id"]
    assert admin.delete(f"/executor-pools/{default}").status_code == 409
    assert admin.patch(f"/executor-pools/{default}", {"name": "x"}).status_code == 409
    assert admin.delete(path).status_code == 204


def test_the_last_superuser_stays(admin: Api) -> None:
    assert admin.patch("/users/1", {"is_superuser": False}).status_code == 409
    assert admin.patch("/users/1", {"is_active": False}).status_code == 409
    assert admin.delete("/users/1").status_code == 409
    admin.make("/users", username="second", is_superuser=True, password="a long password")
    assert admin.patch("/users/1", {"is_superuser": False}).status_code == 200


def test_members_of_a_team(admin: Api, organization: int) -> None:
    team = admin.make("/teams", name="ops", organization_id=organization)
    user = admin.make("/users", username="ann")
    path = f"/teams/{team['id']}/members"
    for _ in range(2):
        assert admin.put(f"{path}/{user['id']}").status_code == 204
    members = admin.get(path).get_json()
    assert [item["username"] for item in members["items"]] == ["ann"]
    assert admin.put(f"{path}/9999").status_code == 404
    for _ in range(2):
        assert admin.delete(f"{path}/{user['id']}").status_code == 204
    assert admin.get(path).get_json()["total"] == 0
    assert admin.delete(f"/teams/{team['id']}").status_code == 204
