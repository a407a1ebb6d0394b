"""`./drover admin`: an operator's commands on the local stack, run by the service that owns the data."""

import os
import subprocess
from collections.abc import Sequence

from drover_cli.console import told_plainly
from drover_cli.local.control import Stack
from drover_cli.local.errors import LocalError
from drover_cli.local.process import inherited_environment
from drover_cli.local.specs import Specs

# Whose command it is. `backup` and `restore` are no service's.
OWNERS = {
    "check": "api",
    "create-admin": "api",
    "rotate-keys": "api",
    "stats": "api",
    "drain": "api",
    "requeue": "scheduler",
    "job-retention": "scheduler",
    "dead-letters": "event-ingest",
    "retention": "event-ingest",
}


def run(stack: Stack, command: str, arguments: Sequence[str]) -> int:
    """Run an operator's command with the settings of the service that has it; returns its exit status."""
    with told_plainly():
        state = stack.current()
        if state is None or "postgres" not in state.services:
            raise LocalError("Drover is not running", hint="./drover up")
        ports = {name: service.port for name, service in state.services.items()}
        specs = Specs(stack.home, stack.home.secrets(), ports, os.environ)
        if command in OWNERS:
            program = specs.command(OWNERS[command], command, arguments)
        else:
            program = specs.backup("create" if command == "backup" else command, arguments)
    env = {**inherited_environment(), **program.env}
    return subprocess.run(program.command, env=env, cwd=program.cwd, check=False).returncode
