"""A run that is one slice of its job: a wrapper that limits Ansible to the slice's share of the hosts.

Only Ansible knows which hosts an inventory holds, whatever its kind, so it is asked, with the inventory,
limit, variables and credentials of the run, in the same environment, by `child/share.py`.
"""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from drover_executor.running.workspace import Workspace

_MAX_ARGUMENT_BYTES = 100_000  # Linux takes 128 KiB
PYTHON = "python3"  # of the executor's own environment, or of the image


def limit_argument(space: Workspace, pattern: str, name: str = "limit") -> str | None:
    """As a file of one pattern a line where it is too long for an argument: it may name every host."""
    if len(pattern.encode()) <= _MAX_ARGUMENT_BYTES:
        return pattern or None
    return f"@{space.write_private(name, pattern.replace(',', chr(10)))}"


def limited_to_share(
    space: Workspace, manifest: Mapping[str, Any], command: Sequence[str], options: Sequence[str]
) -> list[str]:
    """`command`, which names no limit, for the manifest's slice alone; itself where the job has no slices.

    `options` are those of it that decide which hosts there are.
    """
    of = manifest.get("slice")
    if not of:
        return list(command)
    whole, limit = of.get("limit") or "", manifest.get("limit") or ""
    wanted = {
        "number": int(of["number"]),
        "count": int(of["count"]),
        "whole": _listing(space, options, whole, "whole"),
        "limited": bool(whole),
        "attempt": None,
        "limit_file": str(space.private / "share"),
    }
    if limit != whole:
        wanted["attempt"] = {
            "list": _listing(space, options, limit, "attempt"),
            "names": limit.split(","),
        }
    script = space.write_private("share.py", files("drover_executor.child").joinpath("share.py").read_text())
    given = space.write_private("share.json", json.dumps(wanted))
    return [PYTHON, str(script), str(given), *command]


def _listing(space: Workspace, options: Sequence[str], pattern: str, name: str) -> list[str]:
    limit = limit_argument(space, pattern, name)
    return ["ansible", "all", "--list-hosts", *options, *([f"--limit={limit}"] if limit else [])]
