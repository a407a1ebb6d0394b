"""What this service reads from its environment."""

from dataclasses import dataclass, field

from drover_shared.settings import Environment, WorkerSettings, retention_days
from drover_shared.streams.group import read_claim_idle_ms


@dataclass(frozen=True, slots=True)
class Settings:
    """Without `secret_keys` nothing is masked here."""

    worker: WorkerSettings
    claim_idle_ms: int
    events_days: int
    secret_keys: tuple[str, ...] = field(repr=False)

    @classmethod
    def read(cls, env: Environment) -> "Settings":
        return cls(
            worker=WorkerSettings.read(env),
            claim_idle_ms=read_claim_idle_ms(env),
            secret_keys=tuple(key for key in env.text("DROVER_SECRET_KEYS", ",").split(",") if key.strip()),
            events_days=retention_days(env, "DROVER_RETENTION_EVENTS_DAYS"),
        )
