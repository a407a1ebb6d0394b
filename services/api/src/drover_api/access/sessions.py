"""Sessions of browsers: a cookie that scripts cannot read, and a token that other sites cannot send.

The cookie is HttpOnly and SameSite=Lax. Whatever changes something needs `X-CSRF-Token` too: an HMAC of the
cookie's secret, which only a page of this origin has been told.
"""

import hmac
from datetime import datetime, timedelta

from drover_shared.db.models import BrowserSession, User
from drover_shared.domain.errors import ForbiddenError
from drover_shared.ids import new_token, token_hash
from flask import Request, Response
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

COOKIE = "drover_session"
CSRF_HEADER = "X-CSRF-Token"
LIFETIME = timedelta(hours=12)
_PATH = "/api/v1"
_PREFIX = "drses"
_PURPOSE = b"csrf"


def begin(db: Session, user_id: int, now: datetime) -> tuple[str, datetime]:
    """A new session of a user: its secret, and when it ends."""
    secret, expires_at = new_token(_PREFIX), now + LIFETIME
    db.add(BrowserSession(user_id=user_id, token_hash=token_hash(secret), expires_at=expires_at))
    db.flush()
    return secret, expires_at


def find_session(db: Session, secret: str) -> tuple[BrowserSession, User] | None:
    """The live session with this secret, and its user."""
    digest = token_hash(secret.encode("utf-8", "replace").decode())
    row = db.execute(
        select(BrowserSession, User)
        .join(User, User.id == BrowserSession.user_id)
        .where(BrowserSession.token_hash == digest, BrowserSession.expires_at > func.now(), User.is_active)
    ).first()
    return None if row is None else (row[0], row[1])


def end(db: Session, secret: str) -> None:
    db.execute(delete(BrowserSession).where(BrowserSession.token_hash == token_hash(secret)))


def end_all(db: Session, user_id: int) -> None:
    """As when a password changes: whoever had the old one is out."""
    db.execute(delete(BrowserSession).where(BrowserSession.user_id == user_id))


def csrf_token(secret: str) -> str:
    return hmac.new(secret.encode(), _PURPOSE, "sha256").hexdigest()


def check_csrf(request: Request, secret: str) -> None:
    """Raise ForbiddenError where a page of another origin may have sent this."""
    given = request.headers.get(CSRF_HEADER, "").encode("utf-8", "replace")
    if not hmac.compare_digest(given, csrf_token(secret).encode()):
        raise ForbiddenError(f"{CSRF_HEADER} is missing or wrong")


def set_cookie(response: Response, secret: str, *, secure: bool) -> None:
    response.set_cookie(
        COOKIE,
        secret,
        max_age=int(LIFETIME.total_seconds()),
        path=_PATH,
        secure=secure,
        httponly=True,
        samesite="Lax",
    )


def forget_cookie(response: Response) -> None:
    response.delete_cookie(COOKIE, path=_PATH, httponly=True, samesite="Lax")
