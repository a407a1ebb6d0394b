"""JSON as RFC 8259 and PostgreSQL both take it.

No NaN, no lone surrogate, no NUL, no endless nesting, and no key twice: which one counts is not defined.
"""

import json
import re
from math import isfinite
from typing import Any, NoReturn

from drover_shared.domain.errors import FieldError, InvalidError
from flask import Request, request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

MAX_DEPTH = 100
_SURROGATE = re.compile("[\ud800-\udfff]")


def json_body(req: Request | None = None) -> Any:
    """The request's JSON body. Raises 415 for another media type, 400 for what is not JSON,
    InvalidError for text that cannot be stored.
    """
    req = req or request
    if not (req.mimetype == "application/json" or req.mimetype.endswith("+json")):
        raise UnsupportedMediaType("the body must be application/json")
    if req.mimetype_params.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise UnsupportedMediaType("JSON is UTF-8 (RFC 8259): no other charset is taken")
    if req.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("the body must come without a content encoding")
    return parse_json(raw_body(req))


def raw_body(req: Request) -> bytes:
    """The request's body. Raises 413 also where it came in chunks, which werkzeug just cuts at the limit."""
    raw = req.get_data(cache=True)
    limit = req.max_content_length
    if req.content_length is None and limit is not None and len(raw) >= limit:
        raise RequestEntityTooLarge
    return raw


class _Repeating(dict[str, Any]):
    """An object in which a key stood twice."""

    key = ""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    repeating = _Repeating(made)
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            repeating.key = key
        seen.add(key)
    return repeating


def parse_json(raw: bytes) -> Any:
    """`raw` as JSON; BadRequest says where it is not."""
    try:
        document = json.loads(
            raw.decode(), parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_object
        )
    except UnicodeDecodeError:
        raise BadRequest("the body is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise BadRequest(f"malformed JSON: {error.msg} at line {error.lineno} column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"malformed JSON: {type(error).__name__}: out of range") from None
    refuse_unstorable(document, "")
    return document


def refuse_unstorable(document: Any, pointer: str) -> None:
    """Raise InvalidError at the first text that PostgreSQL cannot hold, or too deep a nesting."""
    if wrong := _first_unstorable(document, pointer, 0):
        raise InvalidError(wrong)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(text)
    return number


def pointer_token(key: object) -> str:
    """`key` as one reference token of a JSON pointer (RFC 6901)."""
    return str(key).replace("~", "~0").replace("/", "~1")


def text_fault(text: str) -> str | None:
    """Why `text` cannot be stored, or None where it can."""
    if "\x00" in text:
        return "must not contain NUL characters"
    if _SURROGATE.search(text):
        return "must not contain lone surrogates"
    return None


def _first_unstorable(value: Any, pointer: str, depth: int) -> FieldError | None:
    if depth > MAX_DEPTH:
        return FieldError(pointer, f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        fault = text_fault(value)
        return FieldError(pointer, fault) if fault else None
    if isinstance(value, _Repeating):
        return FieldError(f"{pointer}/{pointer_token(value.key)}", "is given twice")
    if isinstance(value, dict):
        for key in value:
            if fault := text_fault(key):
                return FieldError(pointer, f"a key {fault}")
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        if found := _first_unstorable(item, f"{pointer}/{pointer_token(key)}", depth + 1):
            return found
    return None
