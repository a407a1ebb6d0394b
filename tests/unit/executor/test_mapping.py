"""Events as ansible-runner 2.4 recorded them, and what becomes of them."""

from typing import Any

import orjson
import pytest
from drover_executor.child.encoding import encoded
from drover_executor.child.mapping import mapped
from drover_shared.messages.streams import MAX_EVENT_BYTES

KEYS = ["timestamp", "event_type", "host", "task_name", "play_name", "stdout_snippet", "data"]


def recorded(event: str, **facts: Any) -> dict[str, Any]:
    task = {
        "playbook": "site.yml",
        "play": "Configure web servers",
        "task": "Install nginx",
        "task_action": "command",
        "resolved_action": "ansible.builtin.command",
        "role": "nginx",
        "host": "web01.example.com",
        "duration": 0.25,
    }
    return {"event": event, "created": "2025-12-10T09:03:11.123456+00:00", "event_data": {**task, **facts}}


def result(**values: Any) -> dict[str, Any]:
    return {"_ansible_no_log": False, "changed": True, "rc": 0, **values}


def test_task_ok_has_the_shape_of_the_specification() -> None:
    event = mapped(recorded("runner_on_ok", res=result()), "\x1b[0;33mchanged: [web01.example.com]\x1b[0m\n")
    assert event is not None
    assert list(event) == KEYS
    assert event == {
        "timestamp": "2025-12-10T09:03:11.123Z",
        "event_type": "TASK_OK",
        "host": "web01.example.com",
        "task_name": "Install nginx",
        "play_name": "Configure web servers",
        "stdout_snippet": "changed: [web01.example.com]",
        "data": {
            "changed": True,
            "rc": 0,
            "task_action": "ansible.builtin.command",
            "role": "nginx",
            "duration": 0.25,
        },
    }


@pytest.mark.parametrize(
    ("source", "event_type"),
    [
        ("playbook_on_start", "JOB_STARTED"),
        ("playbook_on_play_start", "PLAY_STARTED"),
        ("playbook_on_task_start", "TASK_STARTED"),
        ("runner_on_failed", "TASK_FAILED"),
        ("runner_on_skipped", "TASK_SKIPPED"),
        ("runner_on_unreachable", "HOST_UNREACHABLE"),
        ("runner_retry", "TASK_RETRY"),
        ("runner_item_on_ok", "TASK_ITEM_OK"),
        ("runner_item_on_failed", "TASK_ITEM_FAILED"),
        ("runner_item_on_skipped", "TASK_ITEM_SKIPPED"),
        ("playbook_on_no_hosts_matched", "WARNING"),
        ("warning", "WARNING"),
        ("deprecated", "WARNING"),
        ("playbook_on_stats", "STATS"),
    ],
)
def test_types(source: str, event_type: str) -> None:
    event = mapped(recorded(source, res=result()), "text\n")
    assert event is not None
    assert event["event_type"] == event_type


@pytest.mark.parametrize("source", ["verbose", "runner_on_start", "playbook_on_notify", "runner_on_async_ok"])
def test_what_has_no_type(source: str) -> None:
    assert mapped(recorded(source), "text") is None


def test_ignored_is_ansibles_word_not_the_modules() -> None:
    failed = mapped(recorded("runner_on_failed", res=result(ignored=True)), "")
    ignored = mapped(recorded("runner_on_failed", res=result(), ignore_errors=True), "")
    fine = mapped(recorded("runner_on_ok", res=result(ignored=True, changed="yes")), "")
    assert failed is not None
    assert ignored is not None
    assert fine is not None
    assert failed["data"]["ignored"] is False
    assert ignored["data"]["ignored"] is True
    assert "ignored" not in fine["data"]
    assert fine["data"]["changed"] is False


def test_a_change_is_told_without_its_result() -> None:
    """ansible-runner empties a result that is very big, and one under `no_log`."""
    for res in ({}, {"censored": "hidden"}):
        event = mapped(recorded("runner_on_ok", res=res), "changed: [web01.example.com]\n")
        assert event is not None
        assert event["data"]["changed"] is True
    event = mapped(recorded("runner_on_ok", res={}), "ok: [web01.example.com]\n")
    assert event is not None
    assert (event["data"]["changed"], event["data"]["truncated"]) == (False, True)


def test_stats_is_the_recap() -> None:
    raw = recorded("playbook_on_stats", ok={"a": 2}, dark={"b": 1}, failures={"a": 1}, artifact_data={"v": 1})
    event = mapped(raw, "")
    assert event is not None
    assert event["data"] == {
        "ok": {"a": 2},
        "changed": {},
        "failed": {"a": 1},
        "skipped": {},
        "unreachable": {"b": 1},
        "rescued": {},
        "ignored": {},
        "artifacts": {"v": 1},
    }


def test_file_diff_of_nothing_is_no_event() -> None:
    assert mapped(recorded("runner_on_file_diff", diff=None), "\n") is None
    assert mapped(recorded("runner_on_file_diff", diff=[{"before": ""}]), "") is not None


@pytest.mark.parametrize(
    "data",
    [
        {"stdout": "x" * 1_000_000, "changed": True},
        {"results": [{"stdout": "y" * 9000} for _ in range(200)], "changed": True},
        {f"key {number}": "z" * 4000 for number in range(1000)} | {"changed": True},
    ],
)
def test_big_data_is_cut(data: dict[str, Any]) -> None:
    line = encoded({"seq": 1, "event_type": "TASK_OK", "data": data})
    assert len(line) <= MAX_EVENT_BYTES
    cut = orjson.loads(line)["data"]
    assert cut["truncated"] is True


def test_what_json_cannot_carry() -> None:
    data = {"text": "a\udcffb", "number": 2**80, "list": [{1: "\ud800"}], "changed": False}
    read = orjson.loads(encoded({"seq": 1, "data": data}))["data"]
    assert read["number"] == str(2**80)
    assert read["text"].startswith("a")
    assert read["changed"] is False
