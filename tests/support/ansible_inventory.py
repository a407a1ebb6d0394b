"""What Ansible itself reads from inventory files."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_OWN = ("_meta", "all", "ungrouped")


def ansible_sees(*sources: Path) -> dict[str, Any]:
    """The variables of each host and the members of each group, as `ansible-inventory` lists them."""
    command = [str(Path(sys.executable).parent / "ansible-inventory"), "--list"]
    for source in sources:
        command += ["-i", str(source)]
    env = {"LC_ALL": "C.UTF-8", "HOME": str(sources[0].parent)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    document: dict[str, Any] = json.loads(done.stdout)
    groups = {name: body for name, body in document.items() if name not in _OWN}
    return {
        "hostvars": document["_meta"]["hostvars"],
        "groups": {
            name: {kind: sorted(members) for kind, members in body.items() if members}
            for name, body in groups.items()
        },
    }
