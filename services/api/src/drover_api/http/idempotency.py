"""`Idempotency-Key`: key, body hash and response live in the same transaction as what they answer for."""

from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from functools import wraps
from hashlib import sha256
from typing import Any, TypeVar, cast

from drover_shared.db.models import IdempotencyKey
from drover_shared.domain.errors import FieldError, InvalidError
from flask import Response, current_app, jsonify, request
from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert

from drover_api.access.principal import current_principal
from drover_api.http.body import text_fault
from drover_api.http.unit import session

HEADER = "Idempotency-Key"
KEPT_HEADERS = ("Location", "Deprecation", "ETag")
KEPT_FOR = timedelta(hours=24)
MAX_KEY_CHARS = 255
View = TypeVar("View", bound=Callable[..., Any])
_PARAMETER = {
    "in": "header",
    "name": HEADER,
    "required": False,
    "description": "A repeat with the same key and body within 24 hours returns the first response",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_CHARS},
}


def idempotent(view: View) -> View:
    """Decorates a view above `arguments` and `response`, below the route.

    A second request with the same key waits for the first one's transaction: the primary key sees to it.
    """

    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        key = request.headers.get(HEADER)
        if key is None:
            return view(*args, **kwargs)
        if not 1 <= len(key) <= MAX_KEY_CHARS or text_fault(key):
            raise InvalidError(FieldError(HEADER, f"must have 1 to {MAX_KEY_CHARS} characters"))
        return _once(key, lambda: view(*args, **kwargs))

    documented = cast("Any", wrapper)
    documented._apidoc = deepcopy(getattr(wrapper, "_apidoc", {}))  # noqa: SLF001 - flask-smorest's place for docs
    documented._apidoc.setdefault("manual_doc", {}).setdefault("parameters", []).append(_PARAMETER)  # noqa: SLF001
    return cast("View", wrapper)


def _body_hash() -> bytes:
    line = f"{request.method} {request.path}\n".encode()
    return sha256(line + request.get_data(cache=True)).digest()


def _once(key: str, answer: Callable[[], Any]) -> Response:
    user_id, body_hash = current_principal().user_id, _body_hash()
    if not _reserve(user_id, key, body_hash):
        return _replay(user_id, key, body_hash)
    response: Response = current_app.make_response(answer())
    session().execute(
        update(IdempotencyKey)
        .where(IdempotencyKey.user_id == user_id, IdempotencyKey.key == key)
        .values(
            status=response.status_code,
            headers={name: response.headers[name] for name in KEPT_HEADERS if name in response.headers},
            response=response.get_json(),
        )
    )
    return response


def _reserve(user_id: int, key: str, body_hash: bytes) -> bool:
    """Whether this request is the first one with its key, or the first after the old answer expired."""
    row = {"body_hash": body_hash, "status": 0, "headers": {}, "response": None}
    statement = (
        insert(IdempotencyKey)
        .values(user_id=user_id, key=key, **row)
        .on_conflict_do_update(
            index_elements=["user_id", "key"],
            set_={**row, "created_at": func.now()},
            where=IdempotencyKey.created_at < func.now() - KEPT_FOR,
        )
        .returning(IdempotencyKey.key)
    )
    return session().execute(statement).first() is not None


def _replay(user_id: int, key: str, body_hash: bytes) -> Response:
    stored = session().get_one(IdempotencyKey, (user_id, key))
    if bytes(stored.body_hash) != body_hash:
        raise InvalidError(FieldError(HEADER, "was used with another request"))
    response = jsonify(stored.response)
    response.status_code = stored.status
    response.headers.extend({**stored.headers, "Idempotent-Replayed": "true"})
    return response
