"""What the executor tells its child, and what the child tells it at the end; files in the run's folder."""

import contextlib
import json
import os
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SPEC = "child.json"
END = "end.json"  # how the run's container is ended; without secrets
RESULT = "result.json"
SPOOL = "spool"
PRIVATE = "private"
_END_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How to run the playbook. It holds secrets: mode 0600, and gone as soon as the child has read it."""

    command: list[str]
    cwd: str
    env: dict[str, str] = field(repr=False)
    secrets: list[str] = field(repr=False)
    events_dir: str  # where the display callback leaves its events
    grace_seconds: float  # between an interrupt and the end by force
    agent_socket: str | None = None  # where an ssh-agent is to listen
    agent_keys: list[dict[str, str]] = field(default_factory=list)  # {"key": path, "passphrase": path or ""}
    reserve_bytes: int = 0  # free space on the spool's disk that output must leave
    output: str | None = None  # a named pipe that the command writes to; None for its standard output
    max_output_bytes: int = 0  # of the log and the events; it is ended when it prints more; 0 is no limit
    facts_dir: str | None = None  # Ansible's fact cache, where what is in it at the end is wanted
    end_command: list[str] = field(default_factory=list)  # ends what is not below this process: a container

    def write(self, folder: Path) -> None:
        _write(folder / SPEC, asdict(self))
        if self.end_command:
            _write(folder / END, {"command": self.end_command, "env": self.env})

    @classmethod
    def take(cls, folder: Path) -> "ChildSpec":
        """Read it and remove it."""
        path = folder / SPEC
        spec = cls(**json.loads(path.read_bytes()))
        path.unlink()
        return spec


def _write(path: Path, value: Any) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(value, file)


def end_container(command: list[str], env: dict[str, str]) -> None:
    """Run what ends a container; nothing is raised, for there is nobody left to do better."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(
            command,
            check=False,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_END_SECONDS,
        )


def end_container_of(folder: Path) -> None:
    """The same for the run in `folder`, where it has a container."""
    with contextlib.suppress(OSError, ValueError):
        end = json.loads((folder / END).read_bytes())
        end_container(end["command"], end["env"])


@dataclass(frozen=True, slots=True)
class ChildResult:
    """How the playbook ended. `stopped`: it was told to, and by which letter; `started`: a playbook began."""

    rc: int
    started: bool
    stopped: str
    last_error: str
    key_refused: str = ""  # why ssh-add did not take a key; nothing was started then
    artifacts: dict[str, Any] = field(default_factory=dict)  # of set_stats

    def write(self, folder: Path) -> None:
        temporary = folder / f"{RESULT}.tmp"
        temporary.write_text(json.dumps(asdict(self)))
        temporary.replace(folder / RESULT)

    @classmethod
    def read(cls, folder: Path) -> "ChildResult | None":
        """None where the child did not come to its end."""
        try:
            return cls(**json.loads((folder / RESULT).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None
