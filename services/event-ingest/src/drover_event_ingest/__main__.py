"""`python -m drover_event_ingest`: job events from the stream into the database; `… dead-letters` is for what
could not be stored, `… retention` drops what is old.
"""

import gc
import sys
from functools import partial

from drover_shared import traces
from drover_shared.clock import SystemClock
from drover_shared.db.engine import check_database, make_engine
from drover_shared.logging import configure
from drover_shared.messages.streams import EVENTS_GROUP, EVENTS_STREAM
from drover_shared.process import run_main, stop_on_signals
from drover_shared.settings import Environment, LogSettings, SettingsError
from drover_shared.streams.bells import ring_runs
from drover_shared.streams.group import GroupSettings, stream_client
from drover_shared.streams.progress import Progress
from drover_shared.streams.service import run_stream_service
from drover_shared.streams.worker import Work
from drover_shared.vault import Vault

from drover_event_ingest import letters_command, retention_command
from drover_event_ingest.batches import Load, prepare
from drover_event_ingest.partitions import keep_partitions
from drover_event_ingest.secrets import NoSecrets, StoredSecrets
from drover_event_ingest.settings import Settings
from drover_event_ingest.store import EventStore

PARTITIONS_SECONDS = 900.0  # dropping the dead letters of an old day may take long


def main() -> int:
    env = Environment()
    match sys.argv[1:]:
        case []:
            return serve(env)
        case ["dead-letters", *arguments]:
            return letters_command.run_command(arguments, env)
        case ["retention", *arguments]:
            return retention_command.run_command(arguments, env, SystemClock())
        case other:
            raise SettingsError(f"unknown arguments {other}: the commands are dead-letters and retention")


def serve(env: Environment) -> int:
    settings = Settings.read(env)
    configure("event-ingest", LogSettings.read(env))
    traces.configure("event-ingest", env)
    stop = stop_on_signals()
    engine = make_engine(settings.worker.database_url, pool_size=3, application="drover-event-ingest")
    client = stream_client(settings.worker.redis_url)
    store = EventStore(engine)
    vault = Vault(settings.secret_keys) if settings.secret_keys else None
    secrets = NoSecrets() if vault is None else StoredSecrets(engine, vault)

    def commit(load: Load) -> None:
        ring_runs(client, store.store(load), "events")

    tune_interpreter()
    clock = SystemClock()
    partitions = Progress(clock, PARTITIONS_SECONDS)
    keep_partitions(engine, clock, stop, settings.events_days, partitions)
    try:
        return run_stream_service(
            client,
            GroupSettings(EVENTS_STREAM, EVENTS_GROUP, claim_idle_ms=settings.claim_idle_ms),
            Work(partial(prepare, secrets=secrets), commit),
            stop,
            settings.worker.health,
            {"database": partial(check_database, engine)},
            {"partitions": partitions.check},
        )
    finally:
        client.close()
        engine.dispose()
        traces.close()


def tune_interpreter() -> None:
    """For two busy threads and millions of short-lived objects, none of them in a cycle.

    The committing thread must not wait 5 ms, the default, for the decoding one after each answer of the
    database; and collections that find nothing took a sixth of the decoding.
    """
    sys.setswitchinterval(0.0005)
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)


if __name__ == "__main__":
    run_main(main)
