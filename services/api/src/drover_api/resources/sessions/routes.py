"""/session: a browser logs in, asks who it is, and logs out."""

from datetime import datetime
from http import HTTPStatus
from typing import Any

from drover_shared.domain.errors import NotFoundError
from flask import Response, request

from drover_api.access import sessions
from drover_api.access.authenticate import authenticate_password
from drover_api.access.principal import current_principal
from drover_api.activity import record
from drover_api.deps import deps
from drover_api.http.blueprint import PREFIX, ApiBlueprint, PublicBlueprint
from drover_api.http.etags import detail
from drover_api.http.fields import instance
from drover_api.http.unit import session
from drover_api.resources.sessions.schemas import LoginSchema, SessionSchema
from drover_api.resources.users.service import Users

login = ApiBlueprint("session-login", __name__, url_prefix=PREFIX, description="A browser logs in")
blp = PublicBlueprint("session", "The browser's own session")
BLUEPRINTS = (login, blp)


@login.post("/session")
@login.doc(security=[])
@login.arguments(LoginSchema)
@login.response(HTTPStatus.CREATED, SessionSchema)
def create_session(body: dict[str, Any]) -> Response:
    """Log in from a browser

    The answer sets an HttpOnly cookie. Requests that change something send `csrf_token` as `X-CSRF-Token`.
    """
    principal = authenticate_password(session(), body["username"], body["password"])
    secret, expires_at = sessions.begin(session(), principal.user_id, deps().clock.now())
    record(session(), principal, "login", "user", principal.user_id)
    answer = detail(instance(SessionSchema), _document(secret, expires_at), HTTPStatus.CREATED)
    sessions.set_cookie(answer, secret, secure=request.is_secure)
    return answer


@blp.get("/session")
@blp.response(HTTPStatus.OK, SessionSchema)
def get_session() -> Response:
    """Read the browser's session, and its CSRF token; 404 with a bearer token"""
    secret = request.cookies.get(sessions.COOKIE, "")
    found = sessions.find_session(session(), secret) if "Authorization" not in request.headers else None
    if found is None:
        raise NotFoundError("this request belongs to no session")
    return detail(instance(SessionSchema), _document(secret, found[0].expires_at))


@blp.delete("/session")
@blp.response(HTTPStatus.NO_CONTENT)
def delete_session() -> Response:
    """Log out: the session ends, and the cookie goes"""
    if "Authorization" not in request.headers:
        sessions.end(session(), request.cookies.get(sessions.COOKIE, ""))
    answer = Response(status=HTTPStatus.NO_CONTENT)
    sessions.forget_cookie(answer)
    return answer


def _document(secret: str, expires_at: datetime) -> dict[str, Any]:
    principal = current_principal()
    return {
        "user": Users().get(session(), principal, principal.user_id),
        "csrf_token": sessions.csrf_token(secret),
        "expires_at": expires_at,
    }
