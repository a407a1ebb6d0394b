"""RFC 9457 problem+json for every error: the one place where errors become HTTP."""

import json
from collections.abc import Iterable
from copy import deepcopy
from http import HTTPStatus
from typing import Any

from drover_shared.domain import errors as domain
from drover_shared.logging import get_logger
from flask import Flask, Response, g, request
from flask_smorest import Api
from marshmallow import fields
from sqlalchemy import exc as sa
from werkzeug.exceptions import HTTPException

from drover_api.document.complete import completed
from drover_api.http.fields import Schema

CONTENT_TYPE = "application/problem+json"
RETRY_SECONDS = 2
_log = get_logger("drover.api")

STATUS: dict[type[domain.DomainError], HTTPStatus] = {
    domain.NotFoundError: HTTPStatus.NOT_FOUND,
    domain.ForbiddenError: HTTPStatus.FORBIDDEN,
    domain.UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    domain.ConflictError: HTTPStatus.CONFLICT,
    domain.GoneError: HTTPStatus.GONE,
    domain.PreconditionFailedError: HTTPStatus.PRECONDITION_FAILED,
    domain.TooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    domain.ThrottledError: HTTPStatus.TOO_MANY_REQUESTS,
    domain.InvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
}

# SQLSTATE classes of PostgreSQL's errors that a request can bring about
_CONFLICTS = {
    "23505": "a resource with this name or key exists already",
    "23503": "a referenced resource is in use, or does not exist",
    "23001": "a referenced resource is in use",
    "23514": "the state of the resource does not allow this",
}
_UNSTORABLE = ("22",)
_RETRY = ("08", "40", "53", "55P03", "57")


class FieldErrorSchema(Schema):
    pointer = fields.String(metadata={"description": "JSON pointer (RFC 6901), or the parameter's name"})
    detail = fields.String()


class ProblemSchema(Schema):
    """RFC 9457 problem details."""

    type = fields.String(metadata={"example": "about:blank"})
    title = fields.String(metadata={"example": "Unprocessable Content"})
    status = fields.Integer(metadata={"example": 422})
    detail = fields.String()
    errors = fields.List(fields.Nested(FieldErrorSchema))
    request_id = fields.String()


def problem(
    status: int,
    detail: str,
    *,
    errors: Iterable[domain.FieldError] = (),
    headers: dict[str, str] | None = None,
) -> Response:
    """A problem+json response; `title` is the status's phrase, so `type` is about:blank."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": _phrase(status),
        "status": status,
        "detail": detail,
        "request_id": g.get("request_id"),
    }
    if listed := [{"pointer": error.pointer, "detail": error.detail} for error in errors]:
        body["errors"] = listed
    return Response(json.dumps(body), status, headers or {}, content_type=CONTENT_TYPE)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def from_domain(error: domain.DomainError) -> Response:
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), HTTPStatus.BAD_REQUEST)
    headers: dict[str, str] = {}
    if isinstance(error, domain.ThrottledError):
        headers["Retry-After"] = str(error.retry_after)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="drover"'
    errors = error.errors if isinstance(error, domain.InvalidError) else ()
    return problem(status, str(error) or status.phrase, errors=errors, headers=headers)


def from_http(error: HTTPException) -> Response:
    """Werkzeug's own errors, with the headers a client needs."""
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    kept = {"Allow", "Retry-After", "Location"}
    headers = {key: value for key, value in error.get_headers(request.environ) if key in kept}
    return problem(status, error.description or "", headers=headers)


def from_database(error: sa.DBAPIError) -> Response:
    """What the database refused: a conflict, a value it cannot hold, or a reason to try again."""
    state = getattr(error.orig, "pgcode", None) or ""
    if state in _CONFLICTS:
        return problem(HTTPStatus.CONFLICT, _CONFLICTS[state])
    if state.startswith(_UNSTORABLE):
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "a value cannot be stored")
    if isinstance(error, sa.OperationalError) or error.connection_invalidated or state.startswith(_RETRY):
        return unavailable(error)
    return unexpected(error)


def unavailable(error: Exception) -> Response:
    """A dependency did not do its work; the client may try again."""
    _log.warning("dependency_failed", error=type(error).__name__)
    detail = "a service this request needs is not available; try again"
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": str(RETRY_SECONDS)})


def unexpected(error: Exception) -> Response:
    """Logged with its trace; the client learns the request id alone."""
    _log.error("request_failed", exc_info=error, path=request.path, method=request.method)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "an unexpected error happened; its request_id finds it")


class ProblemApi(Api):  # type: ignore[misc]  # flask-smorest has no types
    """flask-smorest with problem details as its error responses."""

    ERROR_SCHEMA = ProblemSchema
    _document: str | None = None

    def _register_error_handlers(self) -> None:
        """`register` below handles every error."""

    def _register_responses(self) -> None:
        """The document's error responses, with the media type they really have."""
        self.DEFAULT_RESPONSE_CONTENT_TYPE = CONTENT_TYPE
        super()._register_responses()
        del self.DEFAULT_RESPONSE_CONTENT_TYPE

    def _openapi_json(self) -> Response:
        """The document, made at the first request and then kept."""
        if self._document is None:
            self._document = json.dumps(completed(deepcopy(self.spec.to_dict())), indent=2)
        return Response(self._document, mimetype="application/json")


def register(app: Flask) -> None:
    """Let every error of `app` be answered as problem+json."""
    app.register_error_handler(domain.DomainError, from_domain)
    app.register_error_handler(HTTPException, from_http)
    app.register_error_handler(sa.DBAPIError, from_database)
    app.register_error_handler(sa.TimeoutError, unavailable)
    app.register_error_handler(domain.InfrastructureError, unavailable)
    app.register_error_handler(Exception, unexpected)
