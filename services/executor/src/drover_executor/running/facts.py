"""The fact cache of a run: Ansible finds what earlier jobs gathered, the API gets what this one did."""

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
from drover_shared.domain.facts import MAX_BATCH_BYTES, can_be_cached
from drover_shared.logging import get_logger

from drover_executor.child.facts import FACTS, PAYLOAD, WRAPPED_PREFIX
from drover_executor.client.errors import ApiError, RefusedError, UnavailableError
from drover_executor.client.run_api import RunApi
from drover_executor.running.control import Control
from drover_executor.running.workspace import Workspace

FOLDER = "facts"  # in the run's private folder
_BATCH_HOSTS = 500
_RETRY_SECONDS = 0.5
_log = get_logger("drover.executor.facts")

Page = Callable[[str], Mapping[str, Any]]


def load(space: Workspace, page: Page) -> None:
    """Write what `page` tells, from the host after a name on, into files as Ansible's cache has them.

    A cache is not worth a job: where the API refuses it the run begins without.
    """
    (space.private / FOLDER).mkdir(mode=0o700)
    after: str | None = ""
    while after is not None:
        try:
            answer = page(after)
        except RefusedError as error:
            _log.warning("facts_refused", error=str(error))
            return
        for one in answer.get("items") or ():
            if can_be_cached(str(one["host"])):
                _write(space, str(one["host"]), one["facts"])
        after = answer.get("next")


def _write(space: Workspace, host: str, facts: Any) -> None:
    """Twice: as Ansible up to 2.18 reads it, and as later ones do. The image decides which one runs."""
    text = json.dumps(facts)
    with contextlib.suppress(FileExistsError):  # a host may be called what is another one's wrapped file
        space.write_private(f"{FOLDER}/{host}", text)
        space.write_private(f"{FOLDER}/{WRAPPED_PREFIX}{host}", json.dumps({PAYLOAD: text}))


def cache_environment(space: Workspace) -> dict[str, str]:
    """What makes Ansible use these files; nothing of them ever gets too old while it runs."""
    return {
        "ANSIBLE_CACHE_PLUGIN": "jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(space.private / FOLDER),
        "ANSIBLE_CACHE_PLUGIN_PREFIX": "",
        "ANSIBLE_CACHE_PLUGIN_TIMEOUT": "0",
    }


def hand_in(space: Workspace, api: RunApi, control: Control) -> None:
    """Send what the playbook left, before the run's `finish`; harmless where there is nothing, or again.

    What the API does not take is left out, and logged.
    """
    path = space.folder / FACTS
    if not path.exists():
        return
    for batch in _batches(path):
        if not _sent(batch, api, control):
            return
    path.unlink(missing_ok=True)


def _sent(batch: list[bytes], api: RunApi, control: Control) -> bool:
    """Whether to go on. It asks again while the API is away and the run is this executor's."""
    while not (control.abandoned or control.stopping):
        try:
            api.keep_facts(batch)
        except UnavailableError as error:
            _log.warning("facts_wait", error=str(error))
            control.changed.wait(_RETRY_SECONDS)
            control.quiet()
        except ApiError as error:
            _log.warning("facts_refused", error=str(error))
            return False
        else:
            return True
    return False


def _batches(path: Path) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    with path.open("rb") as file:
        for line in itertools.chain(file, [b""]):
            full = len(batch) >= _BATCH_HOSTS or sum(map(len, batch)) + len(line) > MAX_BATCH_BYTES
            if batch and (full or not line):
                yield batch
                batch = []
            if line.startswith(b'{"left_out"'):
                _log.warning("facts_left_out", hosts=orjson.loads(line)["left_out"])
            elif line:
                batch.append(line)
