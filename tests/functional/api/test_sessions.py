"""A browser's session: its cookie, its CSRF token, its end; and how often a token may ask."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from drover_api.access.rate import BURST_SECONDS, RateLimit
from drover_api.app import create_app
from drover_api.deps import Deps
from drover_shared.clock import FakeClock
from drover_shared.db.models import BrowserSession
from drover_shared.domain.errors import ThrottledError
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, update
from support.api import ADMIN_PASSWORD, Api, token_for

SESSION = "/api/v1/session"
LOGIN = {"username": "admin", "password": ADMIN_PASSWORD}


@pytest.fixture
def browser(api_app: Flask) -> FlaskClient:
    return api_app.test_client()


def test_a_browser_logs_in_works_and_logs_out(browser: FlaskClient) -> None:
    answer = browser.post(SESSION, json=LOGIN)
    assert answer.status_code == 201
    assert answer.get_json()["user"]["username"] == "admin"
    cookie = answer.headers["Set-Cookie"]
    for part in ("HttpOnly", "SameSite=Lax", "Path=/api/v1", "Max-Age=43200"):
        assert part in cookie
    assert "Secure" not in cookie
    csrf = {"X-CSRF-Token": answer.get_json()["csrf_token"]}

    assert browser.get("/api/v1/me").get_json()["username"] == "admin"
    assert browser.get(SESSION).get_json()["csrf_token"] == csrf["X-CSRF-Token"]
    body = {"name": "Acme"}
    for headers in ({}, {"X-CSRF-Token": "guess"}, {"X-CSRF-Token": "gu\u00e9ss"}):
        refused = browser.post("/api/v1/organizations", json=body, headers=headers)
        assert refused.status_code == 403
        assert refused.content_type == "application/problem+json"
    assert browser.post("/api/v1/organizations", json=body, headers=csrf).status_code == 201

    assert browser.delete(SESSION).status_code == 403
    kept = browser.get_cookie("drover_session", path="/api/v1")
    assert kept is not None
    assert browser.delete(SESSION, headers=csrf).status_code == 204
    assert browser.get_cookie("drover_session", path="/api/v1") is None
    browser.set_cookie("drover_session", kept.value, path="/api/v1")
    assert browser.get("/api/v1/me").status_code == 401


def test_over_https_the_cookie_is_secure(browser: FlaskClient) -> None:
    answer = browser.post(SESSION, json=LOGIN, base_url="https://drover.example.com")
    assert "Secure" in answer.headers["Set-Cookie"]


def test_wrong_passwords_and_odd_bodies(browser: FlaskClient) -> None:
    assert browser.post(SESSION, json={**LOGIN, "password": "wrong"}).status_code == 401
    assert browser.post(SESSION, json={"username": "nobody", "password": "wrong"}).status_code == 401
    assert browser.post(SESSION, json={"username": "admin"}).status_code == 422
    assert browser.post(SESSION, data=LOGIN).status_code == 415
    browser.set_cookie("drover_session", "drses_unknown", path="/api/v1")
    assert browser.get("/api/v1/me").status_code == 401


def test_a_session_ends_with_its_time_and_with_its_password(
    browser: FlaskClient, api_deps: Deps, admin: Api
) -> None:
    browser.post(SESSION, json=LOGIN)
    with api_deps.sessions.begin() as db:
        db.execute(update(BrowserSession).values(expires_at=func.now() - timedelta(seconds=1)))
    assert browser.get("/api/v1/me").status_code == 401
    browser.post(SESSION, json=LOGIN)
    me = admin.get("/me").get_json()["id"]
    assert admin.patch(f"/users/{me}", {"password": "another password"}).status_code == 200
    assert browser.get("/api/v1/me").status_code == 401


def test_a_bearer_token_is_no_session_and_needs_no_csrf_token(admin: Api) -> None:
    assert admin.get("/session").status_code == 404
    assert admin.post("/organizations", {"name": "Acme"}).status_code == 201


def test_no_other_origin_is_let_in(browser: FlaskClient) -> None:
    browser.post(SESSION, json=LOGIN)
    preflight = browser.options(
        "/api/v1/organizations",
        headers={"Origin": "https://evil.example.com", "Access-Control-Request-Method": "POST"},
    )
    read = browser.get("/api/v1/me", headers={"Origin": "https://evil.example.com"})
    for answer in (preflight, read):
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control-")]


def test_an_origin_that_the_operator_names_is_let_in_without_cookies(api_deps: Deps) -> None:
    origin = "https://console.example.com"
    app = create_app(replace(api_deps, settings=replace(api_deps.settings, cors_origins=(origin,))))
    asks = {"Origin": origin, "Access-Control-Request-Method": "PATCH"}
    preflight = app.test_client().options("/api/v1/organizations/1", headers=asks)
    assert preflight.status_code == 204
    assert "PATCH" in preflight.headers["Access-Control-Allow-Methods"]
    token = {"Authorization": f"Bearer {token_for(api_deps, 'admin')}"}
    read = app.test_client().get("/api/v1/me", headers={"Origin": origin, **token})
    assert (read.status_code, read.headers["Access-Control-Allow-Origin"]) == (200, origin)
    other = app.test_client().get("/api/v1/me", headers={"Origin": "https://evil.example.com", **token})
    assert "Origin" in other.headers["Vary"]
    for answer in (preflight, read, other):
        assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Access-Control-Allow-Origin" not in other.headers


def test_a_token_that_asks_too_often_waits(api_deps: Deps) -> None:
    app = create_app(replace(api_deps, settings=replace(api_deps.settings, requests_per_second=1)))
    busy, other = (Api(app.test_client(), token_for(api_deps, "admin")) for _ in range(2))
    answers = [busy.get("/me") for _ in range(BURST_SECONDS + 5)]
    throttled = [answer for answer in answers if answer.status_code == 429]
    assert throttled
    assert int(throttled[0].headers["Retry-After"]) >= 1
    assert throttled[0].content_type == "application/problem+json"
    assert other.get("/me").status_code == 200


def test_a_bucket_refills_at_its_rate() -> None:
    clock = FakeClock(datetime(2026, 1, 1, tzinfo=UTC))
    limit = RateLimit(clock, 2)
    for _ in range(2 * BURST_SECONDS):
        limit.take(b"one")
    with pytest.raises(ThrottledError):
        limit.take(b"one")
    limit.take(b"two")
    clock.advance(1)
    limit.take(b"one")
    limit.take(b"one")
    with pytest.raises(ThrottledError):
        limit.take(b"one")
    for _ in range(1000):
        RateLimit(clock, 0).take(b"one")
