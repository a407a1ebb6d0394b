"""The executor that is tried: anybody's command, with its environment and the folder that it works in."""

import os
import shlex
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from drover_cli.conformance.kit import BrokenRuleError

SLOTS = 3
DRAIN_SECONDS = 2
_LAST_CHARS = 2000


class Subject:
    """Started in a session of its own; what it prints is in `log`."""

    def __init__(self, command: str, folder: Path, api_url: str, registration_token: str) -> None:
        self._command, self._folder = shlex.split(command), folder
        self.log = folder / "executor.log"
        self._env = {
            "DROVER_API_URL": api_url,
            "DROVER_REGISTRATION_TOKEN": registration_token,
            "DROVER_EXECUTOR_MODE": "http",
            "DROVER_EXECUTOR_NAME": "conformance",
            "DROVER_EXECUTOR_POOLS": "conformance",
            "DROVER_EXECUTOR_SLOTS": str(SLOTS),
            "DROVER_EXECUTOR_DIR": str(folder / "executor"),
            "DROVER_EXECUTOR_LOCAL_ROOTS": str(folder),
            "DROVER_EXECUTOR_DRAIN_SECONDS": str(DRAIN_SECONDS),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Raises BrokenRuleError where there is no such command."""
        (self._folder / "executor").mkdir(exist_ok=True)
        try:
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    self._command,
                    env={**os.environ, **self._env},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            raise BrokenRuleError(f"it does not start: {error}") from error

    def terminate(self, seconds: float) -> int | None:
        """SIGTERM; its exit status, None where it is still there after so long."""
        if self._process is None:
            return 0
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None

    def kill(self) -> None:
        """`kill -9` of the executor alone: of what it started, nothing is ended here."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self, *, frozen: bool) -> None:
        """SIGSTOP, or SIGCONT, to the executor alone."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)

    def end(self) -> None:
        """End its whole process group, whatever it is doing."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    @property
    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-_LAST_CHARS:] if self.log.exists() else ""

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None
