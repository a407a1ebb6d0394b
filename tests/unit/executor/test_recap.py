"""The recap of however many hosts arrives whole, in events that nobody cuts."""

from typing import Any

import orjson
import pytest
from drover_executor.child.encoding import encoded
from drover_executor.child.recap import recap_events
from drover_shared.domain.events import HostCounts, counts_of_stats
from drover_shared.messages.streams import MAX_EVENT_BYTES


def stats(artifacts: dict[str, Any] | None = None, **tables: dict[str, int]) -> dict[str, Any]:
    return {
        "seq": 1,
        "timestamp": "2025-12-10T09:03:11.123Z",
        "event_type": "STATS",
        "host": None,
        "task_name": None,
        "play_name": None,
        "stdout_snippet": "PLAY RECAP",
        "data": {**tables, "artifacts": artifacts or {}},
    }


def sent(event: dict[str, Any]) -> list[Any]:
    """The events' data as an executor writes it."""
    return [orjson.loads(encoded(part))["data"] for part in recap_events(event)]


def test_a_small_one_is_one_event() -> None:
    [data] = sent(stats({"version": 3}, ok={"a": 2, "b": 1}, failed={"b": 1}))
    assert data["ok"] == {"a": 2, "b": 1}
    assert data["artifacts"] == {"version": 3}
    assert "part" not in data
    assert "truncated" not in data


def test_nobody_is_left_out_of_a_large_one() -> None:
    hosts = [f"host-{number:05}.{'x' * (number % 60)}.example.com" for number in range(20_000)]
    event = stats(
        {"version": 3}, ok=dict.fromkeys(hosts, 7), changed=dict.fromkeys(hosts[::2], 1), rescued={}
    )
    parts = sent(event)
    assert len(parts) > 5
    assert [data["part"] for data in parts] == list(range(1, len(parts) + 1))
    found: dict[str, HostCounts] = {}
    for data in parts:
        assert "truncated" not in data
        assert not counts_of_stats(data).keys() & found.keys()
        found |= counts_of_stats(data)
    assert found == {
        host: HostCounts(ok=7, changed=int(number % 2 == 0)) for number, host in enumerate(hosts)
    }
    assert [data["artifacts"] for data in parts] == [{"version": 3}] + [{}] * (len(parts) - 1)


@pytest.mark.parametrize("size", [MAX_EVENT_BYTES // 2, MAX_EVENT_BYTES * 3])
def test_big_artifacts_cost_no_host(size: int) -> None:
    [data] = sent(stats({"blob": "x" * size}, ok={"a": 1}))
    assert data["ok"] == {"a": 1}
    assert data["artifacts"] == {}
    assert data["truncated"] is True


def test_without_hosts_it_is_still_an_event() -> None:
    [data] = sent(stats())
    assert data["ok"] == {}
