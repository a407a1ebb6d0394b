"""Logs and live streams: what they take and answer besides JSON."""

from drover_api.document.operations import Document, Operation
from drover_api.document.values import EVENT_STREAM, LOG_FORMATS

_TEXT = {"type": "string"}
_JSON = {"type": "object", "properties": {"content": _TEXT}, "required": ["content"]}


def add(one: Operation) -> None:
    """Describe a log's formats and ranges, or an event list's live stream."""
    if one.method != "get":
        return
    if one.path.endswith("/log"):
        _log(one)
    elif one.path.endswith("/events"):
        _stream(one)


def _log(one: Operation) -> None:
    one.body["parameters"].append(
        _header("Range", "One range of bytes, as `bytes=0-1023`; of the format `ansi` alone")
    )
    responses = one.body["responses"]
    responses["200"] = {
        "description": "The whole log in the format asked for",
        "headers": {
            "Accept-Ranges": {"description": "`bytes` where ranges are taken", "schema": _TEXT},
            "Content-Disposition": {"description": "With `download`", "schema": _TEXT},
        },
        "content": {
            kind: {"schema": _JSON if kind == "application/json" else _TEXT, "example": example}
            for kind, example in LOG_FORMATS.items()
        },
    }
    responses["206"] = {
        "description": "The range asked for",
        "headers": {"Content-Range": {"description": "Which bytes of how many", "schema": _TEXT}},
        "content": {"text/plain": {"schema": _TEXT, "example": "PLAY [all]"}},
    }


def _stream(one: Operation) -> None:
    one.body["parameters"].append(
        _header("Last-Event-ID", "In a live stream: the last seq that was received; what follows it comes")
    )
    content: Document = one.body["responses"]["200"]["content"]
    content["text/event-stream"] = {"schema": _TEXT, "example": EVENT_STREAM}


def _header(name: str, description: str) -> Document:
    return {"in": "header", "name": name, "required": False, "description": description, "schema": _TEXT}
