"""Making any JSON fit for PostgreSQL: no NUL, no lone surrogate, no number jsonb cannot hold, no giants."""

from collections.abc import Mapping
from typing import Any

import orjson
from drover_shared.messages.streams import MAX_EVENT_BYTES, MAX_SNIPPET_CHARS

_REPLACEMENT = "\ufffd"
_SMALL_BYTES = 1024
_LOWEST, _HIGHEST = -(2**63), 2**64 - 1  # what orjson writes as an integer


def clean_text(text: str) -> str:
    """`text` with NUL and lone surrogates replaced by U+FFFD; surrogate pairs become their character."""
    paired = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return paired.replace("\x00", _REPLACEMENT)


def clean_json(value: Any) -> Any:
    """`value` with every text in it cleaned, keys too, and enormous integers as text."""
    match value:
        case str():
            return clean_text(value)
        case dict():
            return {clean_text(key): clean_json(item) for key, item in value.items()}
        case list():
            return [clean_json(item) for item in value]
        case int() if not _LOWEST <= value <= _HIGHEST:
            return str(value)
        case _:
            return value


def encode_data(data: Mapping[str, Any]) -> tuple[Mapping[str, Any], bytes]:
    """`data` as PostgreSQL can hold it, and its JSON, cut where that is over MAX_EVENT_BYTES."""
    try:
        encoded = orjson.dumps(data)
    except TypeError:  # a lone surrogate or an enormous integer
        data = clean_json(data)
        encoded = orjson.dumps(data)
    if b"\\u0000" in encoded:
        data = clean_json(data)
        encoded = orjson.dumps(data)
    if len(encoded) > MAX_EVENT_BYTES:
        encoded = orjson.dumps(cut(data))
    return data, encoded


def cut(data: Mapping[str, Any]) -> dict[str, Any]:
    """The small fields of `data` whole, long texts shortened, the rest gone; `truncated` is true."""
    kept: dict[str, Any] = {}
    left = MAX_EVENT_BYTES - _SMALL_BYTES
    for key, value in data.items():
        short = value[:MAX_SNIPPET_CHARS] if isinstance(value, str) else value
        cost = len(orjson.dumps({key: short}))
        if cost <= left and (isinstance(value, str) or cost <= _SMALL_BYTES):
            kept[key] = short
            left -= cost
    return kept | {"truncated": True}
