"""Hostile input: always a clear 4xx, nothing stored, nothing leaked."""

import gzip
import json
from typing import Any

import pytest
from drover_api.deps import Deps
from drover_api.http.limits import MAX_BODY_BYTES, MAX_LARGE_BODY_BYTES
from drover_shared.db.models import Base
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from support.api import Api, token_for
from support.launch_rows import World, add_credential, grant, make_world
from werkzeug.test import TestResponse

NOT_COUNTED = {"tokens"}  # a refused request may still note that its token was used

HOSTILE = (
    "'; DROP TABLE users; --",
    "1 OR 1=1",
    "\\' OR ''='",
    "%27%20OR%201=1",
    "../../../../etc/passwd",
    "..\\..\\windows",
    "%2e%2e%2f%2e%2e%2fetc/passwd",
    "{{ 7 * 7 }}",
    "${jndi:ldap://127.0.0.1/x}",
    "<script>alert(1)</script>",
    "\u202egnp.exe",
    "\u0000",
    "\ud800",
    "\U0010ffff",
    "a" * 100_000,
)
PATHS = (
    "/jobs/1%00",
    "/jobs/1;drop",
    "/jobs/1'--",
    "/jobs/%2e%2e/users/1",
    "/jobs/0x1",
    "/jobs/+1",
    "/jobs/01",
    "/jobs/\u0661",
    "/jobs/1e3",
    "/jobs/-1",
    f"/jobs/{10**18}",
    f"/jobs/{2**64}",
    "/job-runs/00000000-0000-0000-0000-00000000000g",
    "/job-runs/..%2f..%2fetc%2fpasswd/log",
    "/docs/%2e%2e/app.py",
    "/docs/..%2fapp.py",
    "/docs/..%5capp.py",
    "/docs/%00",
    "/docs//etc/passwd",
)


def rows(deps: Deps) -> dict[str, int]:
    """How many rows each table has."""
    with deps.sessions() as db:
        return {
            table.name: db.scalar(select(func.count()).select_from(table)) or 0
            for table in Base.metadata.sorted_tables
            if table.name not in NOT_COUNTED
        }


def assert_refused(answer: TestResponse, what: object) -> dict[str, Any]:
    """A 4xx with a whole problem; returns it."""
    assert 400 <= answer.status_code < 500, (what, answer.status_code)
    assert answer.content_type == "application/problem+json", what
    problem: dict[str, Any] = answer.get_json()
    assert problem["status"] == answer.status_code
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert "Traceback" not in json.dumps(problem)
    assert "psycopg" not in json.dumps(problem)
    return problem


@pytest.fixture
def world(api_deps: Deps, admin: Api) -> World:
    del admin
    with api_deps.sessions.begin() as db:
        return make_world(db)


def test_odd_paths_are_no_paths(admin: Api, api_deps: Deps) -> None:
    before = rows(api_deps)
    for path in PATHS:
        for method in ("GET", "DELETE", "PATCH", "POST", "PUT"):
            answer = admin.call(method, path)
            problem = assert_refused(answer, (method, path))
            assert answer.status_code in (404, 405), (method, path)
            assert "root:" not in json.dumps(problem)
    assert admin.get("/organizations/9999999999999999999").status_code == 404
    assert admin.delete("/organizations/9999999999999999999").status_code == 404
    assert rows(api_deps) == before


def test_odd_searches_find_nothing_and_break_nothing(admin: Api, world: World) -> None:
    del world
    for path in ("/organizations", "/users", "/inventories", "/job-templates", "/jobs", "/credentials"):
        for text in HOSTILE:
            answer = admin.get(path, query_string={"name": text.encode("utf-8", "surrogatepass")})
            if answer.status_code == 200:
                assert answer.get_json()["items"] == [], (path, text[:40])
            else:
                assert_refused(answer, (path, text[:40]))
            order = admin.get(path, query_string={"order_by": text.encode("utf-8", "surrogatepass")})
            problem = assert_refused(order, (path, text[:40]))
            assert problem["errors"][0]["pointer"] == "order_by"
    for query in ("limit=1&limit=2", "name=a&name=b", "nope=1&nope=2"):
        problem = assert_refused(admin.get(f"/organizations?{query}"), query)
        assert problem["errors"][0]["pointer"] == query[: query.index("=")]


