"""The executor: takes runs while it has free slots, and drains when it is told to stop."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from uuid import UUID

from drover_shared.logging import get_logger
from drover_shared.streams.progress import Progress

from drover_executor import metrics
from drover_executor.client.errors import ApiError, UnavailableError
from drover_executor.client.registration import Registration
from drover_executor.disk import Disk
from drover_executor.doorbell import BellBrokenError, DoorbellListener
from drover_executor.running.control import Control
from drover_executor.running.runner import FoundRun, RunnerFactory

_log = get_logger("drover.executor")
_LISTEN_SECONDS = 1.0
_POLL_SECONDS = 20  # of one long poll in http mode
_SHORT_POLL_SECONDS = 3  # of one while the broker is away
_PAUSE_SECONDS = 1.0
_STOP_LOOK_SECONDS = 0.5  # while a long poll is under way
_HEARTBEAT_SECONDS = 5.0
_UNSTORED = 100  # runs that have ended, each with its spool on disk


class Slots:
    """The runs in hand, never more than `count` at work. Safe for many threads.

    A run that has ended needs no slot while its last output waits for a store that is away; so many of those
    may there be that other runs still begin.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        metrics.SLOTS.set(count)
        self._runs: dict[UUID, Control] = {}
        self._changed = threading.Condition()

    def wait_free(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(self._has_room, seconds)

    def take(self, run_id: UUID) -> Control | None:
        """None where it is in hand already: a second claim would take its tokens away."""
        with self._changed:
            if run_id in self._runs:
                return None
            self._runs[run_id] = control = Control(self._notice)
            metrics.RUNS.set(len(self._runs))
            return control

    def free(self, run_id: UUID) -> None:
        with self._changed:
            self._runs.pop(run_id).close()
            metrics.RUNS.set(len(self._runs))
            self._changed.notify_all()

    def _has_room(self) -> bool:
        at_work = sum(not control.reported for control in self._runs.values())
        return at_work < self.count and len(self._runs) < self.count + _UNSTORED

    def _notice(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def wait_empty(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._runs, seconds)

    def running(self) -> list[UUID]:
        with self._changed:
            return list(self._runs)

    def stop_all(self, why: str) -> None:
        with self._changed:
            for control in self._runs.values():
                control.stop(why)


class Executor:
    """`listener` is None in http mode."""

    def __init__(
        self,
        factory: RunnerFactory,
        registration: Registration,
        slots: Slots,
        disk: Disk,
        listener: DoorbellListener | None,
        stop: threading.Event,
        progress: Progress,
        beats: Progress,
    ) -> None:
        self._beats = beats
        self._disk, self._disk_full = disk, False
        self._factory, self._registration, self._slots = factory, registration, slots
        self._progress = progress
        self._listener, self._stop = listener, stop
        self._drain = False

    def resume(self, found: Sequence[FoundRun]) -> None:
        """Go on with what an executor before this one left; each takes a slot, also beyond their number."""
        for run in found:
            control = self._slots.take(run.run_id)
            assert control is not None  # noqa: S101 - each run has one folder, and nothing is claimed yet
            self._in_thread(run.run_id, partial(self._factory.resume, run, control))

    def run(self, pools: tuple[str, ...], drain_seconds: float) -> None:
        """Take and run runs until `stop`; then give those in hand `drain_seconds` to end.

        What has not ended by then is killed. The next start in the same folder reports it, or its lease ends:
        either way a new attempt is made.
        """
        beats = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        beats.start()
        while not self._stop.is_set():
            self._progress.touch()
            takes_none = not self._has_room() or self._drain
            if takes_none or not self._slots.wait_free(0.0):
                self._quiet()
                self._stop.wait(_PAUSE_SECONDS) if takes_none else self._slots.wait_free(_LISTEN_SECONDS)
                continue
            run_id = self._next(pools)
            if run_id is not None and not self._drain and not self._stop.is_set():
                self._begin(run_id)  # else it was offered just before: others are offered it, too
        self._quiet()
        if not self._slots.wait_empty(drain_seconds):
            self._slots.stop_all("this executor stops")
            self._slots.wait_empty(_PAUSE_SECONDS * 5)
        beats.join(_PAUSE_SECONDS)

    def _has_room(self) -> bool:
        """Whether the disk would hold another run's output; says so where that changes."""
        room = self._disk.room_bytes
        metrics.ROOM.set(room)
        if (room < 0) != self._disk_full:
            self._disk_full = room < 0
            reserve = self._disk.reserve_bytes
            if self._disk_full:
                _log.warning("disk_nearly_full", free_bytes=room + reserve, reserve_bytes=reserve)
            else:
                _log.info("disk_has_room_again", free_bytes=room + reserve, reserve_bytes=reserve)
        return not self._disk_full

    def _next(self, pools: tuple[str, ...]) -> UUID | None:
        if self._listener is not None:
            try:
                return self._listener.next_run(_LISTEN_SECONDS)
            except BellBrokenError as error:
                _log.warning("broker_unavailable", error=str(error))
        seconds = _POLL_SECONDS if self._listener is None else _SHORT_POLL_SECONDS
        return self._unless_stopped(lambda: self._poll(seconds, pools))

    def _poll(self, seconds: int, pools: tuple[str, ...]) -> UUID | None:
        try:
            return self._registration.next_run(seconds, pools)
        except ApiError as error:
            _log.warning("poll_failed", error=str(error))
            later = error.retry_after if isinstance(error, UnavailableError) else 0.0
            self._stop.wait(max(_PAUSE_SECONDS, later))
            return None

    def _unless_stopped(self, poll: Callable[[], UUID | None]) -> UUID | None:
        """What `poll` returns; None where this executor is to stop before. A long poll holds up no stop."""
        found: SimpleQueue[UUID | None] = SimpleQueue()
        threading.Thread(target=lambda: found.put(poll()), name="poll", daemon=True).start()
        while not self._stop.is_set():
            with suppress(Empty):
                return found.get(timeout=_STOP_LOOK_SECONDS)
        return None

    def _begin(self, run_id: UUID) -> None:
        control = self._slots.take(run_id)
        if control is None:
            return
        claim = self._factory.claim(run_id)
        if claim is None:
            self._slots.free(run_id)
            return
        _log.info("run_claimed", job_run_id=str(run_id))
        self._in_thread(run_id, partial(self._factory.run, claim, control))

    def _in_thread(self, run_id: UUID, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            finally:
                self._slots.free(run_id)

        threading.Thread(target=run, name=f"run-{run_id}", daemon=True).start()

    def _quiet(self) -> None:
        if self._listener is not None:
            self._listener.close()

    def _beat(self) -> None:
        while not self._stop.wait(self._beat_once()):
            self._beats.touch()

    def _beat_once(self) -> float:
        """Report the runs in hand; returns how long to wait until the next time."""
        try:
            self._drain = self._registration.heartbeat(self._slots.running())
            return self._registration.identity().heartbeat_seconds
        except UnavailableError as error:
            _log.warning("executor_heartbeat_failed", error=str(error))
        except ApiError as error:
            _log.error("executor_refused", error=str(error))
        return _HEARTBEAT_SECONDS
