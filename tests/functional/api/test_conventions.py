"""Conventions: problems, strict bodies, merge patch, ETags, pages, authentication."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from drover_api.access.throttle import MAX_FAILURES, WINDOW_SECONDS, LoginThrottle
from drover_api.app import create_app
from drover_api.deps import Deps
from drover_api.http.limits import MAX_BODY_BYTES
from drover_shared.clock import SystemClock
from drover_shared.domain.errors import ThrottledError
from drover_shared.queue import quick_client
from flask import Flask
from support.api import ADMIN_PASSWORD, Api, token_for


def login(app: Flask, password: str = ADMIN_PASSWORD, body: Any = None, user: str = "admin") -> Any:
    return app.test_client().post("/api/v1/tokens", auth=(user, password), json=body or {})


def test_a_token_is_made_by_password_used_and_revoked(api_app: Flask, admin: Api) -> None:
    made = login(api_app, body={"description": "laptop", "scope": "read"})
    assert made.status_code == 201
    token = made.get_json()
    assert made.headers["Location"] == f"/api/v1/tokens/{token['id']}"
    reader = Api(api_app.test_client(), token["token"])
    assert reader.get("/me").get_json()["username"] == "admin"
    assert reader.post("/organizations", {"name": "x"}).status_code == 403
    listed = admin.get(f"/tokens/{token['id']}").get_json()
    assert "token" not in listed
    assert listed["last_used_at"] is not None
    assert admin.delete(f"/tokens/{token['id']}").status_code == 204
    assert reader.get("/me").status_code == 401


def test_who_is_not_known_learns_nothing(api_app: Flask, anonymous: Api, api_deps: Deps) -> None:
    for answer in (
        anonymous.get("/me"),
        Api(api_app.test_client(), "drv_unknown").get("/me"),
        anonymous.get("/me", headers={"Authorization": "Basic " + base64.b64encode(b"admin:x").decode()}),
        login(api_app, "wrong"),
        login(api_app, user="nobody"),
        login(api_app, user="no\x00body"),
        login(api_app, body={"expires_at": "2020-01-01T00:00:00Z"}),
    ):
        assert answer.status_code in (401, 422), answer.get_json()
        assert answer.content_type == "application/problem+json"
    expired = token_for(api_deps, "late", expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert Api(api_app.test_client(), expired).get("/me").status_code == 401


def test_guessing_passwords_is_slowed_down(api_app: Flask) -> None:
    for _ in range(MAX_FAILURES):
        assert login(api_app, "wrong").status_code == 401
    throttled = login(api_app)
    assert throttled.status_code == 429
    assert 0 < int(throttled.headers["Retry-After"]) <= 61
    assert login(api_app, user="somebody-else").status_code == 401


def test_guesses_are_counted_by_all_processes_together(redis_url: str) -> None:
    one, other = (LoginThrottle(SystemClock(), quick_client(redis_url)) for _ in range(2))
    guessed, elsewhere = ("admin", "192.0.2.1"), ("admin", "192.0.2.2")
    for _ in range(MAX_FAILURES):
        other.check(guessed)
        one.failed(guessed)
    with pytest.raises(ThrottledError) as refused:
        other.check(guessed)
    assert 0 < refused.value.retry_after <= WINDOW_SECONDS + 1
    other.check(elsewhere)
    one.succeeded(guessed)
    other.check(guessed)


def test_guesses_behind_a_proxy_lock_out_nobody_else(api_deps: Deps) -> None:
    settings = replace(api_deps.settings, trusted_proxies=1)
    app = create_app(replace(api_deps, settings=settings))

    def login_from(address: str, password: str) -> int:
        headers = {"X-Forwarded-For": f"203.0.113.9, {address}"}
        answer = app.test_client().post("/api/v1/tokens", auth=("admin", password), json={}, headers=headers)
        return answer.status_code

    for _ in range(MAX_FAILURES):
        assert login_from("192.0.2.1", "wrong") == 401
    assert login_from("192.0.2.1", ADMIN_PASSWORD) == 429
    assert login_from("192.0.2.2", ADMIN_PASSWORD) == 201


BODIES: list[tuple[bytes, str, int, str | None]] = [
    (b"{", "application/json", 400, None),
    (b"", "application/json", 400, None),
    (b"\xff{}", "application/json", 400, None),
    (b'{"name": NaN}', "application/json", 400, None),
    (b'{"name": 1e999}', "application/json", 400, None),
    (b"[" * 100_000, "application/json", 400, None),
    (b'{"name": ' + b"9" * 5000 + b"}", "application/json", 400, None),
    (b"\xef\xbb\xbf{}", "application/json", 400, None),
    ('{"name": "x"}'.encode("utf-16"), "application/json", 400, None),
    (b'{"a":' * 100_000, "application/json", 400, None),
    (b'{"name": "x"}', "application/json; charset=utf-16", 415, None),
    (b'{"name": "x"}', "application/json, text/plain", 415, None),
    (b'{"name": "x"}', "", 415, None),
    (b'{"name": "x", "name": "y"}', "application/json", 422, "/name"),
    (b'{"name": {"a": 1, "a": 1}}', "application/json", 422, "/name/a"),
    (b'{"name": "x"}', "text/plain", 415, None),
    (b"name=x", "application/x-www-form-urlencoded", 415, None),
    (b"[]", "application/json", 422, ""),
    (b"null", "application/json", 422, ""),
    (b"{}", "application/json", 422, "/name"),
    (b'{"name": "x", "a/b": 1}', "application/json", 422, "/a~1b"),
    (b'{"name": "a\\u0000b"}', "application/json", 422, "/name"),
    (b'{"name": "\\ud800"}', "application/json", 422, "/name"),
    (b'{"name": "   "}', "application/json", 422, "/name"),
    (b'{"name": 1}', "application/json", 422, "/name"),
    (b'{"name": "' + b"x" * 600 + b'"}', "application/json", 422, "/name"),
    (b'{"name": ' + b"[" * 150 + b"]" * 150 + b"}", "application/json", 422, "/name" + "/0" * 100),
]


def test_bodies_are_taken_strictly(admin: Api) -> None:
    for raw, content_type, status, pointer in BODIES:
        answer = admin.post("/organizations", data=raw, content_type=content_type)
        assert answer.status_code == status, (raw[:50], answer.get_data(as_text=True)[:300])
        assert answer.content_type == "application/problem+json"
        problem = answer.get_json()
        assert problem["status"] == status
        assert problem["request_id"] == answer.headers["X-Request-Id"]
        if pointer is not None:
            assert pointer in [error["pointer"] for error in problem["errors"]], raw[:50]
    assert admin.get("/organizations").get_json()["total"] == 0


def test_errors_of_the_framework_are_problems_too(admin: Api) -> None:
    wrong_method = admin.put("/organizations")
    assert wrong_method.status_code == 405
    assert "POST" in wrong_method.headers["Allow"]
    too_large = admin.post(
        "/organizations", data=b"x" * (MAX_BODY_BYTES + 1), content_type="application/json"
    )
    assert too_large.status_code == 413
    for path in ("/organizations/0", "/organizations/99999999999999999999", "/organizations/x"):
        assert admin.get(path).status_code == 404
    assert admin.get(f"/organizations/{2**63 - 1}").status_code == 404
    for answer in (wrong_method, too_large):
        assert answer.content_type == "application/problem+json"


def test_what_breaks_is_logged_and_told_by_its_id_alone(
    api_app: Flask, admin: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> str:
        raise RuntimeError("secret detail")

    monkeypatch.setitem(api_app.view_functions, "organizations.list_organizations", broken)
    answer = admin.get("/organizations")
    assert answer.status_code == 500
    assert answer.content_type == "application/problem+json"
    assert "secret detail" not in answer.get_data(as_text=True)


def test_odd_queries_are_refused(admin: Api) -> None:
    for name, value in (
        ("limit", "0"), ("limit", "201"), ("limit", "x"), ("limit", "1_0"), ("limit", "%D9%A1"),
        ("offset", "-1"), ("offset", str(2**63)), ("order_by", "password"), ("order_by", "-"),
        ("nope", "1"), ("name", "%00"),
    ):  # fmt: skip
        answer = admin.get(f"/organizations?{name}={value}")
        assert answer.status_code == 422, (name, value)
        assert answer.get_json()["errors"][0]["pointer"] == name


def test_pages_link_to_each_other(admin: Api) -> None:
    for n in range(5):
        admin.make("/organizations", name=f"org {n}")
    page = admin.get("/organizations?limit=2&offset=2&order_by=-name&name=org")
    assert [item["name"] for item in page.get_json()["items"]] == ["org 2", "org 1"]
    assert page.headers["Link"] == ", ".join(
        f'</api/v1/organizations?order_by=-name&name=org&limit=2&offset={offset}>; rel="{rel}"'
        for rel, offset in (("first", 0), ("prev", 0), ("next", 4), ("last", 4))
    )
    assert admin.get(f"/organizations?offset={2**63 - 1}").get_json()["items"] == []


def test_etags_keep_two_writers_apart(admin: Api) -> None:
    made = admin.post("/organizations", {"name": "Acme"})
    path = f"/organizations/{made.get_json()['id']}"
    tag = made.headers["ETag"]
    assert admin.get(path).headers["ETag"] == tag
    assert admin.get(path, headers={"If-None-Match": tag}).status_code == 304
    first = admin.patch(path, {"description": "one"}, headers={"If-Match": tag})
    assert first.status_code == 200
    stale = admin.patch(path, {"description": "two"}, headers={"If-Match": tag})
    assert stale.status_code == 412
    assert admin.delete(path, headers={"If-Match": tag}).status_code == 412
    assert admin.get(path).get_json()["description"] == "one"
    assert admin.patch(path, {"description": "three"}, headers={"If-Match": "*"}).status_code == 200
    assert admin.delete(path, headers={"If-Match": admin.get(path).headers["ETag"]}).status_code == 204


def test_a_patch_names_what_it_does_not_know(admin: Api) -> None:
    path = f"/organizations/{admin.make('/organizations', name='Acme')['id']}"
    for patch, pointer in (
        ({"nope": None}, "/nope"),
        ({"id": 5}, "/id"),
        ({"name": None}, "/name"),
        ([], ""),
        ({"name": ["x"]}, "/name"),
    ):
        answer = admin.patch(path, patch)
        assert answer.status_code == 422, patch
        assert answer.get_json()["errors"][0]["pointer"] == pointer
    assert admin.patch(path, data=json.dumps({}), content_type="text/plain").status_code == 415


def test_a_name_is_taken_once(admin: Api) -> None:
    admin.make("/organizations", name="Acme")
    answer = admin.post("/organizations", {"name": "Acme"})
    assert answer.status_code == 409
    assert "exists already" in answer.get_json()["detail"]


def test_answers_keep_browsers_safe(anonymous: Api) -> None:
    headers = anonymous.get("/openapi.json").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in headers
    page = anonymous.get("/docs/docs.js")
    assert page.status_code == 200
    assert anonymous.get("/docs/../app.py").status_code == 404
