"""Access, asked of every endpoint as every kind of user: lists and details agree, and nobody gets more."""

from dataclasses import dataclass
from typing import Any

import pytest
from drover_api.deps import Deps
from flask import Flask
from support.api import Api, token_for

NOBODY_SEES: frozenset[str] = frozenset()


@dataclass
class World:
    """Two organizations with the same things in each, and users with different roles in the first."""

    admin: Api
    users: dict[str, Api]
    things: dict[str, dict[str, int]]  # path → name → id

    def path(self, kind: str, name: str) -> str:
        return f"/{kind}/{self.things[kind][name]}"


@pytest.fixture
def world(admin: Api, api_app: Flask, api_deps: Deps) -> World:
    made = World(admin, {"superuser": admin}, {})
    types = {item["namespace"]: item["id"] for item in admin.get("/credential-types").get_json()["items"]}

    def make(kind: str, label: str, **body: Any) -> int:
        row_id: int = admin.make(f"/{kind}", **body)["id"]
        made.things.setdefault(kind, {})[label] = row_id
        return row_id

    for org in ("a", "b"):
        organization = make("organizations", org, name=f"org {org}")
        own = {"name": f"own {org}", "organization_id": organization}
        make("teams", org, **own)
        inventory = make("inventories", org, **own)
        project = make("projects", org, **own, scm_url="https://git.example.com/app")
        make("execution-environments", org, **own, image="example.com/ee")
        credential = make(
            "credentials", org, **own, credential_type_id=types["machine"], inputs={"password": "secret"}
        )
        make(
            "job-templates",
            org,
            name=f"own {org}",
            inventory_id=inventory,
            project_id=project,
            playbook="site.yml",
            credential_ids=[credential],
        )
    make("execution-environments", "global", name="everybody's", image="example.com/ee")
    _add_users(made, api_app, api_deps)
    return made


def _add_users(world: World, app: Flask, deps: Deps) -> None:
    ids = {}
    for name in ("auditor", "owner", "org_auditor", "member", "executor", "user_of_inventory", "by_team",
                 "stranger"):  # fmt: skip
        world.users[name] = Api(app.test_client(), token_for(deps, name))
        ids[name] = world.users[name].get("/me").get_json()["id"]
    world.things["users"] = ids
    assert world.admin.patch(f"/users/{ids['auditor']}", {"is_system_auditor": True}).status_code == 200
    team = world.things["teams"]["a"]
    assert world.admin.put(f"/teams/{team}/members/{ids['by_team']}").status_code == 204
    for role, kind, path, grantee in (
        ("admin", "organization", "organizations", {"user_id": ids["owner"]}),
        ("auditor", "organization", "organizations", {"user_id": ids["org_auditor"]}),
        ("member", "organization", "organizations", {"user_id": ids["member"]}),
        ("execute", "job_template", "job-templates", {"user_id": ids["executor"]}),
        ("use", "inventory", "inventories", {"user_id": ids["user_of_inventory"]}),
        ("admin", "job_template", "job-templates", {"team_id": team}),
    ):
        world.admin.make(
            "/role-assignments",
            role=role,
            resource_type=kind,
            resource_id=world.things[path]["a"],
            **grantee,
        )


KINDS = (
    "organizations", "teams", "inventories", "projects", "execution-environments", "credentials",
    "job-templates",
)  # fmt: skip
ALL = frozenset({"a", "b"})
OWN = frozenset({"a"})
# What each user sees of each kind; of environments everybody also sees the global one.
SEES: dict[str, dict[str, frozenset[str]]] = {
    "superuser": dict.fromkeys(KINDS, ALL),
    "auditor": dict.fromkeys(KINDS, ALL),
    "owner": dict.fromkeys(KINDS, OWN),
    "org_auditor": dict.fromkeys(KINDS, OWN),
    "member": dict.fromkeys(("organizations", "teams", "execution-environments"), OWN),
    "executor": {"job-templates": OWN},
    "user_of_inventory": {"inventories": OWN},
    "by_team": dict.fromkeys(("organizations", "teams", "job-templates"), OWN),
    "stranger": {},
}


def test_lists_and_details_show_the_same(world: World) -> None:
    for user, api in world.users.items():
        for kind in KINDS:
            expected = set(SEES[user].get(kind, NOBODY_SEES))
            if kind == "execution-environments":
                expected.add("global")
            listed = {item["id"] for item in api.get(f"/{kind}?limit=200").get_json()["items"]}
            for label, row_id in world.things[kind].items():
                where = f"{user} {kind} {label}"
                assert (row_id in listed) == (label in expected), where
                status = api.get(f"/{kind}/{row_id}").status_code
                assert status == (200 if label in expected else 404), where


def test_only_admins_change_and_delete(world: World) -> None:
    admins = {"superuser": set(KINDS), "owner": set(KINDS), "by_team": {"job-templates"}}
    for user, api in world.users.items():
        for kind in KINDS:
            sees = "a" in SEES[user].get(kind, NOBODY_SEES)
            may = kind in admins.get(user, set())
            expected = 200 if may else 403 if sees else 404
            path = world.path(kind, "a")
            where = f"{user} {kind}"
            assert api.patch(path, {"description": user}).status_code == expected, where
            if not may:
                assert api.delete(path).status_code == expected, where
    assert world.users["owner"].patch(world.path("job-templates", "b"), {}).status_code == 404


