"""Starts, watches and stops a stack's supervisor from a command."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from drover_cli.local.errors import LocalError
from drover_cli.local.home import Home
from drover_cli.local.process import LAUNCHER, last_line
from drover_cli.local.state import StackState, is_running, read_state

POLL_SECONDS = 0.1
STOP_SECONDS = 45.0


@dataclass(frozen=True)
class Stack:
    """One home's stack, seen from outside of its supervisor."""

    home: Home

    def spawn(self, *, tied: bool) -> "subprocess.Popen[bytes]":
        """Start the supervisor. A tied one stops when this process ends, however it ends.

        Raises LocalError when a port is taken.
        """
        self.home.prepare(os.environ)
        command = [sys.executable, "-m", "drover_cli.local.supervisor"]
        if tied:
            launcher = [sys.executable, "-I", "-S", str(LAUNCHER), "--parent", str(os.getpid()), "--"]
            command = [*launcher, *command]
        env = {"DROVER_HOME": str(self.home.folder), "DROVER_PORT": str(self.home.api_port)}
        with self.home.log("supervisor").open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **env},
                cwd="/",
                start_new_session=True,
            )

    def wait_ready(
        self, process: "subprocess.Popen[bytes]", show: Callable[[StackState], None]
    ) -> StackState:
        """Follow the start of the supervisor `process`. Raises LocalError when it fails."""
        while True:
            ended = process.poll() is not None
            state = read_state(self.home)
            if state is not None and state.pid == process.pid:
                show(state)
                if state.phase == "ready":
                    return state
                if state.phase == "failed":
                    process.wait()
                    raise LocalError(
                        state.error, hint=state.hint, log=self.home.folder / (state.log or "logs")
                    )
            if ended:
                log = self.home.log("supervisor")
                raise LocalError(f"the supervisor ended: {last_line(log)}", log=log)
            time.sleep(POLL_SECONDS)

    def current(self) -> StackState | None:
        """The state of the running stack; None when none runs. Never that of a dead supervisor."""
        return read_state(self.home) if is_running(self.home) else None

    def was_told_to_stop(self) -> bool:
        """Whether the last supervisor ended because somebody asked it to (`./drover down`)."""
        state = read_state(self.home)
        return state is not None and state.phase == "stopped"

    def stop(self, process: "subprocess.Popen[bytes] | None" = None) -> bool:
        """Stop the stack and wait until nothing of it runs. Returns whether one ran; raises LocalError.

        `process` is a supervisor that was just spawned, and may be too young to hold its lock.
        """
        deadline = time.monotonic() + STOP_SECONDS
        asked = False
        if process is not None and process.poll() is None:
            process.terminate()
            asked = True
        while is_running(self.home) or (process is not None and process.poll() is None):
            state = read_state(self.home)
            if state is not None and not asked:
                os.kill(state.pid, signal.SIGTERM)
                asked = True
            if time.monotonic() > deadline:
                raise LocalError(
                    "the stack does not stop", hint="look at its log", log=self.home.log("supervisor")
                )
            time.sleep(POLL_SECONDS)
        return asked
