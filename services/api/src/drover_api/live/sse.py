"""The lines of server-sent events (WHATWG HTML, 9.2)."""

import json
from typing import Any

CONTENT_TYPE = "text/event-stream"
PING = b": ping\n\n"
RETRY = b"retry: 2000\n\n"  # milliseconds after which a browser connects again


def message(data: Any, *, event: str | None = None, message_id: str | None = None) -> bytes:
    """One message; JSON text has no line break, so it is one line of `data`."""
    head = ("" if message_id is None else f"id: {message_id}\n") + (
        "" if event is None else f"event: {event}\n"
    )
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode("utf-8", "replace")
