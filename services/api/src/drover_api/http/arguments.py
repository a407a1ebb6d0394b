"""Bodies and query strings through marshmallow: what is wrong is an `InvalidError` with JSON pointers."""

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import marshmallow as ma
from drover_shared.domain.errors import FieldError, InvalidError
from flask import Request
from webargs.flaskparser import FlaskParser
from werkzeug.datastructures import MultiDict

from drover_api.http.body import json_body, pointer_token, text_fault


def field_errors(messages: Any, pointer: str = "") -> Iterator[FieldError]:
    """Marshmallow's nested messages as one error a message; `_schema` stands for its parent."""
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            # `key`/`value` wrap what is wrong inside of a Dict field
            path = pointer if key == "_schema" else f"{pointer}/{pointer_token(key)}"
            yield from field_errors(inner, path)
    elif isinstance(messages, (list, tuple)):
        for message in messages:
            yield from field_errors(message, pointer)
    else:
        yield FieldError(pointer, str(messages))


def load(schema: ma.Schema, document: Any) -> Any:
    """`document` through `schema`; raises InvalidError with a pointer a wrong field."""
    try:
        return schema.load(document)
    except ma.ValidationError as error:
        raise InvalidError(*field_errors(_messages(error))) from None


def _messages(error: ma.ValidationError) -> Any:
    return error.normalized_messages()  # type: ignore[no-untyped-call]  # marshmallow left it untyped


class Parser(FlaskParser):
    """Strict: unknown fields and unknown query parameters are refused."""

    DEFAULT_UNKNOWN_BY_LOCATION = {"query": ma.RAISE, "json": ma.RAISE}  # noqa: RUF012 - webargs reads the class

    def load_json(self, req: Request, _schema: ma.Schema) -> Any:
        return json_body(req)

    def load_querystring(self, req: Request, schema: ma.Schema) -> Any:
        _refuse_odd_query(req.args)
        return super().load_querystring(req, schema)

    def handle_error(self, error: ma.ValidationError, *_args: Any, **_kwargs: Any) -> NoReturn:
        location, messages = next(iter(_messages(error).items()))
        if location == "json":
            raise InvalidError(*field_errors(messages))
        raise InvalidError(*(FieldError(e.pointer.lstrip("/"), e.detail) for e in field_errors(messages)))


def _refuse_odd_query(args: "MultiDict[str, str]") -> None:
    for name, values in args.lists():
        if fault := next(filter(None, map(text_fault, (name, *values))), None):
            raise InvalidError(FieldError(name.replace("\x00", ""), fault))
        if len(values) > 1:
            raise InvalidError(FieldError(name, "is given more than once"))
