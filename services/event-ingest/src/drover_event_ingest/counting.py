"""What events do to host summaries: the same in whatever order and number of parts they come."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from drover_shared.domain.events import HostCounts

from drover_event_ingest.events import NAMES, PreparedEvent

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

    counts: list[int] = field(default_factory=lambda: [0] * len(NAMES))
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
        total = HostCounts(
            *(getattr(state.counts, name) + more for name, more in zip(NAMES, self.counts, strict=True))
        )
        return HostState(total, final=False, last_event_at=last)


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

    def plus(self, other: "JobTotals", sign: int = 1) -> "JobTotals":
        """The sum, or with sign -1 the difference."""
        return JobTotals(
            total=self.total + sign * other.total,
            ok=self.ok + sign * other.ok,
            failed=self.failed + sign * other.failed,
            unreachable=self.unreachable + sign * other.unreachable,
            skipped=self.skipped + sign * other.skipped,
            changed=self.changed + sign * other.changed,
        )


def changes_of(events: Iterable[PreparedEvent]) -> dict[str, HostChange]:
    """What events of one run, none of them counted before, say of each host."""
    changes: dict[str, HostChange] = {}
    for event in events:
        if event.adds is not None and event.host is not None:
            change = changes.get(event.host)
            if change is None:
                change = changes[event.host] = HostChange(last_event_at=event.at)
            elif change.last_event_at is None or event.at > change.last_event_at:
                change.last_event_at = event.at
            for position in event.adds:
                change.counts[position] += 1
        if event.recap is not None:
            _add_recap(changes, event.recap, event.at)
    return changes


def _add_recap(changes: dict[str, HostChange], recap: Mapping[str, HostCounts], at: datetime) -> None:
    for host, counts in recap.items():
        change = changes.setdefault(host, HostChange())
        change.recap = _larger(change.recap or _NOTHING, counts)
        change.last_event_at = later(change.last_event_at, at)


def later(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return max(one, other)


def _larger(one: HostCounts, other: HostCounts) -> HostCounts:
    return HostCounts(*(max(getattr(one, name), getattr(other, name)) for name in NAMES))
