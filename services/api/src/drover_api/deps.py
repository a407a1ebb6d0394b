"""What the API works with, made once a process by its entry point and handed to `create_app`."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import redis
from drover_shared.clock import Clock, SystemClock
from drover_shared.db.engine import make_engine
from drover_shared.ids import new_run_id
from drover_shared.objects import ObjectStore
from drover_shared.queue import quick_client
from drover_shared.redis_address import RedisAddress
from flask import current_app
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from drover_api.crypto import Vault
from drover_api.internal.output import OutputQueue
from drover_api.live.service import Live
from drover_api.live.turning import Turning
from drover_api.rings import Ringer
from drover_api.settings import ApiSettings

EXTENSION = "drover"
OUTPUT_SECONDS = 1.0  # that one batch of output may take to get into its stream


@dataclass(frozen=True, slots=True)
class Deps:
    """Engine, clients and clock; nothing here has connected yet."""

    settings: ApiSettings
    engine: Engine
    sessions: "sessionmaker[Session]"
    redis: "redis.Redis"
    objects: ObjectStore
    vault: Vault
    live: Live
    turning: Turning
    rings: Ringer
    output: OutputQueue
    clock: Clock = field(default_factory=SystemClock)
    new_run_id: Callable[[], UUID] = new_run_id
    # Set when the process is asked to stop: whoever waits on behalf of a client ends then.
    stopping: threading.Event = field(default_factory=threading.Event)

    def close(self) -> None:
        self.rings.close()
        self.live.close()
        self.objects.close()
        self.output.close()
        self.redis.close()
        self.engine.dispose()


def make_deps(settings: ApiSettings, clock: Clock | None = None) -> Deps:
    """Everything from the settings; raises SettingsError for keys that cannot be used."""
    engine = make_engine(settings.database_url, pool_size=settings.threads, application="drover-api")
    sessions = sessionmaker(engine, expire_on_commit=False)
    clock = clock or SystemClock()
    turning = Turning(clock, settings.threads, settings.stall_seconds)
    client = RedisAddress.parse(settings.redis_url).client(socket_connect_timeout=1, socket_timeout=5)
    return Deps(
        settings=settings,
        engine=engine,
        sessions=sessions,
        redis=client,
        objects=ObjectStore(settings.s3, connections=settings.threads),
        vault=Vault(settings.secret_keys),
        live=Live(sessions, client, settings.live_readers, settings.live_recheck_seconds, turning),
        turning=turning,
        rings=Ringer(settings.redis_url),
        output=OutputQueue(quick_client(settings.redis_url, OUTPUT_SECONDS)),
        clock=clock,
    )


def deps() -> Deps:
    """The running application's dependencies."""
    found: Deps = current_app.extensions[EXTENSION]
    return found
