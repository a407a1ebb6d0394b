"""The executor's hand on the child process that runs the playbook."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time

from drover_executor.child.playbook import CANCEL, KILL, TIMEOUT
from drover_executor.child.spec import ChildResult, ChildSpec
from drover_executor.project.access import passed_environment
from drover_executor.running.control import GRACEFUL, NONE, Control, Lease
from drover_executor.running.workspace import RUN_VARIABLE, Workspace
from drover_executor.shipping.shipper import Shipper

_PACE_SECONDS = 0.05  # output is looked at no more often than this
_OVERDUE_SECONDS = 15.0  # a child that has not ended this long after it had to is ended from outside
_ERRORS_CHARS = 2000


class Supervision:
    """Watches one child to its end: ships its output, passes on what is asked of it."""

    def __init__(
        self, space: Workspace, spec: ChildSpec, control: Control, lease: Lease, shipper: Shipper
    ) -> None:
        self._space, self._spec, self._control, self._shipper = space, spec, control, shipper
        self._lease = lease
        self._told = ""
        self._overdue_at: float | None = None

    def run(self, timeout_seconds: float) -> ChildResult | None:
        """Run to the end; None where the child died without a result. 0 seconds is no limit."""
        self._spec.write(self._space.folder)
        deadline = time.monotonic() + timeout_seconds if timeout_seconds else None
        with self._started() as child:
            try:
                self._watch(child, deadline)
            finally:
                with contextlib.suppress(OSError):
                    os.killpg(child.pid, signal.SIGKILL)
                self._space.kill_processes()
        self._shipper.look(at_end=True)
        return ChildResult.read(self._space.folder)

    @property
    def last_words(self) -> str:
        """What a child that died without a result left on its standard error; for the executor's own log."""
        with contextlib.suppress(OSError):
            return (self._space.folder / "child.err").read_text(errors="replace")[-_ERRORS_CHARS:]
        return ""

    def _started(self) -> "subprocess.Popen[bytes]":
        with (self._space.folder / "child.err").open("wb") as errors:
            return subprocess.Popen(
                [sys.executable, "-I", "-m", "drover_executor.child", str(self._space.folder)],
                cwd=self._space.folder,
                env={**passed_environment(), RUN_VARIABLE: str(self._space.run_id), "LC_ALL": "C.UTF-8"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                bufsize=0,
            )

    def _watch(self, child: "subprocess.Popen[bytes]", deadline: float | None) -> None:
        assert child.stdout is not None  # noqa: S101 - it was started with a pipe
        output = child.stdout.fileno()
        os.set_blocking(output, False)
        alive = True
        while alive:
            wait = self._wait_seconds(deadline)
            ready, _, _ = select.select([output, self._control.bell], [], [], wait)
            if output in ready:
                alive = _drained(output)
                if alive:
                    self._control.changed.wait(_PACE_SECONDS)
            if self._control.bell in ready:
                self._control.quiet()
            self._ship()
            self._pass_on(child, deadline)
            if self._overdue_at is not None and time.monotonic() > self._overdue_at:
                return

    def _ship(self) -> None:
        self._shipper.look()
        self._control.produced = self._shipper.produced
        self._shipper.send()
        stored = self._control.take_stored()
        if stored is not None:
            self._shipper.hear(stored)

    def _wait_seconds(self, deadline: float | None) -> float | None:
        now = time.monotonic()
        waits = [self._shipper.wait_seconds(), max(0.0, self._lease.left) if not self._told else None]
        if not self._told and deadline is not None:
            waits.append(max(0.0, deadline - now))
        if self._overdue_at is not None:
            waits.append(max(0.0, self._overdue_at - now))
        return min((wait for wait in waits if wait is not None), default=None)

    def _pass_on(self, child: "subprocess.Popen[bytes]", deadline: float | None) -> None:
        """Tell the child to end where that is due: gently first, at once where the attempt is not ours."""
        if self._lease.left <= 0:  # whatever the keeper still waits for
            self._control.abandon("the lease is about to end")
        if self._control.abandoned or self._control.cancel not in (NONE, GRACEFUL):
            self._tell(child, KILL, 0.0)
        elif self._control.cancel == GRACEFUL:
            self._tell(child, CANCEL, self._spec.grace_seconds)
        elif deadline is not None and time.monotonic() >= deadline:
            self._tell(child, TIMEOUT, self._spec.grace_seconds)

    def _tell(self, child: "subprocess.Popen[bytes]", letter: str, grace: float) -> None:
        if self._told in (letter, KILL):
            return
        self._told = letter
        self._overdue_at = time.monotonic() + grace + _OVERDUE_SECONDS
        assert child.stdin is not None  # noqa: S101 - it was started with a pipe
        with contextlib.suppress(OSError):
            child.stdin.write(letter.encode())


def _drained(descriptor: int) -> bool:
    """Take all rings so far; False at the end of the child."""
    try:
        while os.read(descriptor, 4096):
            pass
    except BlockingIOError:
        return True
    return False
