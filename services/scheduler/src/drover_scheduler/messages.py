"""The Celery worker that hears of new jobs, in a thread of its own; it only passes on what it heard.

It is a doorbell: where Redis is away it waits for it, and the tick does the work meanwhile.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any

from celery import Celery, bootsteps
from celery.worker import WorkController, state
from drover_shared.logging import get_logger
from drover_shared.queue import SCHEDULE_JOB, SCHEDULER_QUEUE, celery_app
from drover_shared.streams.progress import Progress

_PAUSE_SECONDS = 1.0
_TURN_SECONDS = 1.0
_log = get_logger("drover.scheduler")


def scheduler_app(redis_url: str, heard: Callable[[int], None]) -> Celery:
    """The Celery application with this service's task, which tells `heard`; nothing connects yet."""
    app = celery_app(redis_url)
    app.conf.update(
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        broker_connection_max_retries=1,  # its pauses grow to half a minute; `Listener` tries each second
    )

    @app.task(name=SCHEDULE_JOB)
    def on_schedule_job(job_id: int) -> None:
        heard(job_id)

    return app


def quiet_celery() -> None:
    """Celery logs two lines a task, and a traceback at `critical` whenever Redis is away; neither helps."""

    def brief(record: logging.LogRecord) -> bool:
        record.exc_info, record.levelno, record.levelname = None, logging.WARNING, "WARNING"
        return True

    for chatty in ("celery.app.trace", "celery.worker.strategy"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    for chatty in ("celery.worker", "celery.worker.consumer.consumer"):  # a filter holds for no child
        logging.getLogger(chatty).addFilter(brief)


class Turning(bootsteps.StartStopStep):
    """Touches the worker's `progress` from its own event loop: a task that hangs hangs that, too."""

    requires = ("celery.worker.components:Hub",)

    def __init__(self, worker: Any, *, progress: Progress, **options: Any) -> None:
        super().__init__(worker, **options)
        self._progress = progress
        self._entry: Any = None

    def start(self, worker: Any) -> None:
        # The hub's timer, for a thread's second worker has the first one's hub, and a timer that nobody asks.
        self._entry = worker.hub.timer.call_repeatedly(_TURN_SECONDS, self._progress.touch)

    def stop(self, worker: Any) -> None:  # noqa: ARG002 - Celery's signature
        if self._entry is not None:
            self._entry.cancel()


class Listener:
    """Runs the worker until `close`, and starts it again should it end by itself."""

    def __init__(self, app: Celery, stop: threading.Event, progress: Progress) -> None:
        self._app = app
        self._app.steps["worker"].add(Turning)
        self._stop = stop
        self._progress = progress
        self._thread = threading.Thread(target=self._listen, name="listener", daemon=True)

    def start(self) -> None:
        quiet_celery()
        self._thread.start()

    def close(self, timeout: float = 5.0) -> None:
        """Let the task in hand finish. A worker that waits for Redis is left behind: it holds nothing."""
        state.should_stop = 0  # type: ignore[assignment]  # an exit status; Celery's stubs know only None
        self._thread.join(timeout)

    def _listen(self) -> None:
        while not self._stop.is_set():
            self._progress.touch()
            try:
                _worker(self._app, self._progress).start()
            except (Exception, SystemExit) as error:  # noqa: BLE001 - Celery ends a worker by SystemExit
                if self._stop.is_set():
                    return
                _log.warning("listener_failed", error=type(error).__name__)
            self._stop.wait(_PAUSE_SECONDS)


def _worker(app: Celery, progress: Progress) -> Any:
    return WorkController(
        progress=progress,  # for `Turning`
        app=app,
        pool="solo",
        concurrency=1,
        queues=SCHEDULER_QUEUE,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
