"""One event of a batch: judged alone, and made ready for the table."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache
from typing import Any

from drover_shared.domain.events import EventType, HostCounts, counts_of_event, counts_of_stats
from drover_shared.messages.streams import MAX_SNIPPET_CHARS

from drover_event_ingest.clean import clean_text, encode_data

MAX_SEQ = 2**62  # leaves room for the upper bounds of int8range
MAX_HOST_BYTES = 1024  # an index entry of PostgreSQL ends at 2704 bytes
MAX_COUNT = 2**31 - 1
_TIMESTAMP = re.compile(
    r"(?:19[7-9]\d|[2-8]\d{3}|9[0-8]\d\d)-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)"
)
_TYPES = frozenset(str(kind) for kind in EventType)
_FAILURES = frozenset({"TASK_FAILED", "TASK_ITEM_FAILED"})

NAMES = tuple(item.name for item in fields(HostCounts))


def _positions(counts: HostCounts | None) -> tuple[int, ...] | None:
    """Which of NAMES grow by one."""
    return None if counts is None else tuple(n for n, name in enumerate(NAMES) if getattr(counts, name))


# What the domain's rule says of each (type, changed, ignored), asked once instead of once an event.
_ADDS = {
    (str(kind), changed, ignored): _positions(counts_of_event(kind, {"changed": changed, "ignored": ignored}))
    for kind in EventType
    for changed in (False, True)
    for ignored in (False, True)
}


class InvalidEventError(ValueError):
    """An event that cannot be stored; its text names the field."""


@dataclass(slots=True)
class PreparedEvent:
    """`row` is its line of `COPY`; `adds` are the counts (positions in NAMES) of its host that it raises by
    one, and `recap` is what STATS says of hosts.
    """

    seq: int
    at: datetime
    host: str | None
    adds: tuple[int, ...] | None
    recap: Mapping[str, HostCounts] | None
    row: bytes
    source: Mapping[str, Any]


def seq_of(event: Mapping[str, Any]) -> int | None:
    """The event's seq where it has a right one."""
    seq = event.get("seq")
    return seq if type(seq) is int and 1 <= seq <= MAX_SEQ else None


def prepare_event(event: Mapping[str, Any], run_id: str, job_id: int) -> PreparedEvent:
    """An event ready to be stored. Raises InvalidEventError."""
    seq = seq_of(event)
    if seq is None:
        raise InvalidEventError("seq: not a whole number from 1")
    kind = event.get("event_type")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise InvalidEventError("event_type: not known")
    data = event.get("data")
    if not isinstance(data, dict):
        raise InvalidEventError("data: not an object")
    at = _timestamp(event)
    host = _host(event)
    data, encoded = encode_data(data)
    changed, ignored = data.get("changed") is True, data.get("ignored") is True
    failed = (kind in _FAILURES and not ignored) or kind == "HOST_UNREACHABLE"
    row = (
        f"{run_id}\t{seq}\t{job_id}\t{event['timestamp']}\t{kind}\t{_field(host)}"
        f"\t{_field(_text(event, 'task_name'))}\t{_field(_text(event, 'play_name'))}"
        f"\t{'t' if changed else 'f'}\t{'t' if failed else 'f'}\t{_field(_text(event, 'stdout_snippet'))}\t"
    )
    return PreparedEvent(
        seq=seq,
        at=at,
        host=host,
        adds=None if host is None else _ADDS[kind, changed, ignored],
        recap=_recap(data) if kind == "STATS" else None,
        row=row.encode() + encoded.replace(b"\\", b"\\\\") + b"\n",
        source=event,
    )


def _timestamp(event: Mapping[str, Any]) -> datetime:
    value = event.get("timestamp")
    if not isinstance(value, str) or not _TIMESTAMP.fullmatch(value):
        raise InvalidEventError("timestamp: not RFC 3339, or not of these times")
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise InvalidEventError("timestamp: no such time") from None


def _host(event: Mapping[str, Any]) -> str | None:
    host = _text(event, "host") or None
    if host is not None and len(host) * 4 > MAX_HOST_BYTES and len(host.encode()) > MAX_HOST_BYTES:
        raise InvalidEventError("host: too long")
    return host


def _text(event: Mapping[str, Any], name: str) -> str | None:
    value = event.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidEventError(f"{name}: not text")
    if not value.isascii() or "\x00" in value:
        value = clean_text(value)
    return value if len(value) <= MAX_SNIPPET_CHARS else value[:MAX_SNIPPET_CHARS]


@lru_cache(maxsize=4096)  # hosts and names of tasks and plays come again and again
def _field(value: str | None) -> str:
    """A value of COPY's text format."""
    if value is None:
        return "\\N"
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _recap(data: Mapping[str, Any]) -> dict[str, HostCounts]:
    """Ansible's recap, without hosts and counts that the table could not hold."""
    return {
        host: HostCounts(
            ok=min(counts.ok, MAX_COUNT),
            changed=min(counts.changed, MAX_COUNT),
            failed=min(counts.failed, MAX_COUNT),
            skipped=min(counts.skipped, MAX_COUNT),
            unreachable=min(counts.unreachable, MAX_COUNT),
            rescued=min(counts.rescued, MAX_COUNT),
            ignored=min(counts.ignored, MAX_COUNT),
        )
        for host, counts in counts_of_stats(data).items()
        if host and len(host.encode()) <= MAX_HOST_BYTES
    }
