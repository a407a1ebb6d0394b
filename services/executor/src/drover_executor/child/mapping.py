"""From ansible-runner's events to ours: types of `completion.md` section 3, shape of specification 2.7."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from drover_shared.clock import rfc3339
from drover_shared.domain.events import EventType
from drover_shared.messages.streams import MAX_SNIPPET_CHARS

TYPES: Mapping[str, EventType] = {
    "playbook_on_start": EventType.JOB_STARTED,
    "playbook_on_play_start": EventType.PLAY_STARTED,
    "playbook_on_task_start": EventType.TASK_STARTED,
    "runner_on_ok": EventType.TASK_OK,
    "runner_on_failed": EventType.TASK_FAILED,
    "runner_on_skipped": EventType.TASK_SKIPPED,
    "runner_on_unreachable": EventType.HOST_UNREACHABLE,
    "runner_retry": EventType.TASK_RETRY,
    "runner_item_on_ok": EventType.TASK_ITEM_OK,
    "runner_item_on_failed": EventType.TASK_ITEM_FAILED,
    "runner_item_on_skipped": EventType.TASK_ITEM_SKIPPED,
    "runner_on_file_diff": EventType.FILE_DIFF,
    "playbook_on_no_hosts_matched": EventType.WARNING,
    "playbook_on_no_hosts_remaining": EventType.WARNING,
    "warning": EventType.WARNING,
    "system_warning": EventType.WARNING,
    "deprecated": EventType.WARNING,
    "error": EventType.WARNING,
    "playbook_on_stats": EventType.STATS,
}
_RESULTS = frozenset(
    {
        EventType.TASK_OK,
        EventType.TASK_FAILED,
        EventType.TASK_SKIPPED,
        EventType.HOST_UNREACHABLE,
        EventType.TASK_RETRY,
        EventType.TASK_ITEM_OK,
        EventType.TASK_ITEM_FAILED,
        EventType.TASK_ITEM_SKIPPED,
    }
)
_STATS = {  # ours: Ansible's
    "ok": "ok",
    "changed": "changed",
    "failed": "failures",
    "skipped": "skipped",
    "unreachable": "dark",
    "rescued": "rescued",
    "ignored": "ignored",
}
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def mapped(raw: Mapping[str, Any], printed: str) -> dict[str, Any] | None:
    """Our event without its seq, None where there is no such type; `printed` is what Ansible wrote for it."""
    event_type = TYPES.get(str(raw.get("event")))
    if event_type is None:
        return None
    facts = raw.get("event_data") or {}
    if event_type is EventType.FILE_DIFF and not facts.get("diff") and not printed.strip():
        return None  # Ansible calls for every task, also for those that changed no file
    snippet = _COLOUR.sub("", printed).strip("\r\n")[:MAX_SNIPPET_CHARS]
    return {
        "timestamp": _timestamp(raw.get("created")),
        "event_type": event_type.value,
        "host": _text(facts.get("host")),
        "task_name": _text(facts.get("task")),
        "play_name": _text(facts.get("play")),
        "stdout_snippet": snippet or None,
        "data": _data(event_type, str(raw.get("event")), facts, snippet),
    }


def completed(rc: int, status: str, moment: datetime) -> dict[str, Any]:
    """The last event of every run, without its seq."""
    return {
        "timestamp": rfc3339(moment),
        "event_type": EventType.JOB_COMPLETED.value,
        "host": None,
        "task_name": None,
        "play_name": None,
        "stdout_snippet": None,
        "data": {"rc": rc, "status": status},
    }


def _data(event_type: EventType, source: str, facts: Mapping[str, Any], snippet: str) -> dict[str, Any]:
    if event_type in _RESULTS:
        return _result(event_type, facts, snippet)
    match event_type:
        case EventType.STATS:
            counts: dict[str, Any] = {ours: facts.get(theirs) or {} for ours, theirs in _STATS.items()}
            return {**counts, "artifacts": facts.get("artifact_data") or {}}
        case EventType.WARNING:
            return {"level": source.removeprefix("playbook_on_"), "message": snippet}
        case EventType.FILE_DIFF:
            return {"diff": facts.get("diff"), **_task(facts)}
        case EventType.TASK_STARTED:
            return {**_task(facts), "handler": facts.get("is_conditional") is True}
        case _:  # JOB_STARTED, PLAY_STARTED
            return {name: facts[name] for name in ("playbook", "pattern") if facts.get(name)}


def _result(event_type: EventType, facts: Mapping[str, Any], snippet: str) -> dict[str, Any]:
    """The module's result, flat as in 2.7; Ansible's own word wins over a key of the module's.

    A result under `no_log`, or too big for ansible-runner, has lost its `changed`; what Ansible printed still
    tells it.
    """
    result = facts.get("res")
    data = _without_internals(result) if isinstance(result, dict) else {}
    if result == {}:
        data["truncated"] = True
    printed_changed = (not result or "censored" in data) and snippet.startswith("changed:")
    data["changed"] = data.get("changed") is True or printed_changed
    if event_type is EventType.TASK_FAILED:
        data["ignored"] = facts.get("ignore_errors") is True
    else:
        data.pop("ignored", None)
    for key, value in _task(facts).items():
        data.setdefault(key, value)
    if isinstance(facts.get("duration"), int | float):
        data.setdefault("duration", facts["duration"])
    return data


def _task(facts: Mapping[str, Any]) -> dict[str, Any]:
    names = {
        "task_action": facts.get("resolved_action") or facts.get("task_action"),
        "role": facts.get("role"),
    }
    return {key: value for key, value in names.items() if value}


def _without_internals(result: Mapping[str, Any]) -> dict[str, Any]:
    """Without Ansible's private keys, in the items of a loop too."""
    kept = {key: value for key, value in result.items() if not str(key).startswith("_ansible_")}
    if isinstance(kept.get("results"), list):
        kept["results"] = [
            _without_internals(item) if isinstance(item, dict) else item for item in kept["results"]
        ]
    return kept


def _timestamp(created: object) -> str:
    try:
        moment = datetime.fromisoformat(str(created))
    except ValueError:
        moment = datetime.now(UTC)
    return rfc3339(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
