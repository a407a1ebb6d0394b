"""ETags over the representation itself: whatever a client can see of a resource is in its tag."""

import json
from hashlib import sha256
from typing import Any

import marshmallow as ma
from drover_shared.domain.errors import PreconditionFailedError
from flask import Response, request
from werkzeug.http import quote_etag


def tag_of(document: Any) -> str:
    """The unquoted ETag of a JSON document."""
    return sha256(json.dumps(document, sort_keys=True, default=str).encode()).hexdigest()[:32]


def detail(
    schema: ma.Schema, item: Any, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """`item` through `schema` with its ETag; 304 without a body for a GET whose `If-None-Match` fits."""
    document = schema.dump(item)
    tag = tag_of(document)
    all_headers = {"ETag": quote_etag(tag), **(headers or {})}
    if request.method in ("GET", "HEAD") and request.if_none_match.contains_weak(tag):
        return Response(status=304, headers=all_headers)
    return Response(json.dumps(document), status, all_headers, mimetype="application/json")


def check_if_match(document: Any) -> None:
    """Raise PreconditionFailedError where `If-Match` is given and names another state than `document`."""
    if request.if_match and not request.if_match.contains(tag_of(document)):
        raise PreconditionFailedError("the resource has changed since it was read")
