"""What a supervisor tells others: a state file, and a lock that lives exactly as long as it does."""

import fcntl
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from drover_cli.local.home import Home, write_private

LOCK_TRIES = 20
LOCK_PAUSE_SECONDS = 0.05


@dataclass
class ServiceState:
    """One process: `identity` tells it from a later process with the same pid; times are Unix seconds."""

    pid: int
    identity: str
    port: int
    started_at: float
    restarts: int = 0


@dataclass
class StackState:
    """`phase`: starting, ready, stopping, stopped or failed; `step` is what goes on now."""

    pid: int
    phase: str = "starting"
    step: str = ""
    steps: list[tuple[str, float]] = field(default_factory=list)
    services: dict[str, ServiceState] = field(default_factory=dict)
    error: str = ""
    hint: str = ""
    log: str = ""


def read_state(home: Home) -> StackState | None:
    """The last state written, maybe by a supervisor that is gone; None when there is none."""
    try:
        raw = json.loads(home.state_file.read_text())
        raw["services"] = {name: ServiceState(**value) for name, value in raw["services"].items()}
        raw["steps"] = [(name, seconds) for name, seconds in raw["steps"]]
        return StackState(**raw)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_state(home: Home, state: StackState) -> None:
    write_private(home.state_file, json.dumps(asdict(state)))


def is_running(home: Home) -> bool:
    """Whether a supervisor holds the lock: the kernel lets go of it at its death, however it dies."""
    try:
        with home.lock_file.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@contextmanager
def supervisor_lock(home: Home) -> Iterator[bool]:
    """Hold the lock while the body runs; yields False where another supervisor holds it."""
    with home.lock_file.open("a") as file:
        yield any(_try_lock(file) for _ in range(LOCK_TRIES))


def _try_lock(file: IO[str]) -> bool:
    """Those who only look (`is_running`) hold the lock for an instant, so one refusal says little."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(LOCK_PAUSE_SECONDS)
        return False
    return True


def identity(pid: int) -> str:
    """Something no other process with this pid has had: its start time. Empty when there is no process."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if fields[0] == "Z" else fields[19]  # field 22 of proc(5): start time in ticks after boot
    done = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    return done.stdout.strip()


def is_alive(service: ServiceState) -> bool:
    """Whether the very process that was started still runs."""
    return bool(service.identity) and identity(service.pid) == service.identity
