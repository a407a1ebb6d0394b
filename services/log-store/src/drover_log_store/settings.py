"""What this service reads from its environment."""

from dataclasses import dataclass, field

from drover_shared.settings import Environment, HealthSettings, S3Settings
from drover_shared.streams.group import read_claim_idle_ms


@dataclass(frozen=True, slots=True)
class Settings:
    """URLs hold passwords, so they are kept out of `repr`. `logs_days`: 0 keeps logs for ever.

    Whoever archives a log and dies is replaced after `archive_lease_seconds`.
    """

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    s3: S3Settings
    health: HealthSettings
    claim_idle_ms: int
    logs_days: int
    archive_lease_seconds: int

    @classmethod
    def read(cls, env: Environment) -> "Settings":
        return cls(
            database_url=env.text("DROVER_DATABASE_URL"),
            redis_url=env.text("DROVER_REDIS_URL"),
            s3=S3Settings.read(env),
            health=HealthSettings.read(env),
            claim_idle_ms=read_claim_idle_ms(env),
            archive_lease_seconds=env.integer("DROVER_LOG_ARCHIVE_LEASE_SECONDS", 60, 1, 3600),
            logs_days=env.integer("DROVER_RETENTION_LOGS_DAYS", 0, 0, 36500),
        )
