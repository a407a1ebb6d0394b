"""From credentials to a principal: a bearer token or a browser's session; a password for making either."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from drover_shared.db.models import Token, User
from drover_shared.domain.errors import ForbiddenError, UnauthenticatedError
from drover_shared.ids import token_hash
from flask import current_app, request
from sqlalchemy import bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from drover_api.access.passwords import verify_password
from drover_api.access.principal import Principal, set_principal
from drover_api.access.rate import RateLimit
from drover_api.access.sessions import COOKIE, check_csrf, find_session
from drover_api.access.throttle import LoginThrottle
from drover_api.deps import deps
from drover_api.http.body import text_fault
from drover_api.http.unit import session

THROTTLE_EXTENSION = "drover-login-throttle"
RATE_EXTENSION = "drover-rate-limit"
LAST_USED_PRECISION = timedelta(minutes=1)  # `last_used_at` is written at most this often
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
# Made once, as every request begins with it.
_TOKEN = (
    select(
        Token.id.label("token_id"),
        Token.scope,
        User.id,
        User.username,
        User.is_superuser,
        User.is_system_auditor,
        (Token.last_used_at > func.now() - LAST_USED_PRECISION).label("used_lately"),
    )
    .join(User, User.id == Token.user_id)
    .where(
        Token.token_hash == bindparam("digest"),
        or_(Token.expires_at.is_(None), Token.expires_at > func.now()),
        User.is_active,
    )
)


def bearer_token() -> str:
    """The token of the `Authorization` header; UnauthenticatedError where there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthenticatedError("a bearer token is required")
    return token.strip()


def require_token() -> None:
    """Before a request: authenticate it, and keep a token of scope `read` from writing."""
    cookie = request.cookies.get(COOKIE)
    if cookie is not None and "Authorization" not in request.headers:
        set_principal(_of_session(session(), cookie))
        return
    principal = _authenticate(session(), bearer_token())
    if principal.scope != "write" and request.method not in _READS:
        raise ForbiddenError("this token's scope is read")
    set_principal(principal)


def _limit(digest: bytes) -> None:
    rate: RateLimit = current_app.extensions[RATE_EXTENSION]
    rate.take(digest)


def _of_session(db: Session, secret: str) -> Principal:
    _limit(token_hash(secret.encode("utf-8", "replace").decode()))
    found = find_session(db, secret)
    if found is None:
        raise UnauthenticatedError("the session is unknown or has ended")
    if request.method not in _READS:
        check_csrf(request, secret)
    return replace(_principal(found[1], "write", None), session_id=found[0].id)


def _authenticate(db: Session, token: str) -> Principal:
    digest = token_hash(token.encode("utf-8", "replace").decode())
    _limit(digest)
    row = db.execute(_TOKEN, {"digest": digest}).first()
    if row is None:
        raise UnauthenticatedError("the token is unknown, expired or revoked")
    if not row.used_lately:
        _note_use(row.token_id)
    return _principal(row, row.scope, row.token_id)


def _note_use(token_id: int) -> None:
    """In a transaction of its own: requests with the same token must not wait for each other's end."""
    with deps().sessions.begin() as db:
        db.execute(update(Token).where(Token.id == token_id).values(last_used_at=func.now()))


def _principal(user: Any, scope: str, token_id: int | None) -> Principal:
    return Principal(
        user_id=user.id,
        username=user.username,
        is_superuser=user.is_superuser,
        is_system_auditor=user.is_system_auditor,
        scope=scope,
        token_id=token_id,
    )


def authenticate_basic(db: Session) -> Principal:
    """The user of the request's HTTP Basic credentials; UnauthenticatedError or ThrottledError."""
    given = request.authorization
    if given is None or given.type != "basic" or given.username is None or given.password is None:
        raise UnauthenticatedError("HTTP Basic credentials are required")
    return authenticate_password(db, given.username, given.password)


def authenticate_password(db: Session, username: str, password: str) -> Principal:
    """The user with this name and password; UnauthenticatedError or ThrottledError."""
    throttle: LoginThrottle = current_app.extensions[THROTTLE_EXTENSION]
    key = (username, request.remote_addr or "")
    throttle.check(key)
    user = None
    if text_fault(username) is None:
        user = db.scalar(select(User).where(User.username == username, User.is_active))
    if not verify_password(user.password_hash if user else None, password) or user is None:
        throttle.failed(key)
        raise UnauthenticatedError("the user name or the password is wrong")
    throttle.succeeded(key)
    principal = _principal(user, "write", None)
    set_principal(principal)
    return principal
