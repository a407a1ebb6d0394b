"""What a playbook left in Ansible's fact cache, for later jobs: masked, bounded, and read with care."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from drover_shared.domain.facts import MAX_HOST_BYTES, MAX_RUN_BYTES, can_be_cached
from drover_shared.masking import Masker

from drover_executor.child.encoding import dumps
from drover_executor.child.files import take_file

# In the run's folder: {"host", "facts" or null} a line, then {"left_out": how many} where some are.
FACTS = "facts.jsonl"
PAYLOAD = "__payload__"  # Ansible from 2.19 on wraps facts in this key, in a file named after its format
WRAPPED_PREFIX = "s1_"
_WRAPPED = re.compile(r"s\d+_(?=.)")
_UNFINISHED = re.compile(r"tmp[a-z0-9_]{8}\Z")  # what Ansible writes before it gives it its name
_TAGGED = "_AnsibleTagged"
_OLD_UNSAFE = "__ansible_unsafe"

State = dict[str, tuple[int, int]]


class FactFolder:
    """The folder of Ansible's `jsonfile` cache; made before the playbook starts, collected after it ended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._before = self._state()

    def collect(self, target: Path, masker: Masker) -> None:
        """Write what has changed to `target`, a new file of mode 0600. Raises OSError."""
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        written = left_out = 0
        with os.fdopen(descriptor, "wb") as file:
            for host, facts in self._changes():
                line = dumps({"host": host, "facts": None if facts is None else masker.mask_value(facts)})
                if len(line) > MAX_HOST_BYTES or written + len(line) > MAX_RUN_BYTES:
                    left_out += 1
                    continue
                written += file.write(line + b"\n")
            if left_out:
                file.write(dumps({"left_out": left_out}) + b"\n")

    def _changes(self) -> Iterator[tuple[str, dict[str, Any] | None]]:
        """Hosts with their new facts, None for those whose facts were cleared; each host once."""
        now = self._state()
        changed = {name: state for name, state in now.items() if self._before.get(name) != state}
        done = set()
        for name in sorted(changed, reverse=True):  # the newer format's file first, where there are both
            read = self._read(name)
            if read is not None and read[0] not in done:
                done.add(read[0])
                yield read
        for name in sorted(self._before.keys() - now.keys()):
            host = name.removeprefix(WRAPPED_PREFIX)
            if host not in done:
                done.add(host)
                yield host, None

    def _read(self, name: str) -> tuple[str, dict[str, Any]] | None:
        wrapped = _WRAPPED.match(name)
        if wrapped is None and _UNFINISHED.match(name):
            return None
        try:
            host, facts = name, json.loads(take_file(self._folder, name))
            if wrapped is not None and isinstance(facts, dict) and set(facts) == {PAYLOAD}:
                host, facts = name[wrapped.end() :], json.loads(facts[PAYLOAD])
            return (host, plain(facts)) if isinstance(facts, dict) and can_be_cached(host) else None
        except (OSError, ValueError, TypeError, RecursionError):
            return None

    def _state(self) -> State:
        """When each file was written and which it is: Ansible replaces a file, it never changes one."""
        try:
            with os.scandir(self._folder) as entries:
                return {one.name: _of(one.stat(follow_symlinks=False)) for one in entries}
        except OSError:
            return {}


def _of(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_mtime_ns, stat.st_ino


def plain(value: Any) -> Any:
    """Facts without what Ansible notes beside a value, such as the line of the playbook it came from."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if str(value.get("__ansible_type", "")).startswith(_TAGGED) and "value" in value:
        return plain(value["value"])
    if set(value) == {_OLD_UNSAFE}:
        return value[_OLD_UNSAFE]
    return {key: plain(item) for key, item in value.items()}
