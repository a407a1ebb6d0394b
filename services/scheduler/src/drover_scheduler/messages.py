"""The Celery worker that hears of new jobs, in a thread of its own; it only passes on what it heard.

It is a doorbell: where Redis is away it waits for it, and the tick does the work meanwhile.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.worker import WorkController, state
from drover_shared.logging import get_logger
from drover_shared.queue import SCHEDULE_JOB, SCHEDULER_QUEUE, celery_app

_PAUSE_SECONDS = 1.0
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


class Listener:
    """Runs the worker until `close`, and starts it again should it end by itself."""

    def __init__(self, app: Celery, stop: threading.Event) -> None:
        self._app = app
        self._stop = stop
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
            try:
                _worker(self._app).start()
            except (Exception, SystemExit) as error:  # noqa: BLE001 - Celery ends a worker by SystemExit
                if self._stop.is_set():
                    return
                _log.warning("listener_failed", error=type(error).__name__)
            self._stop.wait(_PAUSE_SECONDS)


def _worker(app: Celery) -> Any:
    return WorkController(
        app=app,
        pool="solo",
        concurrency=1,
        queues=SCHEDULER_QUEUE,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
