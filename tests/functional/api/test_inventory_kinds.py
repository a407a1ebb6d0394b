"""Inventories in projects and constructed ones, held against what Ansible makes of the same sources."""

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.inventory.manager import InventoryManager  # type: ignore[import-untyped]
from ansible.parsing.dataloader import DataLoader  # type: ignore[import-untyped]
from drover_api.deps import Deps
from drover_shared.db.models import Job, JobRun
from drover_shared.ids import new_run_id, new_token, token_hash
from flask import Flask
from support.ansible_inventory import ansible_sees
from support.api import Api, token_for

FIRST = """
[web]
web1 x=first
web2

[db]
db1

[site:children]
web
db

[web:vars]
port=80

[all:vars]
where=here
only_first=1
"""
SECOND = """
lone

[web]
web1 x=second
web3 ansible_host=10.0.0.3

[production]
web1
web3
db1

[all:vars]
where=there
"""


@pytest.fixture
def organization(admin: Api) -> int:
    made: int = admin.make("/organizations", name="Acme")["id"]
    return made


def held(admin: Api, organization: int, name: str, text: str) -> int:
    made: int = admin.make("/inventories", name=name, organization_id=organization)["id"]
    assert admin.post(f"/inventories/{made}/import", {"format": "ini", "content": text}).status_code == 200
    return made


PATTERNS = (
    "web", "web:&production", "site,!web2", "!web,!lone", "w?b1,lone", "pro*", "ungrouped",
    "all,&site,!db", "nothing",
)  # fmt: skip


def test_a_constructed_inventory_is_what_ansible_makes_of_its_inputs(
    admin: Api, organization: int, tmp_path: Path
) -> None:
    inputs = [held(admin, organization, name, text) for name, text in (("a", FIRST), ("b", SECOND))]
    made = admin.make(
        "/inventories",
        name="both",
        organization_id=organization,
        kind="constructed",
        input_inventory_ids=inputs,
        variables={"added": True},
    )
    path = f"/inventories/{made['id']}"
    sources = [tmp_path / name for name in ("first.ini", "second.ini", "own.yaml")]
    for source, text in zip(sources, (FIRST, SECOND, "all: {vars: {added: true}}"), strict=True):
        source.write_text(text)
    rendered = tmp_path / "rendered.yaml"
    rendered.write_bytes(admin.get(f"{path}/script").get_data())
    everything = ansible_sees(*sources)
    assert ansible_sees(rendered) == everything

    ansible = InventoryManager(loader=DataLoader(), sources=[str(source) for source in sources])
    for pattern in PATTERNS:
        assert admin.patch(path, {"host_filter": pattern}).status_code == 200
        left = json.loads(admin.get(f"{path}/script").get_data())["all"]["hosts"]
        assert set(left) == {host.name for host in ansible.list_hosts(pattern)}, pattern


def test_a_change_of_an_input_is_a_new_version_of_what_is_made_of_it(admin: Api, organization: int) -> None:
    inputs = [held(admin, organization, name, text) for name, text in (("a", FIRST), ("b", SECOND))]
    path = "/inventories/{}".format(
        admin.make(
            "/inventories",
            name="both",
            organization_id=organization,
            kind="constructed",
            input_inventory_ids=inputs,
        )["id"]
    )
    before = admin.get(path).get_json()["version"]
    admin.make(f"/inventories/{inputs[1]}/hosts", name="web9")
    assert admin.get(path).get_json()["version"] > before
    assert "web9" in admin.get(f"{path}/script").get_data(as_text=True)
    refused = admin.delete(f"/inventories/{inputs[0]}")
    assert refused.status_code == 409
    assert "both" in refused.get_json()["detail"]
    assert admin.post(f"{path}/hosts", {"name": "h"}).status_code == 409
    assert admin.patch(path, {"input_inventory_ids": inputs[:1]}).status_code == 200
    assert "web9" not in admin.get(f"{path}/script").get_data(as_text=True)
    assert admin.delete(f"/inventories/{inputs[1]}").status_code == 204