def test_content_of_an_inventory_follows_the_inventory(world: World) -> None:
    inventory = world.path("inventories", "a")
    host = world.admin.make(f"{inventory}/hosts", name="h1")["id"]
    for user, read, write in (
        ("owner", 200, 200),
        ("org_auditor", 200, 403),
        ("auditor", 200, 403),
        ("user_of_inventory", 200, 403),
        ("member", 404, 404),
        ("stranger", 404, 404),
    ):
        api = world.users[user]
        for path in ("/hosts", f"/hosts/{host}", "/groups", "/script"):
            assert api.get(inventory + path).status_code == read, (user, path)
        assert api.patch(f"{inventory}/hosts/{host}", {"description": user}).status_code == write, user
        imported = api.post(f"{inventory}/import", {"format": "ini", "content": "h1"})
        assert imported.status_code == write, user
    other = world.path("inventories", "b")
    assert world.users["owner"].get(f"{other}/hosts/{host}").status_code == 404
    assert world.admin.get(f"{other}/hosts/{host}").status_code == 404


def test_making_needs_the_organization_and_use_of_what_is_named(world: World) -> None:
    own = {"name": "new", "organization_id": world.things["organizations"]["a"]}
    foreign = {**own, "organization_id": world.things["organizations"]["b"]}
    owner, member, stranger = (world.users[name] for name in ("owner", "member", "stranger"))
    assert owner.post("/inventories", own).status_code == 201
    assert member.post("/inventories", own).status_code == 403
    refused = owner.post("/inventories", foreign)
    assert (refused.status_code, refused.get_json()["errors"][0]["pointer"]) == (422, "/organization_id")
    assert stranger.post("/organizations", {"name": "mine"}).status_code == 403
    assert stranger.post("/users", {"username": "more"}).status_code == 403
    template = {
        "name": "new",
        "playbook": "site.yml",
        "project_id": world.things["projects"]["a"],
        "inventory_id": world.things["inventories"]["a"],
    }
    assert owner.post("/job-templates", template).status_code == 201
    for name, kind in (("inventory_id", "inventories"), ("project_id", "projects")):
        answer = owner.post("/job-templates", {**template, name: world.things[kind]["b"]})
        assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (422, f"/{name}")
    credential = {"credential_ids": [world.things["credentials"]["b"]]}
    answer = owner.post("/job-templates", {**template, "name": "x", **credential})
    assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (422, "/credential_ids/0")


def test_a_template_admin_may_not_pull_in_what_it_may_not_use(world: World) -> None:
    """Who is admin of the template alone may keep its inventory, but not choose one."""
    by_team = world.users["by_team"]
    path = world.path("job-templates", "a")
    assert by_team.patch(path, {"verbosity": 1}).status_code == 200
    for name, kind in (("inventory_id", "inventories"), ("project_id", "projects")):
        assert by_team.patch(path, {name: world.things[kind]["b"]}).status_code == 422


def test_users_see_their_colleagues_and_change_only_themselves(world: World) -> None:
    ids = world.things["users"]

    def seen(user: str) -> set[str]:
        listed = {item["id"] for item in world.users[user].get("/users?limit=200").get_json()["items"]}
        return {name for name, row_id in ids.items() if row_id in listed}

    assert seen("stranger") == {"stranger"}
    assert seen("executor") == {"executor"}
    assert seen("by_team") == {"by_team"}
    assert seen("member") == {"member", "owner", "org_auditor", "by_team"}
    member = world.users["member"]
    own = f"/users/{ids['member']}"
    assert member.patch(own, {"email": "m@example.com", "password": "long enough"}).status_code == 200
    for change in ({"is_superuser": True}, {"username": "root"}, {"is_active": False}):
        assert member.patch(own, change).status_code == 403
    assert member.patch(f"/users/{ids['owner']}", {"email": "x"}).status_code == 403
    assert member.delete(own).status_code == 403
    assert world.admin.delete(own).status_code == 204
    assert member.get("/me").status_code == 401


def test_roles_are_granted_by_admins_of_the_resource(world: World) -> None:
    ids = world.things["users"]
    inventory = world.things["inventories"]["a"]

    def grant(api: Api, **change: Any) -> tuple[int, Any]:
        body = {"role": "use", "resource_type": "inventory", "resource_id": inventory} | change
        answer = api.post("/role-assignments", body)
        return answer.status_code, answer.get_json()

    owner, stranger = world.users["owner"], world.users["stranger"]
    status, made = grant(owner, user_id=ids["member"])
    assert status == 201
    assert grant(owner, user_id=ids["member"])[0] == 409
    assert grant(owner, user_id=ids["stranger"])[0] == 422  # not visible to the owner
    assert grant(owner)[0] == 422
    assert grant(owner, user_id=ids["member"], team_id=world.things["teams"]["a"])[0] == 422
    assert grant(owner, role="execute", user_id=ids["member"])[1]["errors"][0]["pointer"] == "/role"
    assert grant(stranger, user_id=ids["stranger"])[0] == 422
    assert grant(world.users["user_of_inventory"], user_id=ids["user_of_inventory"])[0] == 403
    path = f"/role-assignments/{made['id']}"
    assert world.users["member"].get(path).status_code == 200
    assert stranger.get(path).status_code == 404
    assert stranger.delete(path).status_code == 404
    assert world.users["member"].get(world.path("inventories", "a")).status_code == 200
    assert owner.delete(path).status_code == 204
    assert world.users["member"].get(world.path("inventories", "a")).status_code == 404


def test_activity_is_for_who_audits(world: World) -> None:
    def organizations(user: str) -> set[Any]:
        items = world.users[user].get("/activity?limit=200").get_json()["items"]
        return {item["organization_id"] for item in items}

    a, b = (world.things["organizations"][name] for name in "ab")
    assert {a, b} <= organizations("auditor")
    assert organizations("org_auditor") == {a}
    assert organizations("stranger") == set()
    changes = world.admin.get("/activity?resource_type=credential").get_data(as_text=True)
    assert "$encrypted$" in changes
    assert "secret" not in changes.replace("secret_", "")
