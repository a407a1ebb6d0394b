"""What Ansible's processes find in their environment."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from drover_executor.project.access import passed_environment
from drover_executor.running.workspace import RUN_VARIABLE, Workspace

_OPERATORS = ("ANSIBLE_", "AWS_CA", "REQUESTS_CA", "KRB5")  # an operator may configure these for all runs
_FORBIDDEN = frozenset(  # a credential's injector must not redirect what the executor relies on
    {"PATH", "HOME", "LC_ALL", RUN_VARIABLE, "LD_PRELOAD", "LD_LIBRARY_PATH", "AWX_ISOLATED_DATA_DIR"}
    | {"ANSIBLE_STDOUT_CALLBACK", "ANSIBLE_CALLBACK_PLUGINS", "PYTHONPATH", "PYTHONHOME"}
)


def playbook_environment(space: Workspace, injected: Mapping[str, str]) -> dict[str, str]:
    """A small environment: nothing of the executor's own settings, so neither its tokens."""
    operators = {key: value for key, value in os.environ.items() if key.startswith(_OPERATORS)}
    allowed = {key: value for key, value in injected.items() if key not in _FORBIDDEN}
    temporary = space.private / "tmp"
    temporary.mkdir(mode=0o700, exist_ok=True)
    return {
        **passed_environment(),
        **operators,
        **allowed,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "LC_ALL": "C.UTF-8",  # always there; Ansible refuses a locale that is not UTF-8
        "ANSIBLE_FORCE_COLOR": "1",
        "ANSIBLE_LOCAL_TEMP": str(temporary),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(space.sockets),  # connections are not shared between runs
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "1",
        "MAX_EVENT_RES": "4000000",  # characters; events are cut here, and say so
        RUN_VARIABLE: str(space.run_id),
    }
