"""What a checked-out project holds: the files that look like playbooks, by AWX's own rules."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MAX_PLAYBOOKS = 10_000
MAX_FILES = 200_000  # so many names are looked at, whatever a project holds
_MAX_PATH = 1024
_READ_BYTES = 1024 * 1024
_SUFFIXES = (".yml", ".yaml")
# Folders whose files a playbook includes, but which hold none.
_NO_PLAYBOOKS = frozenset(
    {"tasks", "handlers", "vars", "defaults", "meta", "group_vars", "host_vars", "roles"}
)
_PLAY = re.compile(
    rb"^\s*-?\s*['\"]?(?:hosts|(?:ansible\.builtin\.)?(?:import_playbook|include))['\"]?\s*:", re.MULTILINE
)
_VAULT = b"$ANSIBLE_VAULT;"  # whole files may be encrypted, and Ansible still plays them


def contents(root: Path, revision: str | None) -> dict[str, Any]:
    """What a sync found: `{scm_revision, playbooks, truncated}`, with sorted paths inside of the project."""
    playbooks: list[str] = []
    seen = 0
    for path in _yaml_files(root):
        seen += 1
        if seen > MAX_FILES or len(playbooks) >= MAX_PLAYBOOKS:
            break
        if _is_playbook(path):
            playbooks.append(path.relative_to(root).as_posix())
    truncated = seen > MAX_FILES or len(playbooks) >= MAX_PLAYBOOKS
    return {"scm_revision": revision, "playbooks": sorted(playbooks), "truncated": truncated}


def _yaml_files(root: Path) -> Iterator[Path]:
    """Names are taken only where JSON and a database can hold them; links are not followed."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(one for one in folders if not one.startswith(".") and one not in _NO_PLAYBOOKS)
        for name in sorted(names):
            path = Path(folder, name)
            if name.startswith(".") or not name.endswith(_SUFFIXES) or path.is_symlink():
                continue
            if len(str(path.relative_to(root))) <= _MAX_PATH and _is_text(str(path)):
                yield path


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_playbook(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(_READ_BYTES)
    except OSError:
        return False
    return head.startswith(_VAULT) or _PLAY.search(head) is not None
