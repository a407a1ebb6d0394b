"""The API in this process over the test's own servers, and clients that speak as different users."""

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any

import pytest
from cryptography.fernet import Fernet
from drover_api.access.passwords import hash_password
from drover_api.app import bind, create_app
from drover_api.bootstrap import ensure_built_ins
from drover_api.deps import Deps, make_deps
from drover_api.settings import ApiSettings
from drover_shared.db.models import Token, User
from drover_shared.ids import new_token, token_hash
from drover_shared.settings import S3Settings
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

ADMIN_PASSWORD = "correct horse battery staple"
REGISTRATION_TOKEN = "registration-token-of-tests"


@pytest.fixture
def api_settings(database_url: str, redis_url: str, s3: S3Settings) -> ApiSettings:
    return ApiSettings(
        database_url=database_url,
        redis_url=redis_url,
        s3=s3,
        secret_keys=(f"k1:{Fernet.generate_key().decode()}",),
        registration_token=REGISTRATION_TOKEN,
        threads=8,
        live_readers=4,
    )


@cache
def _admin_hash() -> str:
    """Once a run: the hash is slow on purpose."""
    return hash_password(ADMIN_PASSWORD)


@pytest.fixture
def api_deps(api_settings: ApiSettings) -> Iterator[Deps]:
    """Dependencies over a database that has been set up as by `create-admin`."""
    deps = make_deps(api_settings)
    with deps.sessions.begin() as db:
        ensure_built_ins(db)
        db.add(User(username="admin", password_hash=_admin_hash(), is_superuser=True))
    yield deps
    deps.close()


_apps: dict[tuple[object, ...], Flask] = {}


@pytest.fixture
def api_app(api_deps: Deps) -> Flask:
    """The application over this test's dependencies; its routes and schemas are put together once a run."""
    kept = (api_deps.settings.cors_origins, api_deps.settings.trusted_proxies)
    if kept not in _apps:
        _apps[kept] = create_app(api_deps)
    bind(_apps[kept], api_deps)
    return _apps[kept]


class Api:
    """A client with a bearer token; bodies are JSON, paths start after /api/v1."""

    def __init__(self, client: FlaskClient, token: str | None, prefix: str = "/api/v1") -> None:
        self._client = client
        self.token = token
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._prefix = prefix

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> TestResponse:
        headers = {**self._headers, **options.pop("headers", {})}
        if body is not None:
            options["json"] = body
        return self._client.open(self._prefix + path, method=method, headers=headers, **options)

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.call("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> TestResponse:
        return self.call("POST", path, body, **options)

    def put(self, path: str, body: Any = None, **options: Any) -> TestResponse:
        return self.call("PUT", path, body, **options)

    def patch(self, path: str, body: Any = None, **options: Any) -> TestResponse:
        return self.call("PATCH", path, body, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        return self.call("DELETE", path, **options)

    def make(self, path: str, **body: Any) -> dict[str, Any]:
        """POST that must answer 201; returns the new resource."""
        answer = self.post(path, body)
        assert answer.status_code == 201, answer.get_data(as_text=True)
        made: dict[str, Any] = answer.get_json()
        return made


def token_for(deps: Deps, username: str, scope: str = "write", expires_at: datetime | None = None) -> str:
    """A token of a user, who is made where there is none of that name."""
    token = new_token("drv")
    with deps.sessions.begin() as db:
        user_id = _user_id(db, username)
        db.add(Token(user_id=user_id, token_hash=token_hash(token), scope=scope, expires_at=expires_at))
    return token


def _user_id(db: Session, username: str) -> int:
    user = db.query(User).filter_by(username=username).one_or_none()
    if user is None:
        user = User(username=username)
        db.add(user)
        db.flush()
    return user.id


@pytest.fixture
def admin(api_app: Flask, api_deps: Deps) -> Api:
    """The API as the superuser `admin`."""
    return Api(api_app.test_client(), token_for(api_deps, "admin"))


@pytest.fixture
def anonymous(api_app: Flask) -> Api:
    return Api(api_app.test_client(), None)
