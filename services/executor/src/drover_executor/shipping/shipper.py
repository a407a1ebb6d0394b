"""Sends a run's output as it appears, and again what vanished on the way."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drover_shared.logging import get_logger
from drover_shared.messages.streams import EVENTS_STREAM, LOGS_STREAM

from drover_executor import metrics
from drover_executor.client.run_api import Ranges, Stored
from drover_executor.shipping.ledger import Ledger, Sent
from drover_executor.shipping.release import STEP_BYTES, Release
from drover_executor.shipping.sinks import Sink, SinkUnavailableError
from drover_executor.shipping.spools import EventSpool, LogSpool

_log = get_logger("drover.executor.shipping")
_FIRST_RETRY, _LONGEST_RETRY = 0.2, 5.0  # seconds


class Shipper:
    """One run's output. Nothing here raises for a sink that is away: the spool keeps all of it.

    What is stored is given back to the disk, `release_bytes` and more at a time.
    """

    def __init__(
        self,
        spool: Path,
        sink: Sink,
        monotonic: Callable[[], float] = time.monotonic,
        release_bytes: int = STEP_BYTES,
    ) -> None:
        self._sink, self._monotonic = sink, monotonic
        events, log = spool / "events.jsonl", spool / "log"
        self._events = EventSpool(events, Release(events, release_bytes))
        self._log = LogSpool(log, Release(log, release_bytes), monotonic)
        self._event_ledger, self._log_ledger = Ledger(), Ledger()
        self._next_event, self._next_chunk = 1, 0
        self._retry_at, self._retry = 0.0, _FIRST_RETRY

    @classmethod
    def resumed(cls, spool: Path, sink: Sink) -> "Shipper":
        """For output that another process may have sent: what is there is sent only where it is missing."""
        shipper = cls(spool, sink)
        shipper._events.look()
        shipper._log.restore()
        shipper._take_for_sent()
        return shipper

    def _take_for_sent(self) -> None:
        long_ago = -self._event_ledger.longest
        self._next_event = self._events.released + 1
        while self._next_event <= self._events.count:
            last = self._next_event + len(self._events.batch(self._next_event, self._events.count)) - 1
            self._event_ledger.add(Sent(self._next_event, last, None, long_ago))
            self._next_event = last + 1
        for seq in range(self._log.released, self._log.count):
            self._log_ledger.add(Sent(seq, seq, None, long_ago))
        self._next_chunk = self._log.count

    @property
    def produced(self) -> tuple[int, int]:
        """(last event seq, last chunk seq): 0 and -1 for none."""
        return self._events.count, self._log.count - 1

    @property
    def all_sent(self) -> bool:
        return self._next_event > self._events.count and self._next_chunk >= self._log.count

    def totals(self) -> dict[str, Any]:
        """What `finish` tells of the output."""
        return {
            "last_seq": self._events.count,
            "log_chunks": self._log.count,
            "log_bytes": self._log.size,
            "log_sha256": self._log.sha256,
        }

    def look(self, *, at_end: bool = False) -> None:
        """Take note of what the playbook wrote since."""
        self._events.look()
        self._log.look(at_end=at_end)

    def send(self) -> None:
        """Send what is new, as far as the sink takes it now."""
        if self._monotonic() < self._retry_at:
            return
        try:
            while self._next_event <= self._events.count:
                last = self._send_events(self._next_event, self._events.count)
                self._next_event = last + 1
            while self._next_chunk < self._log.count:
                self._send_chunk(self._next_chunk)
                self._next_chunk += 1
        except SinkUnavailableError as error:
            self._back_off(error)
        else:
            self._retry, self._retry_at = _FIRST_RETRY, 0.0

    def wait_seconds(self) -> float | None:
        """How long `look` and `send` have nothing to do unless the playbook writes."""
        waits = [] if self.all_sent else [max(0.0, self._retry_at - self._monotonic())]
        due = self._log.due_in()
        return min(waits + ([] if due is None else [due]), default=None)

    def hear(self, stored: Stored) -> None:
        """Forget what is stored; send again what is not and does not wait in the stream either."""
        self._events.release(self._event_ledger.confirm(stored.committed_seq))
        self._log.release(self._log_ledger.confirm(stored.committed_log_seq))
        try:
            self._again(EVENTS_STREAM, self._event_ledger, stored.missing)
            self._again(LOGS_STREAM, self._log_ledger, stored.missing_log)
        except SinkUnavailableError as error:
            self._back_off(error)

    def _again(self, stream: str, ledger: Ledger, missing: Ranges) -> None:
        suspects = ledger.suspects(missing, self._monotonic())
        if not suspects:
            return
        waiting = self._sink.waiting(stream, suspects)
        lost = [sent for sent in suspects if sent.entry is None or sent.entry not in waiting]
        for sent in lost:
            if stream == EVENTS_STREAM:
                entry = self._sink.events(self._events.batch(sent.first, sent.last))
            else:
                entry = self._sink.chunk(sent.first, *self._log.chunk(sent.first))
            ledger.again(sent, entry, self._monotonic())
        if lost:
            metrics.SENT_AGAIN.labels(stream).inc(len(lost))
            _log.warning("output_sent_again", stream=stream, entries=len(lost), first=lost[0].first)

    def _send_events(self, first: int, last: int) -> int:
        batch = self._events.batch(first, last)
        last = first + len(batch) - 1
        entry = self._sink.events(batch)
        self._event_ledger.add(Sent(first, last, entry, self._monotonic()))
        return last

    def _send_chunk(self, seq: int) -> None:
        entry = self._sink.chunk(seq, *self._log.chunk(seq))
        self._log_ledger.add(Sent(seq, seq, entry, self._monotonic()))

    def _back_off(self, error: SinkUnavailableError) -> None:
        metrics.HELD_BACK.inc()
        if self._retry == _FIRST_RETRY:
            _log.warning("output_held_back", error=str(error))
        self._retry_at = self._monotonic() + self._retry
        self._retry = min(_LONGEST_RETRY, self._retry * 2)
