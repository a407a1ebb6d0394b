"""Tells Ansible's own output from the event markers that ansible-runner's display callback puts into it.

A marker is `ESC[K`, base64 text cut by "cursor back" sequences, `ESC[K`; its payload is `{"uuid": …}` where
an event begins and `{}` where it ends. Everything else passes through byte for byte.
"""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

_EDGE = b"\x1b[K"
_MARKER = re.compile(rb"\x1b\[K((?:[A-Za-z0-9+/=]+\x1b\[\d+D)+)\x1b\[K")
_UNFINISHED = re.compile(rb"\x1b\[K(?:[A-Za-z0-9+/=]+\x1b\[\d+D)*[A-Za-z0-9+/=]*(?:\x1b(?:\[\d*)?)?")
_BACK = re.compile(rb"\x1b\[\d+D")
_UUID = re.compile(r"[0-9A-Za-z_-]{1,80}")
_LONGEST = 512  # bytes; what has not become a marker by then is output


@dataclass(frozen=True, slots=True)
class Text:
    """Output as Ansible printed it."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class Marker:
    """Where an event begins (`uuid`) or ends (`uuid` is None); `raw` is the marker itself."""

    uuid: str | None
    raw: bytes


class MarkerFilter:
    """Feed it bytes in any cuts; it yields texts and markers in order."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> Iterator[Text | Marker]:
        buffer, at = self._held + data, 0
        self._held = b""
        while at < len(buffer):
            edge = buffer.find(_EDGE, at)
            if edge < 0:
                keep = _edge_prefix(buffer, at)
                yield from _text(buffer[at : len(buffer) - keep])
                self._held = buffer[len(buffer) - keep :]
                return
            yield from _text(buffer[at:edge])
            found = _MARKER.match(buffer, edge)
            if found:
                yield _marker(found)
                at = found.end()
            elif len(buffer) - edge < _LONGEST and _UNFINISHED.fullmatch(buffer, edge):
                self._held = buffer[edge:]
                return
            else:
                yield Text(_EDGE)
                at = edge + len(_EDGE)

    def close(self) -> Iterator[Text | Marker]:
        """What was held back because it looked like the start of a marker."""
        yield from _text(self._held)
        self._held = b""


def _text(raw: bytes) -> Iterator[Text]:
    if raw:
        yield Text(raw)


def _edge_prefix(buffer: bytes, start: int) -> int:
    """How many bytes at the end may be the first ones of an edge."""
    for size in (2, 1):
        if len(buffer) - start >= size and buffer.endswith(_EDGE[:size]):
            return size
    return 0


def _marker(found: re.Match[bytes]) -> Text | Marker:
    try:
        payload = json.loads(base64.b64decode(_BACK.sub(b"", found.group(1)), validate=True))
    except ValueError:
        return Text(found.group())
    if payload == {}:
        return Marker(None, found.group())
    uuid = payload.get("uuid") if isinstance(payload, dict) else None
    if isinstance(uuid, str) and _UUID.fullmatch(uuid):
        return Marker(uuid, found.group())
    return Text(found.group())
