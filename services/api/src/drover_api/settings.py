"""Settings of the API, read once by its entry point."""

import re
from dataclasses import dataclass, field

from drover_shared.settings import Environment, LogSettings, S3Settings, SettingsError, lease_seconds

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?")


def secret_keys(env: Environment) -> tuple[str, ...]:
    """DROVER_SECRET_KEYS, which has no default."""
    return env.words("DROVER_SECRET_KEYS", env.text("DROVER_SECRET_KEYS"))


def origins(env: Environment) -> tuple[str, ...]:
    """DROVER_API_CORS_ORIGINS: none unless it names some, each as a browser writes it."""
    named = env.text("DROVER_API_CORS_ORIGINS", "").split(",")
    found = tuple(origin.strip() for origin in named if origin.strip())
    for origin in found:
        if not _ORIGIN.fullmatch(origin):
            raise SettingsError(
                f"DROVER_API_CORS_ORIGINS: {origin!r} is no origin such as https://example.com"
            )
    return found


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """`secret_keys` is "id:fernetkey[,…]", the first encrypts; times are in seconds.

    `live_readers` is how many may follow events, logs and jobs at once at one worker process,
    and `live_recheck_seconds` how often it is asked whether they still may.
    `trusted_proxies` is how many proxies in front add to X-Forwarded-For: a client's address is taken from
    there, else from the connection. `requests_per_second` is for one token in one worker process, 0 for no
    limit. `stall_seconds`: a worker process that does not get on for so long is given up, and replaced after
    as long again.
    """

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    s3: S3Settings
    secret_keys: tuple[str, ...] = field(repr=False)
    registration_token: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 2
    threads: int = 16
    live_readers: int = 2000
    live_recheck_seconds: int = 10
    trusted_proxies: int = 0
    requests_per_second: int = 0
    stall_seconds: int = 60
    cors_origins: tuple[str, ...] = ()
    lease_seconds: int = 300
    heartbeat_seconds: int = 5
    log: LogSettings = field(default_factory=LogSettings)

    @classmethod
    def read(cls, env: Environment) -> "ApiSettings":
        return cls(
            database_url=env.text("DROVER_DATABASE_URL"),
            redis_url=env.text("DROVER_REDIS_URL"),
            s3=S3Settings.read(env),
            secret_keys=secret_keys(env),
            registration_token=env.text("DROVER_REGISTRATION_TOKEN"),
            host=env.text("DROVER_API_HOST", "127.0.0.1"),
            port=env.integer("DROVER_PORT", 8080, 1, 65535),
            workers=env.integer("DROVER_API_WORKERS", 2, 1, 64),
            threads=env.integer("DROVER_API_THREADS", 16, 1, 256),
            live_readers=env.integer("DROVER_API_LIVE_READERS", 2000, 1, 100_000),
            live_recheck_seconds=env.integer("DROVER_API_LIVE_RECHECK_SECONDS", 10, 1, 3600),
            trusted_proxies=env.integer("DROVER_API_TRUSTED_PROXIES", 0, 0, 8),
            requests_per_second=env.integer("DROVER_API_REQUESTS_PER_SECOND", 500, 0, 100_000),
            stall_seconds=env.integer("DROVER_API_STALL_SECONDS", 60, 1, 3600),
            cors_origins=origins(env),
            lease_seconds=lease_seconds(env),
            heartbeat_seconds=env.integer("DROVER_HEARTBEAT_SECONDS", 5, 1, 600),
            log=LogSettings.read(env),
        )
