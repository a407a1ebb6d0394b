"""One event of a batch: judged alone, and made ready for the table."""

import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
from drover_shared.domain.events import EventType, HostCounts, counts_of_event, counts_of_stats
from drover_shared.messages.streams import MAX_SNIPPET_CHARS

from drover_event_ingest.clean import clean_text, encode_data

MAX_SEQ = 2**62  # leaves room for the upper bounds of int8range
MAX_HOST_BYTES = 1024  # an index entry of PostgreSQL ends at 2704 bytes
MAX_COUNT = 2**31 - 1
_TIMESTAMP = re.compile(
    r"(?:19[7-9]\d|[2-8]\d{3}|9[0-8]\d\d)-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)"
)
TYPES = frozenset(str(kind) for kind in EventType)
_CANONICAL_CHARS = (24, 27)  # milliseconds, microseconds
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


class PreparedEvent(msgspec.Struct, gc=False):  # made by the million: a dataclass takes twice the time
    """`row` is its line of `COPY`; `adds` are the counts (positions in NAMES) of its host that it raises by
    one, and `recap` is what STATS says of hosts.
    """

    seq: int
    at: datetime
    host: str | None
    adds: tuple[int, ...] | None
    recap: Mapping[str, HostCounts] | None
    row: bytes


def right_seq(seq: object) -> int | None:
    """`seq` where it is one."""
    return seq if type(seq) is int and 1 <= seq <= MAX_SEQ else None


def adds_of(kind: str, changed: bool, ignored: bool) -> tuple[int, ...] | None:
    """Which of NAMES an event of a host raises by one."""
    return _ADDS[kind, changed, ignored]


def failed_by(kind: str, ignored: bool) -> bool:
    """The row's `failed`."""
    return (kind in _FAILURES and not ignored) or kind == "HOST_UNREACHABLE"


def prepare_event(event: Mapping[str, Any], run_id: str, job_id: int) -> PreparedEvent:
    """An event ready to be stored. Raises InvalidEventError."""
    seq = right_seq(event.get("seq"))
    if seq is None:
        raise InvalidEventError("seq: not a whole number from 1")
    kind = event.get("event_type")
    if not isinstance(kind, str) or kind not in TYPES:
        raise InvalidEventError("event_type: not known")
    data = event.get("data")
    if not isinstance(data, dict):
        raise InvalidEventError("data: not an object")
    at = parse_timestamp(event.get("timestamp"))
    host = _host(event)
    data, encoded = encode_data(data)
    changed, ignored = data.get("changed") is True, data.get("ignored") is True
    names = (_text(event, name) for name in ("task_name", "play_name"))
    flags = "\t".join("t" if flag else "f" for flag in (changed, failed_by(kind, ignored)))
    row = (
        f"{run_id}\t{seq}\t{job_id}\t{event['timestamp']}\t{kind}\t{copy_field(host)}"
        f"\t{copy_field(next(names))}\t{copy_field(next(names))}"
        f"\t{flags}\t{copy_field(_text(event, 'stdout_snippet'))}\t"
    )
    return PreparedEvent(
        seq=seq,
        at=at,
        host=host,
        adds=None if host is None else adds_of(kind, changed, ignored),
        recap=recap_of(data) if kind == "STATS" else None,
        row=row.encode() + encoded.replace(b"\\", b"\\\\") + b"\n",
    )


def parse_timestamp(value: object) -> datetime:
    """RFC 3339 of a year that PostgreSQL and Python both hold. Raises InvalidEventError."""
    if not isinstance(value, str) or not (_is_canonical(value) or _TIMESTAMP.fullmatch(value)):
        raise InvalidEventError("timestamp: not RFC 3339, or not of these times")
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise InvalidEventError("timestamp: no such time") from None


def _is_canonical(value: str) -> bool:
    """Whether it is as our executors write it, as far as `fromisoformat` does not see to that."""
    return (
        len(value) in _CANONICAL_CHARS
        and value[-1] == "Z"
        and value[4] == "-"
        and value[5] in "01"
        and value[10] == "T"
        and "1970" <= value < "99"
    )


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
    return value if value.isascii() and "\x00" not in value else clean_text(value)


@lru_cache(maxsize=4096)  # hosts and names of tasks and plays come again and again
def copy_field(value: str | None) -> str:
    """A text as COPY's format has it, cut where it is too long."""
    if value is None:
        return "\\N"
    value = value[:MAX_SNIPPET_CHARS]
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def recap_of(data: Mapping[str, Any]) -> dict[str, HostCounts]:
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
