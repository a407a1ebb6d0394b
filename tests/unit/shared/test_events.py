"""What events add to host summaries."""

from typing import Any

import pytest
from drover_shared.domain.events import EventType, HostCounts, counts_of_event, counts_of_stats


@pytest.mark.parametrize(
    ("event_type", "data", "counts"),
    [
        ("TASK_OK", {}, HostCounts(ok=1)),
        ("TASK_OK", {"changed": True}, HostCounts(ok=1, changed=1)),
        ("TASK_OK", {"changed": "yes"}, HostCounts(ok=1)),
        ("TASK_FAILED", {}, HostCounts(failed=1)),
        ("TASK_FAILED", {"ignored": True}, HostCounts(ok=1, ignored=1)),
        ("TASK_FAILED", {"ignored": True, "changed": True}, HostCounts(ok=1, ignored=1, changed=1)),
        ("TASK_SKIPPED", {}, HostCounts(skipped=1)),
        ("HOST_UNREACHABLE", {}, HostCounts(unreachable=1)),
    ],
)
def test_a_result_counts_as_in_ansibles_recap(
    event_type: str, data: dict[str, Any], counts: HostCounts
) -> None:
    assert counts_of_event(event_type, data) == counts


@pytest.mark.parametrize(
    "event_type",
    sorted(set(EventType) - {"TASK_OK", "TASK_FAILED", "TASK_SKIPPED", "HOST_UNREACHABLE"}),
)
def test_everything_else_counts_nothing(event_type: str) -> None:
    assert counts_of_event(event_type, {"changed": True}) is None


def test_counts_add_up() -> None:
    assert HostCounts(ok=1, changed=1) + HostCounts(ok=2, failed=1) == HostCounts(ok=3, changed=1, failed=1)


@pytest.mark.parametrize(
    ("counts", "outcome"),
    [
        (HostCounts(ok=3, failed=1), "failed"),
        (HostCounts(ok=3, failed=1, unreachable=1), "unreachable"),
        (HostCounts(ok=3, skipped=4), "ok"),
        (HostCounts(skipped=4), "skipped"),
        (HostCounts(rescued=1), "ok"),
        (HostCounts(), "skipped"),
    ],
)
def test_a_host_has_one_outcome(counts: HostCounts, outcome: str) -> None:
    assert counts.outcome == outcome


def test_ansibles_recap_becomes_counts() -> None:
    stats = {"ok": {"a": 2, "b": 1}, "changed": {"a": 1}, "failed": {"b": 1}, "rescued": {}, "ignored": None}
    assert counts_of_stats(stats) == {"a": HostCounts(ok=2, changed=1), "b": HostCounts(ok=1, failed=1)}


def test_a_malformed_recap_loses_only_what_is_malformed() -> None:
    stats = {"ok": {"a": "2", "b": -1, "c": True, "d": 4}, "failed": [1]}
    assert counts_of_stats(stats) == {"d": HostCounts(ok=4)}
