"""The life of a stream worker: read and prepare in one thread while the other commits, then acknowledge."""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from drover_shared import traces
from drover_shared.health import Check
from drover_shared.logging import get_logger
from drover_shared.streams import metrics
from drover_shared.streams.backoff import Backoff
from drover_shared.streams.failures import StopWorkerError, describe
from drover_shared.streams.group import ConsumerGroup, Entry, GroupSettings
from drover_shared.streams.progress import Progress

_WAIT_SECONDS = 0.5
_FORGET_SECONDS = 600.0
_log = get_logger("drover.streams")
Prepared = TypeVar("Prepared")


@dataclass(frozen=True, slots=True)
class Work(Generic[Prepared]):
    """What a worker does with entries.

    `prepare` needs no dependency, is repeatable, and raises for nothing that an entry may hold.
    `commit` makes it last, or raises and leaves nothing; committing the same entries again changes nothing.
    """

    prepare: Callable[[Sequence[Entry]], Prepared]
    commit: Callable[[Prepared], None]


@dataclass(frozen=True, slots=True)
class Turns:
    """The progress of a worker's two threads: either may hang while the other goes on."""

    reading: Progress
    committing: Progress

    def checks(self) -> Mapping[str, Check]:
        return {"reading": self.reading.check, "committing": self.committing.check}


@dataclass(frozen=True, slots=True)
class _Batch(Generic[Prepared]):
    entries: list[Entry]
    prepared: Prepared


class StreamWorker(Generic[Prepared]):
    """Runs until `stop`. A dependency that is away is waited for; nothing is acknowledged meanwhile."""

    def __init__(
        self,
        group: ConsumerGroup,
        settings: GroupSettings,
        work: Work[Prepared],
        stop: threading.Event,
        turns: Turns,
    ) -> None:
        self._group = group
        self._stream = settings.stream
        self._claim_seconds = settings.claim_idle_ms / 2000
        self._work = work
        self._stop = stop
        self._turns = turns
        self._batches: queue.Queue[_Batch[Prepared]] = queue.Queue(maxsize=1)
        self._in_hand: set[bytes] = set()
        self._due = {"claim": 0.0, "forget": time.monotonic() + _FORGET_SECONDS}

    def run(self) -> None:
        """Work until `stop` is set; the batches in hand are finished first. Raises StopWorkerError."""
        reader = threading.Thread(target=self._read_all, name="reader", daemon=True)
        reader.start()
        try:
            self._commit_all(reader)
        finally:
            self._stop.set()
            reader.join(timeout=5)

    # The reading thread

    def _read_all(self) -> None:
        backoff = Backoff()
        while not self._stop.is_set():
            self._turns.reading.touch()
            try:
                entries = self._next_entries()
                batch = _Batch(entries, self._work.prepare(entries)) if entries else None
                backoff.reset()
            except Exception as error:  # noqa: BLE001 - whatever it is, the entries stay pending and come again
                self._note_failure("read", error)
                self._stop.wait(backoff.next_delay())
                continue
            if batch is not None:
                self._hand_over(batch)

    def _next_entries(self) -> list[Entry]:
        entries = self._claimed() or self._group.read()
        return [entry for entry in entries if entry.id not in self._in_hand]

    def _claimed(self) -> list[Entry]:
        if not self._is_due("claim", self._claim_seconds):
            return []
        self._group.measure()
        if self._is_due("forget", _FORGET_SECONDS):
            self._group.forget_the_dead()
        entries = self._group.claim()
        if entries:
            self._due["claim"] = 0.0  # there may be more
        return entries

    def _is_due(self, name: str, every: float) -> bool:
        now = time.monotonic()
        if now < self._due[name]:
            return False
        self._due[name] = now + every
        return True

    def _hand_over(self, batch: _Batch[Prepared]) -> None:
        self._in_hand.update(entry.id for entry in batch.entries)
        while not self._stop.is_set():
            self._turns.reading.touch()
            try:
                self._batches.put(batch, timeout=_WAIT_SECONDS)
            except queue.Full:
                continue
            return

    # The committing thread

    def _commit_all(self, reader: threading.Thread) -> None:
        while True:
            self._turns.committing.touch()
            try:
                batch = self._batches.get(timeout=_WAIT_SECONDS)
            except queue.Empty:
                if self._stop.is_set() or not reader.is_alive():
                    return
                continue
            if self._until_done("commit", lambda batch=batch: self._work.commit(batch.prepared)):  # type: ignore[misc]
                self._measure(batch)
                self._until_done("acknowledge", lambda batch=batch: self._group.acknowledge(batch.entries))  # type: ignore[misc]
            self._in_hand.difference_update(entry.id for entry in batch.entries)

    def _until_done(self, step: str, action: Callable[[], None]) -> bool:
        """Try until it works, at least once; False where `stop` came before success."""
        backoff = Backoff()
        while True:
            self._turns.committing.touch()
            started = time.monotonic()
            try:
                action()
            except StopWorkerError:
                raise
            except Exception as error:  # noqa: BLE001 - nothing is lost by waiting: it is still in the stream
                self._note_failure(step, error)
            else:
                if step == "commit":
                    metrics.BATCH_SECONDS.labels(self._stream).observe(time.monotonic() - started)
                return True
            if self._stop.wait(backoff.next_delay()):
                return False

    def _measure(self, batch: _Batch[Prepared]) -> None:
        for entry in batch.entries:
            if (trace := entry.fields.get(b"traceparent")) is not None:
                traces.note(f"store {self._stream}", trace.decode(errors="replace"), entry.arrived_at)
        metrics.BATCHES.labels(self._stream).inc()
        metrics.ENTRIES.labels(self._stream).inc(len(batch.entries))
        metrics.LAG.labels(self._stream).observe(max(0.0, time.time() - batch.entries[0].arrived_at))

    def _note_failure(self, step: str, error: Exception) -> None:
        metrics.RETRIES.labels(self._stream, step).inc()
        _log.warning("stream_step_failed", step=step, **describe(error))
