"""Runs one command to its end: pumps its output, obeys the executor's letters, leaves no process behind."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable

from drover_executor.child import tree
from drover_executor.child.line import Line
from drover_executor.child.recorder import Recorder
from drover_executor.child.spec import ChildSpec, end_container

CANCEL, TIMEOUT, KILL = "c", "t", "k"  # what the executor may write
FLOOD = "f"  # the same end, for printing too much
_READ_BYTES = 256 * 1024
_ROOM_SECONDS = 0.5  # between looks at a disk that is full


class GuardGoneError(Exception):
    """Nobody ends this run in time any more, so it has ended; everything below is dead."""


class Playbook:
    """One run of the command in `spec`.

    Where its disk is nearly full nothing is read any more, so that the command waits in its next write, until
    there is room again: output is held back, never lost.
    """

    def __init__(
        self, spec: ChildSpec, recorder: Recorder, line: Line, guards_life: int, has_room: Callable[[], bool]
    ) -> None:
        self._spec, self._recorder, self._has_room = spec, recorder, has_room
        self._line, self._guards_life = line, guards_life
        self._force_at: float | None = None
        self._status: int | None = None
        self._listening, self._ended = True, False  # to the output; at its end
        self.stopped = ""

    def run(self) -> int:
        """Returns the exit status, negative for a signal. Raises GuardGoneError, OSError."""
        deaths_r, deaths_w = os.pipe()
        os.set_blocking(deaths_w, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(deaths_w, warn_on_full_buffer=False)
        output = self._start()
        with selectors.DefaultSelector() as selector:
            for descriptor in (output, self._guards_life, deaths_r):
                os.set_blocking(descriptor, False)
                selector.register(descriptor, selectors.EVENT_READ)
            self._line.attach(selector)
            while self._status is None:
                self._listen(selector, output)
                ready = {key.fd for key, _ in selector.select(self._wait_seconds())}
                if output in ready and self._listening:
                    self._ended = not self._pump(output)
                if self._guards_life in ready:
                    self._end_all()
                    raise GuardGoneError
                self._obey(self._line.letters())
                if deaths_r in ready:
                    os.read(deaths_r, 4096)
                self._collect(tree.reap())
                self._force_if_due()
        self._finish(output)
        return os.waitstatus_to_exitcode(self._status)

    def _listen(self, selector: selectors.BaseSelector, output: int) -> None:
        """Listen to the output while there may be more of it and room for it."""
        wanted = not self._ended and self._has_room()
        if wanted and not self._listening:
            selector.register(output, selectors.EVENT_READ)
        elif self._listening and not wanted:
            selector.unregister(output)
        self._listening = wanted

    def _start(self) -> int:
        """Start the command; returns the read end of what it prints, standard output and error in one."""
        output_r, output_w = self._pipe()
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # it may be ignored by whoever started the executor
        popen = subprocess.Popen(
            self._spec.command,
            cwd=self._spec.cwd,
            env=self._spec.env,
            stdin=subprocess.DEVNULL,  # no terminal: nothing can wait for an answer nobody gives
            stdout=output_w,
            stderr=output_w,
            preexec_fn=tree.die_with_parent,  # noqa: PLW1509 - this process has one thread
        )
        if self._spec.output is None:
            os.close(output_w)
        self._pid = popen.pid
        popen.returncode = 0  # its status is collected here, with the orphans'
        return output_r

    def _pipe(self) -> tuple[int, int]:
        """Both ends of a pipe; of a named one the writing end stays open, for nobody has opened it yet."""
        if self._spec.output is None:
            return os.pipe()
        reader = os.open(self._spec.output, os.O_RDONLY | os.O_NONBLOCK)
        return reader, os.open(self._spec.output, os.O_WRONLY)

    def _pump(self, output: int) -> bool:
        """Record what is there; False at the end of the output."""
        try:
            data = os.read(output, _READ_BYTES)
        except BlockingIOError:
            return True
        if not data:
            return False
        self._recorder.feed(data)
        limit = self._spec.max_output_bytes
        if limit and self._recorder.size > limit and not self.stopped:
            self.stopped, self._force_at = FLOOD, time.monotonic()
        self._line.ring()
        return True

    def _obey(self, letters: str) -> None:
        for letter in letters:
            self.stopped = self.stopped or letter
            if letter == KILL:
                self._force_at = time.monotonic()
            elif self._force_at is None:
                self._force_at = time.monotonic() + self._spec.grace_seconds
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._pid, signal.SIGINT)

    def _wait_seconds(self) -> float | None:
        waits = [] if self._listening or self._ended else [_ROOM_SECONDS]
        if self._force_at is not None:
            waits.append(max(0.0, self._force_at - time.monotonic()))
        return min(waits, default=None)

    def _force_if_due(self) -> None:
        if self._force_at is not None and self._status is None and time.monotonic() >= self._force_at:
            self._collect(self._end_all())

    def _end_all(self) -> dict[int, int]:
        """End the command and all it started, in a container too: pid → wait status."""
        ended = tree.end_below(os.getpid())
        if self._spec.end_command:
            end_container(self._spec.end_command, self._spec.env)
        return ended

    def _collect(self, ended: dict[int, int]) -> None:
        self._status = ended.get(self._pid, self._status)

    def _finish(self, output: int) -> None:
        """Record what it printed before its end, then end what it left behind, then the rest."""
        self._drain(output)
        tree.end_below(os.getpid())
        self._drain(output)
        os.close(output)

    def _drain(self, output: int) -> None:
        with contextlib.suppress(BlockingIOError):
            while data := os.read(output, _READ_BYTES):
                if self.stopped != FLOOD:
                    self._recorder.feed(data)
