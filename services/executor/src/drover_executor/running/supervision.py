"""Watches the processes of one run to their end: ships their output, passes on what is asked of them."""

import contextlib
import select
import time

from drover_executor.child.guard import EXPIRED
from drover_executor.child.playbook import CANCEL, KILL, TIMEOUT
from drover_executor.child.spec import ChildResult
from drover_executor.lease_clock import lease_clock
from drover_executor.running.command import GRACE_SECONDS
from drover_executor.running.control import GRACEFUL, NONE, Control
from drover_executor.running.lease import Lease
from drover_executor.running.process import RunProcess
from drover_executor.running.workspace import Workspace
from drover_executor.shipping.shipper import Shipper

_PACE_SECONDS = 0.05  # output is looked at no more often than this
_UNRUNG_SECONDS = 0.5  # and this often where nobody rings
_OVERDUE_SECONDS = 15.0  # a worker that has not ended this long after it had to is ended from outside
_ERRORS_CHARS = 2000


class Supervision:
    """`stop_at`: when the job's time is over, by `lease_clock`; None for no limit."""

    def __init__(
        self, space: Workspace, control: Control, lease: Lease, shipper: Shipper, stop_at: float | None
    ) -> None:
        self._space, self._control, self._lease, self._shipper = space, control, lease, shipper
        self._stop_at = stop_at
        self._told = ""
        self._overdue_at: float | None = None

    def run(self, process: RunProcess) -> ChildResult | None:
        """Watch it to the end; None where it died without a result."""
        try:
            self._watch(process)
        finally:
            process.kill()
            self._space.kill_processes()
            process.close()
        self._shipper.look(at_end=True)
        return ChildResult.read(self._space.folder)

    @property
    def expired(self) -> bool:
        """Whether the guard ended the run, because nobody moved its deadline in time."""
        return (self._space.folder / EXPIRED).exists()

    @property
    def last_words(self) -> str:
        """What a child that died without a result left on its standard error; for the executor's own log."""
        with contextlib.suppress(OSError):
            return (self._space.folder / "child.err").read_text(errors="replace")[-_ERRORS_CHARS:]
        return ""

    def _watch(self, process: RunProcess) -> None:
        while True:
            rings = process.rings
            heard = [process.end, self._control.bell] + ([] if rings is None else [rings])
            ready, _, _ = select.select(heard, [], [], self._wait_seconds(process))
            if process.end in ready:
                return
            if rings in ready:
                process.hear()
                self._control.changed.wait(_PACE_SECONDS)
            if self._control.bell in ready:
                self._control.quiet()
            self._ship()
            self._pass_on(process)
            if self._overdue_at is not None and time.monotonic() > self._overdue_at:
                return

    def _ship(self) -> None:
        self._shipper.look()
        self._control.produced = self._shipper.produced
        self._shipper.send()
        stored = self._control.take_stored()
        if stored is not None:
            self._shipper.hear(stored)

    def _wait_seconds(self, process: RunProcess) -> float | None:
        waits = [self._shipper.wait_seconds(), max(0.0, self._lease.left) if not self._told else None]
        if process.rings is None:
            waits.append(_UNRUNG_SECONDS)
        if not self._told and self._stop_at is not None:
            waits.append(max(0.0, self._stop_at - lease_clock()))
        if self._overdue_at is not None:
            waits.append(max(0.0, self._overdue_at - time.monotonic()))
        return min((wait for wait in waits if wait is not None), default=None)

    def _pass_on(self, process: RunProcess) -> None:
        """Tell the child to end where that is due: gently first, at once where the attempt is not ours."""
        if self._lease.left <= 0:  # whatever the keeper still waits for
            self._control.abandon("the lease is about to end")
        if self._control.abandoned or self._control.cancel not in (NONE, GRACEFUL):
            self._tell(process, KILL, 0.0)
        elif self._control.cancel == GRACEFUL:
            self._tell(process, CANCEL, GRACE_SECONDS)
        elif self._stop_at is not None and lease_clock() >= self._stop_at:
            self._tell(process, TIMEOUT, GRACE_SECONDS)

    def _tell(self, process: RunProcess, letter: str, grace: float) -> None:
        if self._told in (letter, KILL):
            return
        self._told = letter
        self._overdue_at = time.monotonic() + grace + _OVERDUE_SECONDS
        process.tell(letter)