def test_large_and_coded_bodies(admin: Api, api_deps: Deps) -> None:
    before = rows(api_deps)
    organization = {"name": "x", "description": "a" * 10_000_000}
    assert admin.post("/organizations", organization).status_code == 413
    assert admin.post("/organizations", {"name": "x" * (MAX_BODY_BYTES - 100)}).status_code == 422
    jobs = {"jobs": [{"job_template_id": 1, "limit": "x" * (MAX_LARGE_BODY_BYTES)}]}
    assert admin.post("/bulk/jobs", jobs).status_code == 413
    packed = gzip.compress(json.dumps({"name": "x"}).encode())
    for coding in ("gzip", "deflate", "br", "gzip, gzip"):
        answer = admin.post(
            "/organizations",
            data=packed,
            content_type="application/json",
            headers={"Content-Encoding": coding},
        )
        assert assert_refused(answer, coding)["status"] == 415
    assert rows(api_deps) == before


def test_odd_headers(admin: Api, world: World, api_deps: Deps) -> None:
    before = rows(api_deps)
    organization = f"/organizations/{world.organization_id}"
    for tag in ('"nope"', "nope", 'W/"nope"', '"' + "x" * 5000 + '"', '"a", "b"', "\u00ff"):
        assert admin.delete(organization, headers={"If-Match": tag}).status_code == 412, tag
        assert admin.patch(organization, {"description": "y"}, headers={"If-Match": tag}).status_code == 412
    for key in ("", "x" * 256):
        answer = admin.post("/jobs", {"job_template_id": world.template_id}, headers={"Idempotency-Key": key})
        assert assert_refused(answer, key[:5])["errors"][0]["pointer"] == "Idempotency-Key"
    for token in ("Bearer", "Bearer ", "Bearer \u00ff", "Basic !!!", "Digest x", "bearer a b"):
        answer = admin.get("/me", headers={"Authorization": token})
        assert assert_refused(answer, token)["status"] == 401
        assert answer.headers["WWW-Authenticate"]
    answer = admin.get("/me", headers={"X-Request-Id": "<script>" + "x" * 100})
    assert "script" not in answer.headers["X-Request-Id"]
    assert rows(api_deps) == before


FOREIGN = "a name that nobody else may learn"


@pytest.fixture
def foreign(api_deps: Deps, world: World, admin: Api) -> dict[str, int]:
    """Ids of another organization's things, all with a telling name."""
    del world
    with api_deps.sessions.begin() as db:
        other = make_world(db, FOREIGN)
        credential = add_credential(db, other, "machine", FOREIGN, inputs={"username": FOREIGN})
    for path, row_id in (("inventories", other.inventory_id), ("projects", other.project_id)):
        admin.patch(f"/{path}/{row_id}", {"description": FOREIGN})
    team = admin.make("/teams", name=FOREIGN, organization_id=other.organization_id)["id"]
    return {
        "organization_id": other.organization_id,
        "inventory_id": other.inventory_id,
        "project_id": other.project_id,
        "execution_environment_id": other.environment_id,
        "job_template_id": other.template_id,
        "credential_id": credential,
        "team_id": team,
    }


@pytest.fixture
def owner(api_app: Flask, api_deps: Deps, world: World) -> Api:
    """The administrator of one organization."""
    api = Api(api_app.test_client(), token_for(api_deps, "owner"))
    with api_deps.sessions.begin() as db:
        grant(db, "owner", "admin", "organization", world.organization_id)
    return api


