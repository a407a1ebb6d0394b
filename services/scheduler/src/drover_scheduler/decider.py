"""Decides for what messages tell of, in a thread of its own.

Messages that come while a decision is made share the next one: a flood of launches costs few decisions.
"""

import threading

from drover_shared.ids import IdSource
from drover_shared.logging import get_logger
from drover_shared.streams.failures import describe
from drover_shared.streams.progress import Progress
from sqlalchemy import Engine

from drover_scheduler import metrics
from drover_scheduler.scheduler import Bell, schedule_jobs

_WAIT_SECONDS = 0.5
_log = get_logger("drover.scheduler")


class Decider:
    """`job_waits` may be called from any thread; `bell` is used by the decider's own alone."""

    def __init__(
        self, engine: Engine, bell: Bell, new_id: IdSource, stop: threading.Event, progress: Progress
    ) -> None:
        self._engine, self._bell, self._new_id, self._stop = engine, bell, new_id, stop
        self._progress = progress
        self._jobs: set[int] = set()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._decide_all, name="decider", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, timeout: float = 5.0) -> None:
        """Let the decision in hand be made; `stop` is set before."""
        with self._changed:
            self._changed.notify_all()
        self._thread.join(timeout)

    def job_waits(self, job_id: int) -> None:
        """A job was launched, or has ended: its pool may have something to decide."""
        with self._changed:
            self._jobs.add(job_id)
            self._changed.notify_all()

    def _decide_all(self) -> None:
        while not self._stop.is_set():
            self._progress.touch()
            jobs = self._take()
            if not jobs:
                continue
            try:
                with metrics.DECISION_SECONDS.time():
                    schedule_jobs(self._engine, self._bell, self._new_id, jobs, "message")
            except Exception as error:  # noqa: BLE001 - the tick will find the jobs
                metrics.FAILURES.labels("message").inc()
                _log.warning("decision_failed", jobs=len(jobs), **describe(error))

    def _take(self) -> list[int]:
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._stop.is_set(), _WAIT_SECONDS)
            jobs, self._jobs = sorted(self._jobs), set()
        return jobs
