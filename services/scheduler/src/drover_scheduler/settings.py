"""What this service reads from its environment."""

from dataclasses import dataclass

from drover_shared.settings import Environment, S3Settings, WorkerSettings, lease_seconds, retention_days


@dataclass(frozen=True, slots=True)
class Settings:
    """A run is lost some grace after its lease ended. Where jobs stay for ever no object store is needed."""

    worker: WorkerSettings
    tick_seconds: float
    lease_seconds: int
    lease_grace_seconds: float
    jobs_days: int
    s3: S3Settings | None

    @classmethod
    def read(cls, env: Environment) -> "Settings":
        jobs_days = retention_days(env, "DROVER_RETENTION_JOBS_DAYS")
        return cls(
            worker=WorkerSettings.read(env),
            tick_seconds=env.number("DROVER_TICK_SECONDS", 1, 0.05, 60),
            lease_seconds=lease_seconds(env),
            lease_grace_seconds=env.number("DROVER_LEASE_GRACE_SECONDS", 5, 0, 3600),
            jobs_days=jobs_days,
            s3=S3Settings.read(env) if jobs_days else None,
        )
