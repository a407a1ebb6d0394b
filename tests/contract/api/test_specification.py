"""The specification's examples of sections 2.1 to 2.4 and 6, field for field."""

from typing import Any

import pytest
from drover_api.deps import Deps
from drover_shared.db.models import ExecutionEnvironment
from sqlalchemy import text
from support.api import Api
from support.specification import ENVIRONMENT, INVENTORY, TEMPLATE, USER


def body_of(example: dict[str, Any]) -> dict[str, Any]:
    """An example as a client sends it: minus ids and timestamps of its own."""
    return {key: value for key, value in example.items() if key not in ("id", "created_at", "modified_at")}


def types_of(admin: Api) -> dict[str, int]:
    return {item["namespace"]: item["id"] for item in admin.get("/credential-types").get_json()["items"]}


def next_id(deps: Deps, table: str, value: int) -> None:
    """Let the next row of `table` have the example's id."""
    with deps.engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {table} ALTER COLUMN id RESTART WITH {value}"))


@pytest.fixture
def world(admin: Api, api_deps: Deps) -> Api:
    """Organization 1, credentials 5, 6 and 10, project 9."""
    types = types_of(admin)
    admin.make("/organizations", name="Default")
    for row_id, name, kind, inputs in (
        (5, "SSH Key", "machine", {"username": "deploy", "ssh_key_data": "key"}),
        (6, "Vault Password", "vault", {"vault_password": "secret"}),
        (10, "Registry", "registry", {"host": "quay.io", "password": "secret"}),
    ):
        next_id(api_deps, "credentials", row_id)
        admin.make(
            "/credentials", name=name, organization_id=1, credential_type_id=types[kind], inputs=inputs
        )
    next_id(api_deps, "projects", 9)
    admin.make("/projects", name="App", organization_id=1, scm_url="https://git.example.com/app.git")
    return admin


def test_2_1_user(admin: Api) -> None:
    changed = admin.patch("/users/1", body_of(USER))
    assert changed.status_code == 200, changed.get_json()
    for path in ("/users/1", "/me"):
        read = admin.get(path).get_json()
        assert {key: read[key] for key in USER} == USER
        assert set(read) - set(USER) == {"is_active", "created_at", "modified_at"}


def test_2_2_inventory(world: Api, api_deps: Deps) -> None:
    next_id(api_deps, "inventories", 42)
    made = world.make("/inventories", **body_of(INVENTORY))
    assert {key: made[key] for key in INVENTORY} == INVENTORY
    assert world.get("/inventories/42").get_json() == made


def test_2_3_job_template(world: Api, api_deps: Deps) -> None:
    next_id(api_deps, "inventories", 42)
    world.make("/inventories", **body_of(INVENTORY))
    next_id(api_deps, "execution_environments", 5)
    world.make("/execution-environments", name="App EE", image="registry.example.com/ee:latest")
    next_id(api_deps, "job_templates", 17)
    made = world.make("/job-templates", **body_of(TEMPLATE))
    assert {key: made[key] for key in TEMPLATE} == TEMPLATE
    assert world.get("/job-templates/17").get_json() == made
    assert world.get("/job-templates").get_json()["items"] == [made]


def test_2_4_and_6_execution_environment(world: Api, api_deps: Deps) -> None:
    next_id(api_deps, "execution_environments", 5)
    answer = world.post("/execution-environments", body_of(ENVIRONMENT))
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/api/v1/execution-environments/5"
    with api_deps.sessions.begin() as db:
        row = db.get_one(ExecutionEnvironment, 5)
        row.created_at, row.modified_at = ENVIRONMENT["created_at"], ENVIRONMENT["modified_at"]  # type: ignore[assignment]
    assert world.get("/execution-environments/5").get_json() == ENVIRONMENT
    assert list(answer.get_json()) == list(ENVIRONMENT)


def test_6_1_list(world: Api) -> None:
    for name in ("Alpha", "Beta", "beta two"):
        world.make("/execution-environments", name=name, organization_id=1, image="example.com/ee")
    page = world.get("/execution-environments").get_json()
    assert list(page) == ["items", "total", "limit", "offset"]
    assert (page["total"], page["limit"], page["offset"]) == (4, 50, 0)
    assert set(page["items"][0]) == set(ENVIRONMENT)

    def names(query: str) -> list[str]:
        return [item["name"] for item in world.get(f"/execution-environments?{query}").get_json()["items"]]

    assert names("organization_id=1&name=BETA&order_by=-name") == ["beta two", "Beta"]
    assert names("managed=true") == ["Default execution environment"]
    assert names("managed=false&limit=1&offset=1") == ["Beta"]
    assert names("name=%25") == []
    assert world.get("/execution-environments?managed=perhaps").status_code == 422


def test_6_4_update_is_a_merge_patch(world: Api) -> None:
    made = world.make("/execution-environments", **body_of(ENVIRONMENT))
    answer = world.patch(
        f"/execution-environments/{made['id']}",
        {"description": None, "credential_id": None, "pull": "always"},
        content_type="application/merge-patch+json",
    )
    assert answer.status_code == 200
    changed = answer.get_json()
    assert (changed["description"], changed["credential_id"], changed["pull"]) == ("", None, "always")
    assert changed["modified_at"] > made["modified_at"]


def test_6_5_delete_only_what_is_not_managed(world: Api) -> None:
    managed = world.make("/execution-environments", **body_of(ENVIRONMENT))
    refused = world.delete(f"/execution-environments/{managed['id']}")
    assert refused.status_code == 409
    assert refused.content_type == "application/problem+json"
    own = world.make("/execution-environments", name="Own", organization_id=1, image="example.com/ee")
    assert world.delete(f"/execution-environments/{own['id']}").status_code == 204
    assert world.get(f"/execution-environments/{own['id']}").status_code == 404
