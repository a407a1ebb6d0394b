"""Every endpoint, asked as every kind of user. A route without a row here fails the test."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from drover_api.deps import Deps
from flask import Flask
from support.api import Api
from support.principals import Cast, make_cast

ROOT = frozenset({"superuser"})
READ_ALL = ROOT | {"auditor"}
OWNERS = ROOT | {"owner"}
ORG = READ_ALL | {"owner", "org_auditor"}
ALL = ORG | {
    "org_member",
    "by_team",
    "stranger",
    "obj_admin",
    "obj_use",
    "obj_execute",
    "obj_update",
    "obj_read",
}
NOBODY: frozenset[str] = frozenset()

# Who sees a thing of organization a, and who may administer it.
SEES = {
    "organization": ORG | {"org_member", "by_team"},
    "team": ORG | {"org_member", "by_team", "obj_admin", "obj_read"},
    "inventory": ORG | {"obj_admin", "obj_use", "obj_update", "obj_read"},
    "project": ORG | {"obj_admin", "obj_use", "obj_update", "obj_read"},
    "credential": ORG | {"obj_admin", "obj_use", "obj_read"},
    "execution_environment": ORG | {"org_member", "obj_admin", "obj_use", "obj_read"},
    "job_template": ORG | {"by_team", "obj_admin", "obj_execute", "obj_read"},
}
SEES_JOB = SEES["job_template"]
ADMINS = {kind: OWNERS | {"obj_admin"} for kind in SEES} | {
    "organization": OWNERS,
    "job_template": OWNERS | {"by_team", "obj_admin"},
}
UPDATERS = OWNERS | {"obj_admin", "obj_update"}
EXECUTORS = OWNERS | {"by_team", "obj_admin", "obj_execute"}

STALE = {"If-Match": '"stale"'}  # who may change it is told 412, and nothing changes
DONE = frozenset({200, 201, 202, 204, 409, 412})


@dataclass(frozen=True)
class Row:
    """`may`: it is done. `sees` but may not: 403. All others: `hidden`."""

    may: frozenset[str]
    sees: frozenset[str] = NOBODY
    hidden: int = 404
    body: Callable[[Cast], Any] | None = None
    headers: Mapping[str, str] | None = None
    fresh: tuple[str, str] | None = None  # the id of this name is made anew by this method of the cast


def crud(plural: str, kind: str, key: str = "id") -> dict[str, Row]:
    one, sees, admins = f"/{plural}/<id:{key}>", SEES[kind], ADMINS[kind]
    return {
        f"GET /{plural}": Row(ALL),
        f"GET {one}": Row(sees),
        f"PATCH {one}": Row(admins, sees, body=lambda _cast: {}, headers=STALE),
        f"DELETE {one}": Row(admins, sees, headers=STALE),
    }


def in_organization(**extra: Any) -> Callable[[Cast], Any]:
    return lambda cast: {"name": "made", "organization_id": cast.ids["organization"], **extra}


def made_by_owners(body: Callable[[Cast], Any]) -> Row:
    return Row(OWNERS, SEES["organization"], 422, body)


def content(kind: str, body: Mapping[str, Any]) -> dict[str, Row]:
    plural, one = f"/inventories/<id:inventory_id>/{kind}s", f"<id:{kind}_id>"
    sees = SEES["inventory"]
    return {
        f"GET {plural}": Row(sees),
        f"POST {plural}": Row(UPDATERS, sees, body=lambda _cast: body),
        f"GET {plural}/{one}": Row(sees),
        f"PATCH {plural}/{one}": Row(UPDATERS, sees, body=lambda _cast: {}, headers=STALE),
        f"DELETE {plural}/{one}": Row(UPDATERS, sees, headers=STALE),
    }


def superusers(plural: str, body: Any) -> dict[str, Row]:
    return {
        f"GET /{plural}": Row(ALL),
        f"POST /{plural}": Row(ROOT, ALL, body=lambda _cast: body),
        f"GET /{plural}/<id:id>": Row(ALL),
        f"PATCH /{plural}/<id:id>": Row(ROOT, ALL, body=lambda _cast: {}, headers=STALE),
        f"DELETE /{plural}/<id:id>": Row(ROOT, ALL, headers=STALE),
    }


INVENTORY = "/inventories/<id:inventory_id>"
GROUP = f"{INVENTORY}/groups/<id:group_id>"
COLLEAGUES = READ_ALL | {"owner", "org_auditor", "org_member"}
LAUNCH = Row(EXECUTORS, SEES["job_template"], 422, lambda cast: {"job_template_id": cast.ids["job_template"]})
TABLE: dict[str, Row] = {
    **crud("organizations", "organization"),
    "POST /organizations": Row(ROOT, ALL, body=lambda _cast: {"name": "made"}),
    **crud("teams", "team"),
    "POST /teams": made_by_owners(in_organization()),
    "GET /teams/<id:team_id>/members": Row(SEES["team"]),
    "PUT /teams/<id:team_id>/members/<id:user_id>": Row(ADMINS["team"], SEES["team"]),
    "DELETE /teams/<id:team_id>/members/<id:user_id>": Row(
        ADMINS["team"], SEES["team"], fresh=("user", "fresh_user")
    ),
    **crud("inventories", "inventory"),
    "POST /inventories": made_by_owners(in_organization()),
    f"GET {INVENTORY}/script": Row(SEES["inventory"]),
    f"POST {INVENTORY}/import": Row(
        UPDATERS, SEES["inventory"], body=lambda _cast: {"format": "ini", "content": "h1"}
    ),
    f"POST {INVENTORY}/hosts/bulk": Row(
        UPDATERS, SEES["inventory"], body=lambda _cast: {"hosts": [{"name": "h1"}]}
    ),
    **{
        f"GET {INVENTORY}/{path}": Row(SEES["inventory"])
        for path in ("facts", "facts/<string:host>", "hosts/<id:host_id>/facts")
    },
    **content("host", {"name": "h1"}),
    **content("group", {"name": "g1"}),
    **{
        f"{method} {GROUP}/{member}": Row(UPDATERS, SEES["inventory"])
        for method in ("PUT", "DELETE")
        for member in ("hosts/<id:host_id>", "children/<id:child_id>")
    },
    **crud("projects", "project"),
    "POST /projects": made_by_owners(in_organization(scm_url="https://git.example.com/made")),
    "POST /projects/<id:project_id>/sync": Row(UPDATERS, SEES["project"]),
    "GET /projects/<id:project_id>/playbooks": Row(SEES["project"]),
    **crud("credentials", "credential"),
    "POST /credentials": made_by_owners(
        lambda cast: in_organization(credential_type_id=cast.ids["machine"])(cast)
    ),
    **crud("execution-environments", "execution_environment"),
    "POST /execution-environments": made_by_owners(in_organization(image="example.com/ee")),
    **crud("job-templates", "job_template"),
    # Who may use the project but not see its organization is told of that.
    "POST /job-templates": Row(
        OWNERS,
        frozenset({"auditor", "org_auditor", "obj_update", "obj_read"}),
        422,
        lambda cast: {
            "name": "made",
            "project_id": cast.ids["project"],
            "inventory_id": cast.ids["inventory"],
            "playbook": "site.yml",
        },
    ),
    **superusers("credential-types", {"name": "made", "namespace": "made"}),
    **superusers("executor-pools", {"name": "made"}),
    **{key: row for key, row in superusers("executors", None).items() if not key.startswith("POST")},
    "GET /users": Row(ALL),
    "POST /users": Row(ROOT, ALL, body=lambda _cast: {"username": "made"}),
    "GET /users/<id:id>": Row(COLLEAGUES),
    "PATCH /users/<id:id>": Row(ROOT | {"org_member"}, COLLEAGUES, body=lambda _cast: {}, headers=STALE),
    "DELETE /users/<id:id>": Row(ROOT, COLLEAGUES, fresh=("user", "fresh_user")),
    "GET /me": Row(ALL),
    "GET /tokens": Row(ALL),
    "GET /tokens/<id:token_id>": Row(ROOT, fresh=("token", "fresh_token")),
    "DELETE /tokens/<id:token_id>": Row(ROOT, fresh=("token", "fresh_token")),
    "GET /session": Row(NOBODY),
    "DELETE /session": Row(ALL),
    "GET /role-assignments": Row(ALL),
    "POST /role-assignments": Row(
        OWNERS,
        SEES["inventory"] - {"obj_admin"},
        422,
        lambda cast: {
            "role": "use",
            "resource_type": "inventory",
            "resource_id": cast.ids["inventory"],
            "user_id": cast.ids["fresh"],
        },
        fresh=("user", "fresh_user"),
    ),
    "GET /role-assignments/<id:assignment_id>": Row(
        ADMINS["inventory"] | {"auditor"}, fresh=("assignment", "fresh_assignment")
    ),
    "DELETE /role-assignments/<id:assignment_id>": Row(
        ADMINS["inventory"], frozenset({"auditor"}), fresh=("assignment", "fresh_assignment")
    ),
    "GET /activity": Row(ALL),
    "GET /activity/<id:activity_id>": Row(ORG),
    "GET /jobs": Row(ALL),
    "POST /jobs": LAUNCH,
    "POST /bulk/jobs": Row(
        EXECUTORS,
        SEES["job_template"],
        422,
        lambda cast: {"jobs": [{"job_template_id": cast.ids["job_template"]}]},
    ),
    "GET /jobs/<id:job_id>": Row(SEES_JOB),
    "DELETE /jobs/<id:job_id>": Row(ADMINS["job_template"], SEES_JOB, headers=STALE),
    "POST /jobs/<id:job_id>/cancel": Row(EXECUTORS, SEES_JOB),
    "POST /jobs/<id:job_id>/relaunch": Row(EXECUTORS, SEES_JOB),
    **{
        f"GET /jobs/<id:job_id>/{what}": Row(SEES_JOB) for what in ("runs", "events", "host-summaries", "log")
    },
    **{
        f"GET /job-runs/<uuid:run_id>{what}": Row(SEES_JOB) for what in ("", "/events", "/log", "/log-chunks")
    },
}
# Open to all, or to who brings a password: what they ask for is tested where they are.
OPEN = {"POST /tokens", "POST /session", "GET /docs", "GET /docs/<path:name>", "GET /openapi.json"}
PUBLIC, INTERNAL = "/api/v1", "/internal/api/v1"


def routes(app: Flask, prefix: str) -> set[str]:
    return {
        f"{method} {rule.rule.removeprefix(prefix)}"
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(f"{prefix}/")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


@pytest.fixture
def cast(api_app: Flask, api_deps: Deps, admin: Api) -> Cast:
    return make_cast(api_app, api_deps, admin)


def test_every_route_has_a_row(api_app: Flask) -> None:
    assert routes(api_app, PUBLIC) == set(TABLE) | OPEN
    others = {rule.rule for rule in api_app.url_map.iter_rules()}
    others = {rule for rule in others if not rule.startswith((f"{PUBLIC}/", f"{INTERNAL}/"))}
    assert others == {"/livez", "/readyz", "/metrics"}


def path_of(cast: Cast, rule: str, ids: Mapping[str, Any]) -> str:
    """The rule's path with the things of organization a in it."""
    first = rule.split("/")[1]
    own = {"organizations": "organization", "users": "org_member", "inventories": "inventory"}
    singular = own.get(first, first.removesuffix("s").replace("-", "_"))
    known = {name: cast.ids.get(name) for name in cast.ids} | {"user": cast.ids["by_team"]} | dict(ids)
    known["id"] = ids.get(singular, ids.get("user", cast.ids.get(singular)))
    parts = [
        str(known[part[1:-1].split(":")[1].removesuffix("_id") or "id"]) if part.startswith("<") else part
        for part in rule.split("/")
    ]
    return "/".join(parts)


