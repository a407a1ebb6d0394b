"""What this service reads from its environment."""

from dataclasses import dataclass

from drover_shared.settings import Environment, S3Settings, WorkerSettings, retention_days
from drover_shared.streams.group import read_claim_idle_ms


@dataclass(frozen=True, slots=True)
class Settings:
    """Whoever archives a log and dies is replaced after `archive_lease_seconds`."""

    worker: WorkerSettings
    s3: S3Settings
    claim_idle_ms: int
    logs_days: int
    archive_lease_seconds: int

    @classmethod
    def read(cls, env: Environment) -> "Settings":
        return cls(
            worker=WorkerSettings.read(env),
            s3=S3Settings.read(env),
            claim_idle_ms=read_claim_idle_ms(env),
            archive_lease_seconds=env.integer("DROVER_LOG_ARCHIVE_LEASE_SECONDS", 60, 1, 3600),
            logs_days=retention_days(env, "DROVER_RETENTION_LOGS_DAYS"),
        )
