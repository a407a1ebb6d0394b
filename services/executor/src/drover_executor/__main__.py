"""Composition root of the executor."""

import os
import threading
from functools import partial
from importlib.metadata import version

import redis
from drover_shared import traces
from drover_shared.clock import SystemClock
from drover_shared.health import Check, serve_health
from drover_shared.logging import configure, get_logger
from drover_shared.process import run_main, stop_on_signals
from drover_shared.settings import Environment
from drover_shared.streams.progress import Progress

from drover_executor.client.errors import ApiError
from drover_executor.client.registration import Registration
from drover_executor.client.run_api import Claim, RunApi
from drover_executor.client.transport import Transport
from drover_executor.containers.containers import Containers
from drover_executor.disk import Disk
from drover_executor.doorbell import DoorbellListener
from drover_executor.executor import Executor, Slots
from drover_executor.isolation import chosen_isolation, told
from drover_executor.running.runner import RunnerFactory, found_runs
from drover_executor.settings import HTTP, ExecutorSettings
from drover_executor.shipping.sinks import HttpSink, RedisSink, Sink, connect

_log = get_logger("drover.executor")
_RETRY_SECONDS = 1.0
_BEAT_LIMIT_SECONDS = 720.0  # the API may ask for one heartbeat in ten minutes


def main() -> int:
    settings = ExecutorSettings.read(Environment())
    configure("executor", settings.log)
    traces.configure("executor", Environment())
    os.umask(0o077)
    containers = chosen_isolation(settings, settings.folder)
    stop = stop_on_signals()
    settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    disk = Disk(settings.folder, settings.reserve_bytes)
    disk.check()
    found = found_runs(settings.folder)
    release = version("drover-executor")
    transport = Transport(settings.api_url, release)
    registration = Registration(
        transport,
        settings.registration_token,
        settings.name,
        settings.pools,
        settings.slots,
        release,
        told(containers),
    )
    client = None if settings.mode == HTTP else connect(settings.redis_url)
    registered = threading.Event()
    progress, beats = Progress(SystemClock()), Progress(SystemClock(), _BEAT_LIMIT_SECONDS)
    health = serve_health(
        settings.health,
        _checks(registered, client),
        {name: partial(_check_unless, stop, one) for name, one in (("taking", progress), ("beating", beats))},
    )
    executor = _executor(settings, disk, containers, transport, registration, client, stop, progress, beats)
    executor.resume(found)  # their leases do not wait until the API can be reached
    if containers is not None:
        containers.sweep()
    if _register(registration, stop, progress, beats):
        registered.set()
        _log.info("executor_ready", name=settings.name, pools=settings.pools, slots=settings.slots)
    executor.run(settings.pools, settings.drain_seconds)
    if health is not None:
        health.shutdown()
    transport.close()
    traces.close()
    return 0


def _executor(
    settings: ExecutorSettings,
    disk: Disk,
    containers: Containers | None,
    transport: Transport,
    registration: Registration,
    client: "redis.Redis | None",
    stop: threading.Event,
    progress: Progress,
    beats: Progress,
) -> Executor:
    def make_sink(claim: Claim, job_id: int, api: RunApi) -> Sink:
        return HttpSink(api) if client is None else RedisSink(client, claim, job_id)

    factory = RunnerFactory(settings, containers, transport, registration, make_sink)
    listener = None if client is None else DoorbellListener(settings.redis_url, settings.pools)
    return Executor(factory, registration, Slots(settings.slots), disk, listener, stop, progress, beats)


def _register(registration: Registration, stop: threading.Event, progress: Progress, beats: Progress) -> bool:
    """Register, trying until it works; False when told to stop before."""
    while not stop.is_set():
        progress.touch()
        beats.touch()
        try:
            registration.identity()
        except ApiError as error:
            _log.warning("registration_failed", error=str(error))
            stop.wait(_RETRY_SECONDS)
        else:
            return True
    return False


def _check_unless(stop: threading.Event, progress: Progress) -> None:
    """One that drains takes nothing on and reports nothing but its runs, for as long as it may."""
    if not stop.is_set():
        progress.check()


def _checks(registered: threading.Event, client: "redis.Redis | None") -> dict[str, Check]:
    def api() -> None:
        if not registered.is_set():
            raise ConnectionError

    def queue() -> None:
        if client is not None:
            client.ping()

    return {"api": api, "queue": queue}


if __name__ == "__main__":
    run_main(main)
