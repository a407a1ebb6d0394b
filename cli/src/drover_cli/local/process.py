"""One child process in its own process group, with its output in a log file."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from drover_cli.local.errors import LocalError

LAUNCHER = Path(__file__).with_name("launcher.py")
POLL_SECONDS = 0.02
LOG_BYTES = 20_000_000  # a longer log is set aside at the next start


@dataclass(frozen=True)
class Program:
    """How to run something: `stop_signal` asks it to end (and is what it gets when its parent dies).

    Of the caller's DROVER_… variables it sees those in `env` alone.
    """

    name: str
    command: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    user: str = ""
    stop_seconds: float = 10.0


class Child:
    """A started `Program`."""

    def __init__(self, program: Program) -> None:
        self.program = program
        program.log.parent.mkdir(parents=True, exist_ok=True)
        if program.log.exists() and program.log.stat().st_size > LOG_BYTES:
            program.log.replace(program.log.with_suffix(".old.log"))
        launcher = [sys.executable, "-I", "-S", str(LAUNCHER), "--parent", str(os.getpid())]
        launcher += ["--death-signal", program.stop_signal.name, "--user", program.user, "--"]
        with program.log.open("ab") as log:
            self._popen = subprocess.Popen(
                [*launcher, *program.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**inherited_environment(), **program.env},
                cwd=program.cwd,
                start_new_session=True,  # Ctrl-C reaches the supervisor alone; it stops its children in order
            )
        self.pid = self._popen.pid

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._popen.poll()

    def ask_to_stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, self.program.stop_signal)

    def stop(self, timeout: float | None = None) -> None:
        """Ask it to stop, wait `timeout` seconds (by default the program's own), then kill the group."""
        if self.exit_code() is None:
            self.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(self.program.stop_seconds if timeout is None else timeout)
        self.kill()

    def kill(self) -> None:
        """End the process and all that it left in its group, at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()


def inherited_environment() -> dict[str, str]:
    """The caller's environment without what speaks to Drover's services."""
    return {name: value for name, value in os.environ.items() if not name.startswith("DROVER_")}


def wait_until(
    ready: Callable[[], bool], child: Child, seconds: float, pause: Callable[[float], None] = time.sleep
) -> None:
    """Poll `ready` until it is true. Raises LocalError when the child ends first or `seconds` pass."""
    name, log = child.program.name, child.program.log
    deadline = time.monotonic() + seconds
    while not ready():
        code = child.exit_code()
        if code is not None:
            raise LocalError(f"{name} ended while starting (exit {code}): {last_line(log)}", log=log)
        if time.monotonic() > deadline:
            raise LocalError(f"{name} was not ready after {seconds:.0f} s", log=log)
        pause(POLL_SECONDS)


def last_line(log: Path) -> str:
    """The last line of a log that says something; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
