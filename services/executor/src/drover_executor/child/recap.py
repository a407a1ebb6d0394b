"""Ansible's recap in as many events as its hosts need: of thousands of hosts none may be cut off."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from drover_shared.domain.events import RECAP_KINDS
from drover_shared.messages.streams import MAX_EVENT_BYTES

_PART_BYTES = MAX_EVENT_BYTES // 2  # of hosts; names and escapes take room beside them
_COUNT_BYTES = 16  # a count, its quotes, colon and comma


def recap_events(event: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A STATS event as one or more of them, each of other hosts; `data.part` of `data.parts` where several.

    The artifacts go with the first, or, where they are too big for an event, with none: the run's end
    carries them.
    """
    data = event["data"]
    groups = _groups({kind: data.get(kind) or {} for kind in RECAP_KINDS})
    artifacts: Mapping[str, Any] = data.get("artifacts") or {}
    cut = len(orjson.dumps(artifacts, default=str, option=orjson.OPT_NON_STR_KEYS)) > _PART_BYTES // 2
    for number, tables in enumerate(groups, 1):
        part: dict[str, Any] = {**tables, "artifacts": {} if cut or number > 1 else artifacts}
        if cut:
            part["truncated"] = True
        if len(groups) > 1:
            part |= {"part": number, "parts": len(groups)}
        yield {**event, "stdout_snippet": event["stdout_snippet"] if number == 1 else None, "data": part}


def _groups(tables: Mapping[str, Mapping[str, int]]) -> list[dict[str, dict[str, int]]]:
    """The tables cut by hosts, at least one piece; a host's counts stay together."""
    groups: list[dict[str, dict[str, int]]] = []
    left = 0
    for host in dict.fromkeys(host for table in tables.values() for host in table):
        kinds = [kind for kind, table in tables.items() if host in table]
        cost = len(kinds) * (len(host.encode(errors="replace")) + _COUNT_BYTES)
        if not groups or cost > left:
            groups.append({kind: {} for kind in tables})
            left = _PART_BYTES
        left -= cost
        for kind in kinds:
            groups[-1][kind][host] = tables[kind][host]
    return groups or [{kind: {} for kind in tables}]
