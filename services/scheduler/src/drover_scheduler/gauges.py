"""Measures the whole system now and then, whichever of its other services are up."""

import threading
from collections.abc import Mapping
from typing import Any

import redis
from drover_shared.logging import get_logger
from drover_shared.messages.streams import EVENTS_STREAM, LOGS_STREAM
from drover_shared.queue import SCHEDULER_QUEUE, pool_queue
from drover_shared.streams import metrics as stream_metrics
from drover_shared.streams.failures import describe
from drover_shared.streams.progress import Progress
from prometheus_client import Gauge
from sqlalchemy import Connection, Engine, text

from drover_scheduler import metrics

EVERY_SECONDS = 10.0
STATUSES, STATES = ("pending", "queued", "running"), ("pending", "starting", "running")
_log = get_logger("drover.scheduler.gauges")

_JOBS = text("""
    SELECT status, count(*), extract(epoch FROM now() - min(created_at))
    FROM jobs WHERE status IN ('pending', 'queued', 'running') GROUP BY status
""")
_RUNS = text("""
    SELECT state, count(*) FROM job_runs WHERE state IN ('pending', 'starting', 'running') GROUP BY state
""")
_HEARTBEAT = text("""
    SELECT extract(epoch FROM now() - min(last_heartbeat_at))
    FROM job_runs WHERE state = 'running' AND state IN ('starting', 'running')  -- as the index has it
""")
_LETTERS = text("SELECT count(*) FROM (SELECT FROM dead_letters LIMIT 10000) AS letters")
_POOLS = text("SELECT name FROM executor_pools ORDER BY name LIMIT 100")
_EXECUTORS = text("SELECT last_seen_at > now() - interval '1 minute', count(*) FROM executors GROUP BY 1")


def measure_database(connection: Connection) -> list[str]:
    """Note what the tables say; returns the names of the pools."""
    jobs = {row[0]: row for row in connection.execute(_JOBS)}
    for status in STATUSES:
        row = jobs.get(status, (status, 0, 0))
        metrics.JOBS.labels(status).set(row[1])
        metrics.OLDEST_JOB_SECONDS.labels(status).set(float(row[2]))
    _set_all(metrics.RUNS, STATES, {row[0]: row[1] for row in connection.execute(_RUNS)})
    metrics.HEARTBEAT_SECONDS.set(float(connection.scalar(_HEARTBEAT) or 0))
    metrics.LETTERS.set(connection.scalar(_LETTERS) or 0)
    alive = {"yes" if row[0] else "no": row[1] for row in connection.execute(_EXECUTORS)}
    _set_all(metrics.EXECUTORS, ("yes", "no"), alive)
    return list(connection.scalars(_POOLS))


def measure_redis(client: redis.Redis, pools: list[str]) -> None:
    """Note how much waits in the streams and queues, and for how long."""
    now = client.time()
    for stream in (EVENTS_STREAM, LOGS_STREAM):
        length: Any = client.xlen(stream)
        stream_metrics.LENGTH.labels(stream).set(length)
        first: Any = client.xrange(stream, count=1)
        age = now[0] + now[1] / 1e6 - int(first[0][0].split(b"-")[0]) / 1000 if first else 0.0
        stream_metrics.OLDEST_SECONDS.labels(stream).set(max(0.0, age))
    for queue in (SCHEDULER_QUEUE, *(pool_queue(pool).name for pool in pools)):
        waiting: Any = client.llen(queue)
        metrics.QUEUE_LENGTH.labels(queue).set(waiting)


def _set_all(gauge: Gauge, labels: tuple[str, ...], found: Mapping[str, int]) -> None:
    for label in labels:
        gauge.labels(label).set(found.get(label, 0))


def keep_measuring(
    engine: Engine, client: redis.Redis, stop: threading.Event, progress: Progress
) -> threading.Thread:
    """Measure in a thread of its own until `stop`; what cannot be measured keeps its last value."""

    def work() -> None:
        pools: list[str] = []
        while not stop.is_set():
            progress.touch()
            try:
                with engine.connect() as connection:
                    pools = measure_database(connection)
            except Exception as error:  # noqa: BLE001 - measuring must not end, and disturbs nothing
                _log.debug("database_not_measured", **describe(error))
            try:
                measure_redis(client, pools)
            except Exception as error:  # noqa: BLE001 - as above
                _log.debug("queue_not_measured", **describe(error))
            stop.wait(EVERY_SECONDS)

    thread = threading.Thread(target=work, name="gauges", daemon=True)
    thread.start()
    return thread