def test_inputs_that_nest_in_a_circle_are_a_conflict(admin: Api, organization: int) -> None:
    circle = ("[a:children]\nb\n[b]\nh1\n", "[b:children]\na\n[a]\nh2\n")
    inputs = [held(admin, organization, f"c{place}", text) for place, text in enumerate(circle)]
    made = admin.make(
        "/inventories",
        name="circle",
        organization_id=organization,
        kind="constructed",
        input_inventory_ids=inputs,
    )
    answer = admin.get(f"/inventories/{made['id']}/script")
    assert answer.status_code == 409
    assert "circle" in answer.get_json()["detail"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"kind": "scm"}, "/source_project_id"),
        ({"kind": "scm", "source_path": "/etc/hosts"}, "/source_path"),
        ({"kind": "scm", "source_path": "a/../../b"}, "/source_path"),
        ({"kind": "scm", "variables": {"a": 1}}, "/variables"),
        ({"kind": "constructed"}, "/input_inventory_ids"),
        ({"kind": "constructed", "input_inventory_ids": [999]}, "/input_inventory_ids/0"),
        ({"kind": "constructed", "input_inventory_ids": [1], "host_filter": "~w.*"}, "/host_filter"),
        ({"kind": "constructed", "input_inventory_ids": [1], "host_filter": "a,!"}, "/host_filter"),
        ({"kind": "constructed", "input_inventory_ids": [1], "host_filter": "web[0]"}, "/host_filter"),
        ({"host_filter": "web"}, "/host_filter"),
        ({"input_inventory_ids": [1]}, "/input_inventory_ids"),
    ],
)
def test_what_does_not_belong_to_a_kind_is_named(
    admin: Api, organization: int, body: dict[str, Any], pointer: str
) -> None:
    answer = admin.post("/inventories", {"name": "x", "organization_id": organization, **body})
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.get_json()["errors"]]


def test_inputs_are_held_here_and_usable(
    admin: Api, organization: int, api_app: Flask, api_deps: Deps
) -> None:
    mine = held(admin, organization, "a", FIRST)
    made = {"organization_id": organization, "kind": "constructed"}
    both = admin.make("/inventories", name="both", input_inventory_ids=[mine], **made)["id"]
    again = admin.post("/inventories", {"name": "x", "input_inventory_ids": [both], **made})
    assert again.get_json()["errors"][0]["pointer"] == "/input_inventory_ids/0"
    assert admin.patch(f"/inventories/{both}", {"kind": "inventory"}).status_code == 422
    owner = Api(api_app.test_client(), token_for(api_deps, "owner"))
    other = admin.make("/organizations", name="Other")["id"]
    grant = {"role": "admin", "resource_type": "organization", "resource_id": other}
    admin.make("/role-assignments", user_id=owner.get("/me").get_json()["id"], **grant)
    body = {"name": "y", "organization_id": other, "kind": "constructed", "input_inventory_ids": [mine]}
    assert owner.post("/inventories", body).get_json()["errors"][0]["pointer"] == "/input_inventory_ids/0"


def test_an_inventory_in_a_project_is_told_in_the_manifest(
    admin: Api, organization: int, api_app: Flask, api_deps: Deps
) -> None:
    own, other = (
        admin.make(
            "/projects", name=name, organization_id=organization, scm_url=f"https://example.com/{name}"
        )
        for name in ("own", "other")
    )
    made = admin.make(
        "/inventories",
        name="files",
        organization_id=organization,
        kind="scm",
        source_project_id=other["id"],
        source_path="hosts/production",
    )
    assert admin.get(f"/inventories/{made['id']}/script").status_code == 409
    assert admin.delete(f"/projects/{other['id']}").status_code == 409
    for project, expected in ((own, other["scm_url"]), (other, None)):
        template = admin.make(
            "/job-templates",
            name=project["name"],
            project_id=project["id"],
            inventory_id=made["id"],
            playbook="site.yml",
        )
        job = admin.make("/jobs", job_template_id=template["id"])
        told = manifest_of(api_app, api_deps, job["id"])
        assert told["inventory"] == {"mode": "scm", "content": None, "path": "hosts/production"}
        assert (told["inventory_project"] or {}).get("scm_url") == expected


def manifest_of(app: Flask, deps: Deps, job_id: int) -> dict[str, Any]:
    """The manifest of a new attempt at a job."""
    token = new_token("drrun")
    with deps.sessions.begin() as db:
        run = JobRun(
            id=new_run_id(),
            job_id=job_id,
            attempt_number=1,
            state="starting",
            run_token_hash=token_hash(token),
        )
        db.add(run)
        db.flush()
        job = db.get_one(Job, job_id)
        job.status, job.current_run_id = "queued", run.id
    answer = Api(app.test_client(), token, "/internal/api/v1").get(f"/job-runs/{run.id}/manifest")
    assert answer.status_code == 200
    told: dict[str, Any] = answer.get_json()
    return told