def expected(row: Row, method: str, user: str) -> set[int]:
    if user == "anonymous":
        return {401}
    if user == "reading":
        if method != "GET":
            return {403}
        user = "superuser"
    if user in row.may:
        return set(DONE)
    return {403} if user in row.sees else {row.hidden}


def test_every_endpoint_as_every_user(cast: Cast) -> None:
    cast.ids["job"] = cast.fresh_job()
    wrong = []
    for key, row in TABLE.items():
        method, rule = key.split(" ")
        for user, api in cast.users.items():
            ids = {row.fresh[0]: getattr(cast, row.fresh[1])()} if row.fresh else {}
            body = row.body(cast) if row.body else None
            path = path_of(cast, rule, ids)
            answer = api.call(method, path, body, headers=dict(row.headers or {}))
            if answer.status_code not in expected(row, method, user):
                told = answer.get_data(as_text=True)[:200]
                wrong.append(f"{user}: {method} {path}: {answer.status_code} {told}")
    assert not wrong, "\n".join(wrong)


def test_lists_show_what_details_show(cast: Cast) -> None:
    cast.ids["job"] = cast.fresh_job()
    kinds = {
        key.split("/")[1]: TABLE[key] for key in TABLE if key.startswith("GET ") and key.endswith("<id:id>")
    }
    rows = {f"/{plural}": row.may for plural, row in kinds.items()} | {"/jobs": SEES_JOB}
    for path, sees in rows.items():
        singular = {"/organizations": "organization", "/users": "org_member", "/inventories": "inventory"}
        wanted = cast.ids[singular.get(path, path[1:].removesuffix("s").replace("-", "_"))]
        for user in sorted(ALL):
            listed = {one["id"] for one in cast.users[user].get(f"{path}?limit=200").get_json()["items"]}
            assert (wanted in listed) == (user in sees), f"{user} {path}"


BODIES: dict[str, Any] = {
    "POST /executors": {"name": "x", "pools": ["default"], "slots": 1, "version": "1"},
    "heartbeat": {"running": [], "last_seq": 0, "last_log_seq": -1},
    "next": {"wait_seconds": 0},
    "claim": {"executor_id": 1},
    "start": {},
    "facts": {"hosts": []},
    "events": {"token": "x", "events": []},
    "log-chunks": {"token": "x", "seq": 0, "offset": 0, "body": ""},
    "finish": {"state": "failed", "last_seq": 0, "log_chunks": 0, "log_bytes": 0, "log_sha256": "0" * 64},
}


def test_no_user_speaks_for_an_executor(cast: Cast) -> None:
    cast.ids["job"] = cast.fresh_job()
    for key in routes(cast.app, INTERNAL):
        method, rule = key.split(" ")
        body = BODIES.get(key, BODIES.get(rule.rsplit("/", 1)[1])) if method != "GET" else None
        for user, api in cast.users.items():
            path = path_of(cast, rule, {})
            internal = Api(cast.app.test_client(), api.token, INTERNAL)
            answer = internal.call(method, path, body)
            assert answer.status_code == 401, f"{user}: {key}: {answer.status_code}"
