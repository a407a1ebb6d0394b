"""One event as one line of JSON, whatever a module put into it, and never over the limit."""

from typing import Any

import orjson
from drover_shared.messages.streams import MAX_EVENT_BYTES

_TEXT_CHARS = 4096  # what is left of a long text in an event that is too big
_ITEMS = 50  # and of a long list or object
_DEPTH = 6
_ENVELOPE_BYTES = 32 * 1024  # room for names and the snippet beside the data
_INT_LIMIT = 2**63


def encoded(event: dict[str, Any]) -> bytes:
    """The event as a line without its newline; data over `MAX_EVENT_BYTES` is cut and says `truncated`."""
    line = dumps(event)
    if len(line) <= MAX_EVENT_BYTES:
        return line
    data = event["data"]
    for cut in (_cut(data, 0), {key: data[key] for key in ("changed", "ignored", "rc") if key in data}):
        line = dumps({**event, "data": {**cut, "truncated": True}})
        if len(line) <= MAX_EVENT_BYTES - _ENVELOPE_BYTES:
            break
    return line


def dumps(value: Any) -> bytes:
    """JSON of whatever Ansible or a module made; what JSON cannot carry is made readable."""
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        return orjson.dumps(_plain(value))


def _plain(value: Any) -> Any:
    """`value` with what JSON or UTF-8 cannot carry made readable: surrogates, huge numbers, other types."""
    if isinstance(value, str):
        return value.encode(errors="surrogatepass").decode(errors="replace")
    if isinstance(value, dict):
        return {_plain(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, bool | float | None):
        return value
    if isinstance(value, int) and -_INT_LIMIT <= value < _INT_LIMIT:
        return value
    return str(value)


def _cut(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _TEXT_CHARS else value[:_TEXT_CHARS] + "…"
    if isinstance(value, dict | list) and depth >= _DEPTH:
        return "…"
    if isinstance(value, dict):
        return {key: _cut(item, depth + 1) for key, item in list(value.items())[:_ITEMS]}
    if isinstance(value, list):
        return [_cut(item, depth + 1) for item in value[:_ITEMS]]
    return value
