"""Event types (`completion.md` section 3) and what each adds to its host's summary."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from enum import StrEnum
from typing import Any


class EventType(StrEnum):
    """The value of `event_type` in a job event (specification 2.7)."""

    JOB_STARTED = "JOB_STARTED"
    PLAY_STARTED = "PLAY_STARTED"
    TASK_STARTED = "TASK_STARTED"
    TASK_OK = "TASK_OK"
    TASK_FAILED = "TASK_FAILED"  # data.ignored is true where errors are ignored
    TASK_SKIPPED = "TASK_SKIPPED"
    TASK_RETRY = "TASK_RETRY"
    HOST_UNREACHABLE = "HOST_UNREACHABLE"
    TASK_ITEM_OK = "TASK_ITEM_OK"
    TASK_ITEM_FAILED = "TASK_ITEM_FAILED"
    TASK_ITEM_SKIPPED = "TASK_ITEM_SKIPPED"
    FILE_DIFF = "FILE_DIFF"
    WARNING = "WARNING"
    STATS = "STATS"  # data: {"<ok|changed|failed|…>": {host: count}}, Ansible's own recap
    JOB_COMPLETED = "JOB_COMPLETED"


@dataclass(frozen=True, slots=True)
class HostCounts:
    """How many task results of each kind a host has, as in Ansible's recap."""

    ok: int = 0
    changed: int = 0
    failed: int = 0
    skipped: int = 0
    unreachable: int = 0
    rescued: int = 0
    ignored: int = 0

    def __add__(self, other: "HostCounts") -> "HostCounts":
        return HostCounts(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def outcome(self) -> str:
        """The one column of the job's summary (2.5) this host counts in, apart from `changed`."""
        if self.unreachable:
            return "unreachable"
        if self.failed:
            return "failed"
        return "ok" if self.ok or self.rescued else "skipped"


RECAP_KINDS = tuple(item.name for item in fields(HostCounts))  # the tables of a STATS event's data


def counts_of_event(event_type: str, data: Mapping[str, Any]) -> HostCounts | None:
    """What one event adds to the summary of its host, or None where it adds nothing.

    Ansible's own rule (`ansible.plugins.strategy`): an ignored failure is `ok` and `ignored`; items count
    only through their task's result. A rescued failure looks like any other here; the STATS event corrects
    it.
    """
    changed = 1 if data.get("changed") is True else 0
    match event_type:
        case EventType.TASK_OK:
            return HostCounts(ok=1, changed=changed)
        case EventType.TASK_FAILED if data.get("ignored") is True:
            return HostCounts(ok=1, changed=changed, ignored=1)
        case EventType.TASK_FAILED:
            return HostCounts(failed=1)
        case EventType.TASK_SKIPPED:
            return HostCounts(skipped=1)
        case EventType.HOST_UNREACHABLE:
            return HostCounts(unreachable=1)
        case _:
            return None


def counts_of_stats(data: Mapping[str, Any]) -> dict[str, HostCounts]:
    """Ansible's recap in a STATS event as counts a host; what is malformed in it is left out."""
    tables = {kind: data.get(kind) for kind in RECAP_KINDS}
    hosts: dict[str, dict[str, int]] = {}
    for kind, table in tables.items():
        if not isinstance(table, Mapping):
            continue
        for host, count in table.items():
            if isinstance(host, str) and type(count) is int and count >= 0:
                hosts.setdefault(host, {})[kind] = count
    return {host: HostCounts(**counts) for host, counts in hosts.items()}
