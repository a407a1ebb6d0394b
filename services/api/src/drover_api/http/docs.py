"""The OpenAPI document's frame, and a docs page that needs no internet."""

from pathlib import Path
from typing import Any

from flask import Blueprint, Response, send_from_directory

from drover_api.http.blueprint import PREFIX
from drover_api.http.fields import JsonObject, StrictBoolean, StrictInteger, Timestamp
from drover_api.http.pages import QueryBoolean, QueryInteger

STATIC = Path(__file__).parent.parent / "static"

SPEC_OPTIONS: dict[str, Any] = {
    "info": {
        "description": (
            "Runs Ansible for teams. Times are RFC 3339 in UTC. Errors are RFC 9457 problem details. "
            "PATCH is a JSON Merge Patch; a detail has an ETag, which `If-Match` on PATCH and DELETE honours."
            " With a session's cookie, what changes something also needs `X-CSRF-Token`."
        ),
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    },
    "servers": [{"url": "/"}],
    "security": [{"token": []}, {"session": []}],
    "components": {
        "securitySchemes": {
            "token": {
                "type": "http",
                "scheme": "bearer",
                "description": "A personal access token; one of scope `read` may only read",
            },
            "password": {"type": "http", "scheme": "basic", "description": "A user's name and password"},
            "session": {
                "type": "apiKey",
                "in": "cookie",
                "name": "drover_session",
                "description": "A browser that has logged in; what changes something needs X-CSRF-Token too",
            },
            "registration": {
                "type": "http",
                "scheme": "bearer",
                "description": "DROVER_REGISTRATION_TOKEN: lets an executor make itself known",
            },
            "executor": {
                "type": "http",
                "scheme": "bearer",
                "description": "From its registration: an executor, for itself and to claim runs",
            },
            "run": {
                "type": "http",
                "scheme": "bearer",
                "description": "From a claim: this one attempt, while it is live",
            },
        },
    },
}

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'"
)

blp = Blueprint("docs", __name__, url_prefix=PREFIX)


@blp.get("/docs")
def docs_page() -> Response:
    return _asset("docs.html")


@blp.get("/docs/<path:name>")
def docs_asset(name: str) -> Response:
    return _asset(name)


def _asset(name: str) -> Response:
    response = send_from_directory(STATIC, name)
    response.headers["Content-Security-Policy"] = _PAGE_POLICY
    return response


def register_fields(api: Any) -> None:
    """Tell the document what our own fields are."""
    api.register_field(Timestamp, "string", "date-time")
    api.register_field(JsonObject, "object", None)
    for kind in (StrictInteger, QueryInteger):
        api.register_field(kind, "integer", None)
    for truth in (StrictBoolean, QueryBoolean):
        api.register_field(truth, "boolean", None)
