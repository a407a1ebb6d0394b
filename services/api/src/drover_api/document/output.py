"""Logs and live streams: what they take and answer besides JSON."""

from drover_api.document.operations import Document, Operation
from drover_api.document.values import EVENT_STREAM, JOB_STREAM, LOG_FORMATS, LOG_STREAM

_TEXT = {"type": "string"}
_JSON = {"type": "object", "properties": {"content": _TEXT}, "required": ["content"]}


def add(one: Operation) -> None:
    """Describe a log's formats and ranges, and the live streams of logs, events and jobs."""
    if one.method != "get":
        return
    if one.path.endswith("/log"):
        _log(one)
        _stream(one, "the bytes told so far; what follows them comes", LOG_STREAM)
    elif one.path.endswith("/events"):
        _stream(one, "the last seq that was received; what follows it comes", EVENT_STREAM)
    elif one.path.endswith("/jobs/{job_id}"):
        _stream(one, "the ETag of the job as it was received last; the next other one comes", JOB_STREAM)


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
            "Content-Encoding": {"description": "`gzip`: an archive, for who accepts it", "schema": _TEXT},
            "ETag": {"description": "Of a complete log: made of its SHA-256", "schema": _TEXT},
            "Repr-Digest": {"description": "Of a complete log (RFC 9530)", "schema": _TEXT},
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

    responses["307"] = {
        "description": "With `presigned`: where the object store hands the log over, for ten minutes",
        "headers": {"Location": {"description": "An address that needs no token", "schema": _TEXT}},
    }


def _stream(one: Operation, last: str, example: str) -> None:
    one.body.setdefault("parameters", []).append(_header("Last-Event-ID", f"In a live stream: {last}"))
    content: Document = one.body["responses"]["200"]["content"]
    content["text/event-stream"] = {"schema": _TEXT, "example": example}


def _header(name: str, description: str) -> Document:
    return {"in": "header", "name": name, "required": False, "description": description, "schema": _TEXT}
