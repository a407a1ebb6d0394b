"""`python -m drover_log_store`: log chunks from the stream into the object store."""

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from drover_shared import traces
from drover_shared.clock import SystemClock
from drover_shared.db.engine import check_database, make_engine
from drover_shared.domain.errors import InfrastructureError
from drover_shared.logging import configure, get_logger
from drover_shared.messages.streams import LOGS_GROUP, LOGS_STREAM
from drover_shared.objects import ObjectStore
from drover_shared.process import run_main, stop_on_signals
from drover_shared.settings import Environment, LogSettings
from drover_shared.streams.backoff import Backoff
from drover_shared.streams.bells import ring_runs
from drover_shared.streams.group import GroupSettings, stream_client
from drover_shared.streams.progress import Progress
from drover_shared.streams.service import run_stream_service
from drover_shared.streams.worker import Work

from drover_log_store.archiving import Archiver, keep_doing
from drover_log_store.chunks import Load, prepare
from drover_log_store.retention import Retention
from drover_log_store.settings import Settings
from drover_log_store.store import LogStore

PUTS_AT_ONCE = 8
HOUSEKEEPING_SECONDS = 900.0  # removing the objects of a large log may take long
_log = get_logger("drover.log_store")


def main() -> int:
    env = Environment()
    settings = Settings.read(env)
    configure("log-store", LogSettings.read(env))
    traces.configure("log-store", env)
    stop = stop_on_signals()
    engine = make_engine(settings.worker.database_url, pool_size=2, application="drover-log-store")
    client = stream_client(settings.worker.redis_url)
    objects = ObjectStore(settings.s3, connections=PUTS_AT_ONCE + 2)
    threading.Thread(target=make_bucket, args=(objects, stop), name="bucket", daemon=True).start()
    clock = SystemClock()
    turns = Progress(clock, HOUSEKEEPING_SECONDS)
    archiver = Archiver(engine, objects, lease_seconds=settings.archive_lease_seconds, progress=turns)
    retention = Retention(engine, objects, clock, settings.logs_days)
    keep_doing([retention.remove_next, archiver.archive_next, archiver.remove_next], stop, turns)
    with ThreadPoolExecutor(PUTS_AT_ONCE, thread_name_prefix="put") as threads:
        store = LogStore(engine, objects, threads)

        def commit(load: Load) -> None:
            ring_runs(client, store.store(load), "log")

        try:
            return run_stream_service(
                client,
                GroupSettings(LOGS_STREAM, LOGS_GROUP, claim_idle_ms=settings.claim_idle_ms),
                Work(prepare, commit),
                stop,
                settings.worker.health,
                {"database": partial(check_database, engine), "objects": objects.check},
                {"housekeeping": turns.check},
            )
        finally:
            client.close()
            engine.dispose()
            traces.close()


def make_bucket(objects: ObjectStore, stop: threading.Event) -> None:
    """Make the bucket unless it is there, trying until the store answers."""
    backoff = Backoff(first=0.5, longest=15.0)
    while not stop.is_set():
        try:
            objects.ensure_bucket()
        except InfrastructureError as error:
            _log.warning("bucket_not_ready", detail=str(error))
            stop.wait(backoff.next_delay())
        else:
            return


if __name__ == "__main__":
    run_main(main)
