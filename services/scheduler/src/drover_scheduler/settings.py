"""What this service reads from its environment."""

from dataclasses import dataclass, field

from drover_shared.settings import Environment, HealthSettings, S3Settings, lease_seconds


@dataclass(frozen=True, slots=True)
class Settings:
    """URLs hold passwords, so they are kept out of `repr`. A run is lost some grace after its lease ended.

    `jobs_days`: 0 keeps jobs for ever, and then no object store is needed.
    """

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    tick_seconds: float
    lease_seconds: int
    lease_grace_seconds: float
    health: HealthSettings
    jobs_days: int
    s3: S3Settings | None

    @classmethod
    def read(cls, env: Environment) -> "Settings":
        jobs_days = env.integer("DROVER_RETENTION_JOBS_DAYS", 0, 0, 36500)
        return cls(
            database_url=env.text("DROVER_DATABASE_URL"),
            redis_url=env.text("DROVER_REDIS_URL"),
            tick_seconds=env.number("DROVER_TICK_SECONDS", 1, 0.05, 60),
            lease_seconds=lease_seconds(env),
            lease_grace_seconds=env.number("DROVER_LEASE_GRACE_SECONDS", 5, 0, 3600),
            health=HealthSettings.read(env),
            jobs_days=jobs_days,
            s3=S3Settings.read(env) if jobs_days else None,
        )
