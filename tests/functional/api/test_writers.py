"""Two writers of every kind of resource: a stale `If-Match` is refused, and changes nothing."""

from collections.abc import Iterator
from typing import Any

import pytest
from drover_api.deps import Deps
from drover_shared.db.models import Job
from flask import Flask
from sqlalchemy import update
from support.api import Api, token_for
from support.job_rows import add_executor, add_queued_job
from support.launch_rows import World, make_world

CHANGES = {"/users": {"first_name": "new"}, "/executors": {"draining": True}}
NEVER_CHANGE = {"/activity", "/job-runs"}  # nobody writes them


@pytest.fixture
def made(admin: Api, api_deps: Deps) -> dict[str, int]:
    """The path of each collection, and the id of one thing in it that may be changed and deleted."""
    with api_deps.sessions.begin() as db:
        world = make_world(db)
        executor = add_executor(db).id
        job = add_queued_job(db).job_id
        db.execute(update(Job).where(Job.id == job).values(status="canceled"))
    mine, hosts = f"/inventories/{world.inventory_id}", f"/inventories/{world.inventory_id}/hosts"
    token_for(api_deps, "admin")
    bodies: dict[str, dict[str, Any]] = {
        "/organizations": {},
        "/users": {"username": "somebody"},
        "/teams": {"organization_id": world.organization_id},
        "/role-assignments": _role(admin, world),
        "/credential-types": {"namespace": "own", "inputs": {"fields": []}, "injectors": {}},
        "/credentials": {"organization_id": world.organization_id, "credential_type_id": 1, "inputs": {}},
        "/execution-environments": {"organization_id": world.organization_id, "image": "example.com/ee"},
        "/projects": {"organization_id": world.organization_id, "scm_url": "https://git.example.com/x"},
        "/inventories": {"organization_id": world.organization_id},
        "/job-templates": {
            "inventory_id": world.inventory_id,
            "project_id": world.project_id,
            "playbook": "site.yml",
        },
        "/executor-pools": {},
        hosts: {},
        f"{mine}/groups": {},
    }
    named = {"/users", "/role-assignments"}
    ids = {
        path: admin.make(path, **body, **({} if path in named else {"name": "own"}))["id"]
        for path, body in bodies.items()
    }
    tokens = admin.get("/tokens?order_by=-id").get_json()["items"]
    return {**ids, "/executors": executor, "/jobs": job, "/tokens": tokens[0]["id"]}


def _role(admin: Api, world: World) -> dict[str, Any]:
    user = admin.make("/users", username="with-a-role")["id"]
    return {
        "role": "read",
        "resource_type": "inventory",
        "resource_id": world.inventory_id,
        "user_id": user,
    }


def changeable(admin: Api) -> Iterator[tuple[str, set[str]]]:
    """Each path of a detail that can be changed or deleted, and how."""
    for path, item in admin.get("/openapi.json").get_json()["paths"].items():
        methods = set(item) & {"patch", "delete"}
        if "get" in item and path.endswith("}") and path.startswith("/api/v1/") and methods:
            yield path.removeprefix("/api/v1"), methods


def test_the_second_of_two_writers_is_told(admin: Api, made: dict[str, int]) -> None:
    kinds = dict(changeable(admin))
    generic = {path.rpartition("/")[0].replace("{inventory_id}", "N"): how for path, how in kinds.items()}
    assert {_generic(path) for path in made} == set(generic) - NEVER_CHANGE
    for path, row_id in made.items():
        one = f"{path}/{row_id}"
        methods = generic[_generic(path)]
        stale = admin.get(one).headers["ETag"]
        if "patch" in methods:
            change = CHANGES.get(path, {"description": "first"})
            first = admin.patch(one, change, headers={"If-Match": stale})
            assert first.status_code == 200, (one, first.get_json())
            assert first.headers["ETag"] != stale
            second = admin.patch(one, {"description": "second"}, headers={"If-Match": stale})
            assert second.status_code == 412, one
            assert second.content_type == "application/problem+json"
            assert admin.get(one).headers["ETag"] == first.headers["ETag"], one
            stale_delete = stale
        else:
            stale_delete = '"of another state"'
        assert admin.delete(one, headers={"If-Match": stale_delete}).status_code == 412, one
        current = admin.get(one).headers["ETag"]
        assert admin.get(one, headers={"If-None-Match": current}).status_code == 304, one
        assert admin.delete(one, headers={"If-Match": current}).status_code == 204, one
        assert admin.get(one).status_code == 404, one


def _generic(path: str) -> str:
    parts = ["N" if part.isdigit() else part for part in path.split("/")]
    return "/".join(parts)


def test_a_read_token_may_not_write_whatever_it_names(
    api_app: Flask, api_deps: Deps, made: dict[str, int]
) -> None:
    reader = Api(api_app.test_client(), token_for(api_deps, "admin", scope="read"))
    for path, row_id in made.items():
        assert reader.delete(f"{path}/{row_id}", headers={"If-Match": "*"}).status_code in (403, 405), path
        assert reader.get(f"{path}/{row_id}").status_code == 200, path
