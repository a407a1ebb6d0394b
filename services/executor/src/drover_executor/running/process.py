"""The executor's hand on a run's processes: those it started, or found alive when it was started again."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

from drover_executor.child.line import RING
from drover_executor.project.access import passed_environment
from drover_executor.running.record import ProcessId
from drover_executor.running.workspace import RUN_VARIABLE, Workspace

_SOCKET = "child"
_END_SECONDS = 5.0


class RunProcess:
    """A guard and its worker. `end` is readable when the guard has ended, `rings` when there is output."""

    def __init__(self, guard: ProcessId, end: int, line: socket.socket | None) -> None:
        self.guard, self.end = guard, end
        self._line = line

    @classmethod
    def start(cls, space: Workspace) -> "RunProcess":
        """Start them for the spec in the run's folder. Raises OSError."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(space.sockets / _SOCKET))
            listener.listen(8)
            pid = _started(space, listener.fileno())
        return cls(ProcessId.of(pid), os.pidfd_open(pid), _called(space))

    @classmethod
    def find(cls, guard: ProcessId, space: Workspace) -> "RunProcess | None":
        """Those that an executor before this one started; None where the guard is gone."""
        try:
            end = os.pidfd_open(guard.pid)
        except OSError:
            return None
        with contextlib.suppress(OSError):
            if ProcessId.of(guard.pid) == guard:
                return cls(guard, end, _called(space))
        os.close(end)
        return None

    @property
    def rings(self) -> int | None:
        """None where the worker is gone."""
        return None if self._line is None else self._line.fileno()

    def tell(self, letter: str) -> None:
        if self._line is not None:
            with contextlib.suppress(OSError):
                self._line.send(letter.encode())

    def hear(self) -> None:
        """Take all rings so far."""
        assert self._line is not None  # noqa: S101 - only who saw it ring calls this
        try:
            while read := self._line.recv(4096):
                assert not read.strip(RING)  # noqa: S101 - a worker says nothing else
        except BlockingIOError:
            return
        except OSError:
            pass
        self._line.close()
        self._line = None

    @property
    def ended(self) -> bool:
        return bool(select.select([self.end], [], [], 0)[0])

    def kill(self) -> None:
        """End the guard's session at once; who left it is found by the run's mark (`Workspace`)."""
        if not self.ended:  # else its number may be another's by now
            with contextlib.suppress(OSError):
                os.killpg(self.guard.pid, signal.SIGKILL)

    def close(self) -> None:
        """Let go of it, and collect it where it was this process's child."""
        if self._line is not None:
            self._line.close()
        select.select([self.end], [], [], _END_SECONDS)
        os.close(self.end)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.guard.pid, os.WNOHANG)


def _started(space: Workspace, listener: int) -> int:
    with (space.folder / "child.err").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-I", "-m", "drover_executor.child", str(space.folder), str(listener)],
            cwd=space.folder,
            env={**passed_environment(), RUN_VARIABLE: str(space.run_id), "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
            pass_fds=[listener],
        )
    process.returncode = 0  # collected by `close`, the same way as for processes that were found
    return process.pid


def _called(space: Workspace) -> socket.socket | None:
    line = socket.socket(socket.AF_UNIX)
    line.setblocking(False)
    try:
        line.connect(str(Path(space.sockets) / _SOCKET))
    except OSError:
        line.close()
        return None
    return line
