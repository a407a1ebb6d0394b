"""What events do to host summaries: the same in whatever order and number of parts they come."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, field, fields
from datetime import datetime

from drover_shared.domain.events import HostCounts

from drover_event_ingest.events import PreparedEvent

NAMES = tuple(item.name for item in fields(HostCounts))
_NOTHING = HostCounts()


@dataclass(frozen=True, slots=True)
class HostState:
    """A host's summary; `final` once Ansible's own recap has spoken."""

    counts: HostCounts = _NOTHING
    final: bool = False
    last_event_at: datetime | None = None


@dataclass(slots=True)
class HostChange:
    """What some events say of one host."""

    counts: list[HostCounts] = field(default_factory=list)
    recap: HostCounts | None = None
    last_event_at: datetime | None = None

    def applied_to(self, state: HostState) -> HostState:
        """The host's summary after these events.

        A recap replaces what was counted, whether it comes before or after; of several, the larger counts win
        (a recap only grows), so that their order does not matter either.
        """
        last = later(state.last_event_at, self.last_event_at)
        if state.final or self.recap is not None:
            known = state.counts if state.final else _NOTHING
            return HostState(_larger(known, self.recap or _NOTHING), final=True, last_event_at=last)
        return HostState(_total([state.counts, *self.counts]), final=False, last_event_at=last)


@dataclass(frozen=True, slots=True)
class JobTotals:
    """The counts of specification 2.5, or a change of them."""

    total: int = 0
    ok: int = 0
    failed: int = 0
    unreachable: int = 0
    skipped: int = 0
    changed: int = 0

    @classmethod
    def of(cls, state: HostState | None) -> "JobTotals":
        """What one host counts for."""
        if state is None:
            return cls()
        return cls(total=1, changed=int(state.counts.changed > 0), **{state.counts.outcome: 1})

    def __add__(self, other: "JobTotals") -> "JobTotals":
        return JobTotals(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: "JobTotals") -> "JobTotals":
        return JobTotals(*(a - b for a, b in zip(astuple(self), astuple(other), strict=True)))


def changes_of(events: Iterable[PreparedEvent]) -> dict[str, HostChange]:
    """What events of one run, none of them counted before, say of each host."""
    changes: dict[str, HostChange] = {}
    for event in events:
        if event.counts is not None and event.host is not None:
            change = changes.setdefault(event.host, HostChange())
            change.counts.append(event.counts)
            change.last_event_at = later(change.last_event_at, event.at)
        if event.recap is not None:
            for host, counts in event.recap.items():
                change = changes.setdefault(host, HostChange())
                change.recap = _larger(change.recap or _NOTHING, counts)
                change.last_event_at = later(change.last_event_at, event.at)
    return changes


def later(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return max(one, other)


def _larger(one: HostCounts, other: HostCounts) -> HostCounts:
    return HostCounts(*(max(getattr(one, name), getattr(other, name)) for name in NAMES))


def _total(parts: list[HostCounts]) -> HostCounts:
    return HostCounts(*(sum(getattr(part, name) for part in parts) for name in NAMES))
