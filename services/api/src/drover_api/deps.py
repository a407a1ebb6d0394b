"""What the API works with, made once a process by its entry point and handed to `create_app`."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

import boto3
import redis
from botocore.config import Config
from drover_shared.clock import Clock, SystemClock
from drover_shared.db.engine import make_engine
from drover_shared.ids import new_run_id
from drover_shared.queue import Doorbell
from drover_shared.settings import S3Settings
from flask import current_app
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from drover_api.crypto import Vault
from drover_api.settings import ApiSettings

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

EXTENSION = "drover"


@dataclass(frozen=True, slots=True)
class Deps:
    """Engine, clients and clock; nothing here has connected yet."""

    settings: ApiSettings
    engine: Engine
    sessions: "sessionmaker[Session]"
    redis: "redis.Redis"
    s3: "S3Client"
    vault: Vault
    clock: Clock = field(default_factory=SystemClock)
    new_run_id: Callable[[], UUID] = new_run_id
    # Set when the process is asked to stop: whoever waits on behalf of a client ends then.
    stopping: threading.Event = field(default_factory=threading.Event)
    _local: threading.local = field(default_factory=threading.local)

    @property
    def doorbell(self) -> Doorbell:
        """The calling thread's own doorbell: it is not safe to share."""
        bell: Doorbell | None = getattr(self._local, "doorbell", None)
        if bell is None:
            bell = self._local.doorbell = Doorbell(self.settings.redis_url)
        return bell

    def close(self) -> None:
        self.redis.close()
        self.engine.dispose()


def make_s3(settings: S3Settings) -> "S3Client":
    """A client that any S3 look-alike understands; safe to share between threads."""
    return boto3.client(
        "s3",
        endpoint_url=settings.endpoint,
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=settings.secret_key,
        region_name=settings.region,
        config=Config(
            signature_version="s3v4",
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=2,
            read_timeout=30,
            retries={"max_attempts": 3},
            max_pool_connections=64,
        ),
    )


def make_deps(settings: ApiSettings, clock: Clock | None = None) -> Deps:
    """Everything from the settings; raises SettingsError for keys that cannot be used."""
    engine = make_engine(settings.database_url, pool_size=settings.threads, application="drover-api")
    return Deps(
        settings=settings,
        engine=engine,
        sessions=sessionmaker(engine, expire_on_commit=False),
        redis=redis.Redis.from_url(settings.redis_url, socket_connect_timeout=1, socket_timeout=5),
        s3=make_s3(settings.s3),
        vault=Vault(settings.secret_keys),
        clock=clock or SystemClock(),
    )


def deps() -> Deps:
    """The running application's dependencies."""
    found: Deps = current_app.extensions[EXTENSION]
    return found
