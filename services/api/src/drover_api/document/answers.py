"""Which answers an operation may give, from what it takes; and the headers that they carry."""

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

from drover_api.document.operations import Document, Operation

PROBLEM = "application/problem+json"
_STRING = {"type": "string"}
_HEADERS: dict[str, Document] = {
    "X-Request-Id": {"description": "Names this request in the service's log", "schema": _STRING},
    "Retry-After": {"description": "Seconds to wait before trying again", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "How to authenticate", "schema": _STRING},
    "Location": {"description": "The path of what was made", "schema": _STRING},
    "Link": {"description": "RFC 8288: first, prev, next and last page", "schema": _STRING},
    "Idempotent-Replayed": {
        "description": "`true` where this is the stored answer to an earlier request with the same key",
        "schema": {"type": "string", "enum": ["true"]},
    },
}
_ETAG = {"description": "Names this state of the resource", "schema": _STRING}
IF_MATCH = {
    "in": "header",
    "name": "If-Match",
    "required": False,
    "description": "The ETag of the state that this is meant for: 412 where it has changed",
    "schema": _STRING,
}
_IF_NONE_MATCH = {
    "in": "header",
    "name": "If-None-Match",
    "required": False,
    "description": "The ETag of a known state: 304 where it still is the current one",
    "schema": _STRING,
}
_MAY_HAVE_NONE = ("get_session",)  # who comes with a token has no session

WHY: dict[HTTPStatus, str] = {
    HTTPStatus.INTERNAL_SERVER_ERROR: "An unexpected error; its `request_id` finds it",
    HTTPStatus.BAD_REQUEST: "The body is not the JSON that it says to be",
    HTTPStatus.UNAUTHORIZED: "No valid credentials",
    HTTPStatus.FORBIDDEN: "Visible, but this is not allowed",
    HTTPStatus.NOT_FOUND: "Does not exist, or is not visible",
    HTTPStatus.CONFLICT: "The state of the resource, or what refers to it, does not allow this",
    HTTPStatus.GONE: "The attempt is over",
    HTTPStatus.PRECONDITION_FAILED: "`If-Match` names another state than the current one",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body's media type is not taken here",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "The range begins behind the end",
    HTTPStatus.UNPROCESSABLE_ENTITY: "A field, or a parameter, is unknown or invalid: `errors` names it",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests",
    HTTPStatus.SERVICE_UNAVAILABLE: "A service that is needed is not there: try again",
}


def add_conditions(found: Sequence[Operation]) -> None:
    """What has a detail has an ETag, which a change or a deletion may ask for."""
    details = {one.path for one in found if one.method == "get" and one.path.endswith("}")}
    for one in found:
        if one.is_internal or one.path not in details:
            continue
        if one.method == "get":
            one.body["responses"]["200"].setdefault("headers", {})["ETag"] = _ETAG
        elif not one.has("header", "If-Match"):
            one.body["parameters"].append(IF_MATCH)


def add(document: Document, one: Operation) -> None:
    """Name every answer that `one` may give, and the headers of each."""
    if one.is_internal:
        one.body["security"] = [{_token(one): []}]
    responses = one.body["responses"]
    responses.pop("default", None)
    responses.pop("422", None)
    _successes(one, responses)
    for status in sorted(set(_errors(one))):
        responses[str(int(status))] = {"$ref": f"#/components/responses/{status.name}"}
        _component(document, status)
    responses["default"] = {"$ref": "#/components/responses/DEFAULT_ERROR"}
    for status, answer in responses.items():
        if "$ref" not in answer:
            _headers(one, status, answer)


def add_default(document: Document) -> None:
    """What every operation may answer besides, because something broke."""
    answer = document["components"]["responses"]["DEFAULT_ERROR"]
    answer["headers"] = {"X-Request-Id": _HEADERS["X-Request-Id"]}
    answer["content"][PROBLEM]["example"] = problem(HTTPStatus.INTERNAL_SERVER_ERROR)


def _token(one: Operation) -> str:
    """Which of the internal API's tokens it needs."""
    if one.path.endswith("/executors"):
        return "registration"
    return "executor" if "/executors/" in one.path or one.path.endswith("/claim") else "run"


def _errors(one: Operation) -> Iterator[HTTPStatus]:
    yield from (HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE)
    if one.has("path") or one.body["operationId"] in _MAY_HAVE_NONE:
        yield HTTPStatus.NOT_FOUND
    if one.media:
        yield HTTPStatus.BAD_REQUEST
        yield HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        yield HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    if one.media or one.has("query") or one.has("header", "Idempotency-Key"):
        yield HTTPStatus.UNPROCESSABLE_ENTITY
    if one.has("header", "If-Match"):
        yield HTTPStatus.PRECONDITION_FAILED
    if one.method != "get":
        yield HTTPStatus.FORBIDDEN
        yield HTTPStatus.CONFLICT
    if one.is_internal:
        yield HTTPStatus.FORBIDDEN
        yield HTTPStatus.GONE
    else:
        yield HTTPStatus.TOO_MANY_REQUESTS
    if one.path.endswith("/log"):
        yield HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE


def _component(document: Document, status: HTTPStatus) -> None:
    headers = ["X-Request-Id"]
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        headers.append("Retry-After")
    if status is HTTPStatus.UNAUTHORIZED:
        headers.append("WWW-Authenticate")
    media: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": problem(status)}
    document["components"]["responses"][status.name] = {
        "description": WHY[status],
        "headers": {name: _HEADERS[name] for name in headers},
        "content": {PROBLEM: media},
    }


def problem(status: HTTPStatus) -> Document:
    """An example of a problem."""
    body: Document = {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "detail": WHY[status],
        "request_id": "5f0c3bdc808c849aa3ea351f",
    }
    if status is HTTPStatus.UNPROCESSABLE_ENTITY:
        body["errors"] = [{"pointer": "/name", "detail": "Missing data for required field."}]
    return body


def _successes(one: Operation, responses: Document) -> None:
    """A detail with an ETag may be 304, a log may be a part of it."""
    whole = responses.get("200", {})
    if one.method == "get" and "ETag" in whole.get("headers", {}):
        one.body["parameters"].append(_IF_NONE_MATCH)
        responses["304"] = {"description": "Not changed", "headers": {"ETag": whole["headers"]["ETag"]}}


def _headers(one: Operation, status: str, answer: Document) -> None:
    headers = answer.setdefault("headers", {})
    headers["X-Request-Id"] = _HEADERS["X-Request-Id"]
    if status == "201":
        headers.setdefault("Location", _HEADERS["Location"])
    if one.has("header", "Idempotency-Key"):
        headers["Idempotent-Replayed"] = _HEADERS["Idempotent-Replayed"]
    if one.has("query", "offset"):
        headers["Link"] = _HEADERS["Link"]
