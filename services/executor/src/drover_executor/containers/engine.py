"""The container engine of this machine, by its command line."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from drover_executor.containers.settings import ANY_ENGINE, DOCKER, PODMAN
from drover_executor.project.access import passed_environment
from drover_executor.running.commands import Ended, run_helper

_VERSION = {PODMAN: "{{.Version.Version}}", DOCKER: "{{.ServerVersion}}"}  # asks docker's daemon too
_OWN = ("CONTAINERS_", "DOCKER_", "XDG_", "DBUS_")  # how engines find their storage and their daemon
_QUICK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answers; its commands get this process's own settings for engines and no token."""

    name: str
    program: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    def run(
        self,
        arguments: Sequence[str],
        seconds: float = _QUICK_SECONDS,
        check: Callable[[], None] = lambda: None,
    ) -> Ended:
        """Raises TooSlowError, OSError, and what `check` raises, which is called meanwhile."""
        command = [self.program, *arguments]
        return run_helper(command, env=engine_environment(), cwd=Path("/"), seconds=seconds, check=check)


def engine_environment() -> dict[str, str]:
    """What an engine's client needs of this process's environment."""
    own = {key: value for key, value in os.environ.items() if key.startswith(_OWN)}
    return {**passed_environment(), **own}


def find_engine(wanted: str) -> Engine | None:
    """The first engine of this machine that works: podman before docker; None where there is none."""
    for name in (PODMAN, DOCKER) if wanted == ANY_ENGINE else (wanted,):
        program = shutil.which(name)
        if program and (version := _version(name, program)):
            return Engine(name, program, version)
    return None


def _version(name: str, program: str) -> str:
    """Empty where the engine does not work."""
    try:
        done = subprocess.run(
            [program, "info", "--format", _VERSION[name]],
            check=False,
            env=engine_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_QUICK_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