def bodies(world: World, kind_id: int) -> dict[str, dict[str, Any]]:
    """A body for each resource that would be taken, with every reference it may have."""
    own = {"name": "new", "organization_id": world.organization_id}
    return {
        "/teams": own,
        "/inventories": own,
        "/projects": {**own, "scm_url": "https://git.example.com/x", "credential_id": None},
        "/execution-environments": {**own, "image": "example.com/ee", "credential_id": None},
        "/credentials": {**own, "credential_type_id": kind_id, "inputs": {}},
        "/job-templates": {
            "name": "new",
            "inventory_id": world.inventory_id,
            "project_id": world.project_id,
            "execution_environment_id": world.environment_id,
            "playbook": "site.yml",
        },
        "/role-assignments": {
            "role": "read",
            "resource_type": "inventory",
            "resource_id": world.inventory_id,
            "team_id": None,
        },
        "/jobs": {"job_template_id": world.template_id},
    }


def test_ids_of_another_organization_are_as_if_they_did_not_exist(
    owner: Api, world: World, foreign: dict[str, int], api_deps: Deps
) -> None:
    kind_id = owner.get("/credential-types?name=machine").get_json()["items"][0]["id"]
    before, asked = rows(api_deps), 0
    for path, body in bodies(world, kind_id).items():
        for field in body.keys() & foreign.keys():
            for wrong in (foreign[field], 10**15):
                answer = owner.post(path, {**body, field: wrong})
                problem = assert_refused(answer, (path, field))
                assert problem["status"] == 422, (path, field, problem)
                assert problem["errors"][0]["pointer"] == f"/{field}", (path, field, problem)
                assert (
                    problem["errors"][0]["detail"]
                    .replace(str(wrong), "N")
                    .startswith(
                        f"{field.removesuffix('_id').replace('_', ' ')} N does not exist or is not visible"
                    )
                ), (path, field, problem)
                assert FOREIGN not in answer.get_data(as_text=True)
                asked += 1
    assert asked > 20
    assert rows(api_deps) == before


def test_foreign_paths_and_filters_say_nothing(owner: Api, foreign: dict[str, int], api_deps: Deps) -> None:
    before = rows(api_deps)
    for name, row_id in foreign.items():
        base = "/" + name.removesuffix("_id").replace("_", "-").replace("inventory", "inventorie") + "s"
        for method in ("GET", "PATCH", "DELETE"):
            answer = owner.call(method, f"{base}/{row_id}", {} if method == "PATCH" else None)
            missing = owner.call(method, f"{base}/{10**15}", {} if method == "PATCH" else None)
            assert answer.status_code == missing.status_code == 404, (method, name)
            told, of_missing = answer.get_json()["detail"], missing.get_json()["detail"]
            assert told.replace(str(row_id), "N") == of_missing.replace(str(10**15), "N")
        for path in ("/jobs", "/job-templates", "/inventories", "/projects", "/credentials", "/teams"):
            answer = owner.get(path, query_string={name: row_id})
            assert answer.status_code in (200, 422), (path, name)
            assert FOREIGN not in answer.get_data(as_text=True), (path, name)
            assert answer.get_json().get("total", 0) == 0, (path, name)
    for path in ("/jobs", "/inventories", "/credentials", "/users", "/organizations", "/activity", "/teams"):
        assert FOREIGN not in owner.get(path).get_data(as_text=True), path
    assert rows(api_deps) == before


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def test_any_json_at_any_operation(admin: Api, world: World) -> None:
    """Whole bodies, and one field of a good body, replaced by anything."""
    good = bodies(world, 1) | {f"/organizations/{world.organization_id}": {}, "/users": {"username": "x"}}

    @settings(
        max_examples=60,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(sorted(good)), st.text(max_size=4) | st.none(), JSON, st.integers(0, 20))
    def ask(path: str, extra: str | None, value: Any, place: int) -> None:
        body: Any = value
        if extra is not None:
            fields = sorted(good[path]) or [extra]
            body = {**good[path], fields[place % len(fields)]: value}
        method = "PATCH" if path.startswith("/organizations/") else "POST"
        answer = admin.call(method, path, data=json.dumps(body), content_type="application/json")
        assert answer.status_code < 500, (path, body)
        if answer.status_code >= 400:
            assert_refused(answer, (path, body))

    ask()
