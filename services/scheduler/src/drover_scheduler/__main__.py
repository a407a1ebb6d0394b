"""`python -m drover_scheduler`: jobs into run attempts, and an eye on their leases and time-outs;
`… requeue` looks at what waits at once, `… job-retention` removes jobs that ended long ago.
"""

import sys
import threading
from functools import partial

import redis
from drover_shared import traces
from drover_shared.clock import SystemClock
from drover_shared.db.engine import check_database, make_engine
from drover_shared.health import serve_health
from drover_shared.ids import new_run_id
from drover_shared.logging import configure, get_logger
from drover_shared.process import run_main, stop_on_signals
from drover_shared.queue import Doorbell, quick_client
from drover_shared.settings import Environment, LogSettings, SettingsError
from drover_shared.streams.progress import Progress

from drover_scheduler import retention, retention_command
from drover_scheduler.decider import Decider
from drover_scheduler.gauges import keep_measuring
from drover_scheduler.lease_time import LeaseTime
from drover_scheduler.messages import Listener, scheduler_app
from drover_scheduler.requeue import requeue
from drover_scheduler.scheduler import Tick
from drover_scheduler.settings import Settings

_log = get_logger("drover.scheduler")


def main() -> int:
    env = Environment()
    match sys.argv[1:]:
        case []:
            return serve(env)
        case ["requeue", *arguments]:
            return requeue(arguments, env)
        case ["job-retention", *arguments]:
            return retention_command.run_command(arguments, env)
        case other:
            raise SettingsError(f"unknown arguments {other}: the commands are requeue and job-retention")


def serve(env: Environment) -> int:
    settings = Settings.read(env)
    configure("scheduler", LogSettings.read(env))
    traces.configure("scheduler", env)
    stop = stop_on_signals()
    clock = SystemClock()
    engine = make_engine(settings.worker.database_url, pool_size=2, application="drover-scheduler")
    client = quick_client(settings.worker.redis_url)
    bell = Doorbell(settings.worker.redis_url)
    tick = Tick(
        engine,
        client,
        bell,
        clock,
        new_run_id,
        tick_seconds=settings.tick_seconds,
        lease_grace_seconds=settings.lease_grace_seconds,
        lease_time=LeaseTime(clock, settings.lease_seconds + settings.lease_grace_seconds),
    )
    turns = {name: Progress(clock) for name in ("tick", "decider", "gauges", "listener")}
    if settings.s3 is not None:
        turns["retention"] = Progress(clock, retention.LIMIT_SECONDS)
    checks = {"database": partial(check_database, engine), "queue": partial(check_queue, client)}
    server = serve_health(settings.worker.health, checks, {name: turn.check for name, turn in turns.items()})
    deciders_bell = Doorbell(settings.worker.redis_url)  # one is not for two threads
    decider = Decider(engine, deciders_bell, new_run_id, stop, turns["decider"])
    decider.start()
    listener = Listener(scheduler_app(settings.worker.redis_url, decider.job_waits), stop, turns["listener"])
    listener.start()
    measuring = keep_measuring(engine, quick_client(settings.worker.redis_url), stop, turns["gauges"])
    if settings.s3 is not None:
        objects = retention.open_store(settings.s3)
        retention.keep_retention(engine, objects.delete_many, stop, settings.jobs_days, turns["retention"])
    _log.info("scheduler_started")
    tick_until(stop, tick, turns["tick"])
    listener.close()
    decider.close()
    deciders_bell.close()
    measuring.join(timeout=2)
    bell.close()
    client.close()
    engine.dispose()
    traces.close()
    if server is not None:
        server.shutdown()
    _log.info("scheduler_ended")
    return 0


def check_queue(client: redis.Redis) -> None:
    client.ping()


def tick_until(stop: threading.Event, tick: Tick, progress: Progress) -> None:
    """Tick until `stop`, waiting as long as each tick says."""
    while not stop.is_set():
        progress.touch()
        stop.wait(tick.run())


if __name__ == "__main__":
    run_main(main)
