"""What every stream worker's entry point does between its settings and its end."""

import threading
from collections.abc import Callable, Mapping
from typing import TypeVar

import redis

from drover_shared.clock import SystemClock
from drover_shared.health import Check, serve_health
from drover_shared.logging import get_logger
from drover_shared.settings import HealthSettings
from drover_shared.streams.failures import StopWorkerError
from drover_shared.streams.group import ConsumerGroup, GroupSettings, consumer_name
from drover_shared.streams.progress import Progress
from drover_shared.streams.worker import StreamWorker, Turns, Work

_T = TypeVar("_T")
_log = get_logger("drover.streams")


def run_stream_service(
    client: redis.Redis,
    settings: GroupSettings,
    work: Work[_T],
    stop: threading.Event,
    health: HealthSettings,
    checks: Mapping[str, Check],
    loops: Mapping[str, Check],
) -> int:
    """Work off a stream until `stop`; answers probes meanwhile. Returns the exit status.

    `loops` are those of the service beside the two that it has for this.
    """
    clock = SystemClock()
    turns = Turns(Progress(clock), Progress(clock))
    name = consumer_name()
    server = serve_health(health, {**checks, "queue": _ping(client)}, {**turns.checks(), **loops})
    _log.info("worker_started", stream=settings.stream, consumer=name)
    try:
        StreamWorker(ConsumerGroup(client, settings, name), settings, work, stop, turns).run()
    except StopWorkerError as error:
        _log.critical("worker_stopped", reason=str(error))
        return 1
    finally:
        if server is not None:
            server.shutdown()
    _log.info("worker_ended", stream=settings.stream)
    return 0


def _ping(client: redis.Redis) -> Callable[[], None]:
    def check() -> None:
        client.ping()

    return check
