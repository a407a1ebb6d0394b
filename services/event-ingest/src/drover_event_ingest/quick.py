"""Batches as executors write them, made ready in a fraction of the time that taking each event apart needs.

An event's data is never turned into objects: it goes into the table as the JSON that it came as. That is
right only where nothing in the batch must be cleaned, cut or refused; the rest is `events.prepare_event`'s.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import orjson
from drover_shared.messages.streams import MAX_EVENT_BYTES

from drover_event_ingest.events import (
    MAX_HOST_BYTES,
    MAX_SEQ,
    TYPES,
    PreparedEvent,
    adds_of,
    copy_field,
    failed_by,
    parse_timestamp,
    recap_of,
)

# In JSON a line break or a tab stands only between values; there COPY would take it for the end of one.
_UNFIT_BYTES = (b"\n", b"\r", b"\t")
_UNFIT_ESCAPES = (b"\\u0000", b"\\ud", b"\\uD")  # NUL and surrogates
_MAX_HOST_CHARS = MAX_HOST_BYTES // 4
# What each (type, changed, ignored) counts for, and its columns `changed` and `failed`.
_JUDGED = {
    (kind, changed, ignored): (
        adds_of(kind, changed, ignored),
        f"{'t' if changed else 'f'}\t{'t' if failed_by(kind, ignored) else 'f'}",
    )
    for kind in TYPES
    for changed in (False, True)
    for ignored in (False, True)
}


class _Event(msgspec.Struct, gc=False):
    """Fields as in specification 2.7; `seq` is judged apart, for `1.0` would be taken for a whole number."""

    seq: Any
    timestamp: str
    event_type: str
    data: msgspec.Raw
    host: str | None = None
    task_name: str | None = None
    play_name: str | None = None
    stdout_snippet: str | None = None


class _Facts(msgspec.Struct, gc=False):
    changed: Any = None
    ignored: Any = None


_EVENTS = msgspec.json.Decoder(list[_Event])
_FACTS = msgspec.json.Decoder(_Facts)


def prepare_quickly(body: bytes, run_id: str, job_id: int) -> Sequence[PreparedEvent] | None:
    """The events of a batch's body, or None where any of them needs a closer look."""
    if not _is_fit(body):
        return None
    try:
        events = _EVENTS.decode(body)
        before, between = f"{run_id}\t", f"\t{job_id}\t"
        return [_prepared(event, before, between) for event in events]
    except (msgspec.MsgspecError, ValueError, LookupError, RecursionError):
        return None


def _is_fit(body: bytes) -> bool:
    if any(byte in body for byte in _UNFIT_BYTES):
        return False
    if b"\\u" in body and any(escape in body for escape in _UNFIT_ESCAPES):
        return False
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError:
            return False
    return True


def _prepared(event: _Event, before: str, between: str) -> PreparedEvent:
    """Raises ValueError, LookupError, and msgspec's errors, where the event is not plainly right."""
    seq, host, data = event.seq, event.host or None, bytes(event.data)
    if type(seq) is not int or not 1 <= seq <= MAX_SEQ or len(data) > MAX_EVENT_BYTES:
        raise ValueError
    if host is not None and len(host) > _MAX_HOST_CHARS:
        raise ValueError
    facts, kind = _FACTS.decode(data), event.event_type
    adds, flags = _JUDGED[kind, facts.changed is True, facts.ignored is True]
    row = (
        f"{before}{seq}{between}{event.timestamp}\t{kind}\t{copy_field(host)}\t{copy_field(event.task_name)}"
        f"\t{copy_field(event.play_name)}\t{flags}\t{copy_field(event.stdout_snippet)}\t"
    )
    return PreparedEvent(
        seq,
        parse_timestamp(event.timestamp),
        host,
        None if host is None else adds,
        recap_of(orjson.loads(data)) if kind == "STATS" else None,
        row.encode() + data.replace(b"\\", b"\\\\") + b"\n",
    )
