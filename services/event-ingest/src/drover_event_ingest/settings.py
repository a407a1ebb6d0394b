"""What this service reads from its environment."""

from dataclasses import dataclass, field

from drover_shared.settings import Environment, HealthSettings
from drover_shared.streams.group import read_claim_idle_ms


@dataclass(frozen=True, slots=True)
class Settings:
    """URLs hold passwords, so they are kept out of `repr`. `events_days`: 0 keeps events for ever.

    Without `secret_keys` nothing is masked here.
    """

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    health: HealthSettings
    claim_idle_ms: int
    events_days: int
    secret_keys: tuple[str, ...] = field(repr=False)

    @classmethod
    def read(cls, env: Environment) -> "Settings":
        return cls(
            database_url=env.text("DROVER_DATABASE_URL"),
            redis_url=env.text("DROVER_REDIS_URL"),
            health=HealthSettings.read(env),
            claim_idle_ms=read_claim_idle_ms(env),
            secret_keys=tuple(key for key in env.text("DROVER_SECRET_KEYS", ",").split(",") if key.strip()),
            events_days=env.integer("DROVER_RETENTION_EVENTS_DAYS", 0, 0, 36500),
        )
