"""Settings are read once, from the environment, by each service's entry point.

A service composes its own frozen dataclass from these readers; a bad value is one line naming the variable.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


class SettingsError(Exception):
    """One line for the operator: which variable, what is wrong with it."""


class Environment:
    """Typed reads of environment variables; every error is a `SettingsError`.

    `NAME_FILE` may name a file that holds the value of `NAME`, less a line's end: so secrets can stay out of
    the environment, which a process's children inherit and its supervisor shows.
    """

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = os.environ if values is None else values

    def _value(self, name: str) -> str:
        value = self._values.get(name, "")
        path = self._values.get(f"{name}_FILE", "")
        if value or not path:
            return value
        try:
            return Path(path).read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{name}_FILE cannot be read: {type(error).__name__}") from None

    def text(self, name: str, default: str | None = None) -> str:
        value = self._value(name)
        if value:
            return value
        if default is None:
            raise SettingsError(f"{name} must be set (see deploy/env.example)")
        return default

    def number(self, name: str, default: float, low: float, high: float) -> float:
        value = self._value(name)
        try:
            number = float(value) if value else default
        except ValueError:
            raise SettingsError(f"{name} must be a number, not {value!r}") from None
        if not low <= number <= high:
            raise SettingsError(f"{name} must be between {low:g} and {high:g}, not {number:g}")
        return number

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        number = self.number(name, default, low, high)
        if number != int(number):
            raise SettingsError(f"{name} must be a whole number, not {number:g}")
        return int(number)

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in choices:
            raise SettingsError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
        return value

    def words(self, name: str, default: str) -> tuple[str, ...]:
        """A comma-separated list; empty entries are dropped, and at least one must be left."""
        found = tuple(word.strip() for word in self.text(name, default).split(",") if word.strip())
        if not found:
            raise SettingsError(f"{name} must name at least one value")
        return found


def lease_seconds(env: Environment) -> int:
    """How long an executor may go on without an answer; also how long one that vanished is waited for.

    Minutes, so that a control plane that is away for minutes costs no run.
    """
    return env.integer("DROVER_LEASE_SECONDS", 300, 1, 3600)


def retention_days(env: Environment, name: str) -> int:
    """Days for which something is kept, a hundred years at most; 0, the default, is for ever."""
    return env.integer(name, 0, 0, 36500)


@dataclass(frozen=True, slots=True)
class LogSettings:
    """`level`: debug to critical; `format`: json or console."""

    level: str = "info"
    format: str = "json"

    @classmethod
    def read(cls, env: Environment) -> "LogSettings":
        return cls(
            level=env.choice("DROVER_LOG_LEVEL", "info", ("debug", "info", "warning", "error", "critical")),
            format=env.choice("DROVER_LOG_FORMAT", "json", ("json", "console")),
        )


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """Where a worker answers /livez, /readyz and /metrics; port 0 turns them off."""

    host: str
    port: int

    @classmethod
    def read(cls, env: Environment) -> "HealthSettings":
        return cls(
            host=env.text("DROVER_HEALTH_HOST", "127.0.0.1"),
            port=env.integer("DROVER_HEALTH_PORT", 0, 0, 65535),
        )


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What each worker beside the database and Redis reads: scheduler, event-ingest and log-store.

    Both addresses must be set, and hold passwords, so they are kept out of `repr`; probes are off by default.
    """

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    health: HealthSettings

    @classmethod
    def read(cls, env: Environment) -> "WorkerSettings":
        return cls(
            database_url=env.text("DROVER_DATABASE_URL"),
            redis_url=env.text("DROVER_REDIS_URL"),
            health=HealthSettings.read(env),
        )


@dataclass(frozen=True, slots=True)
class S3Settings:
    """An S3-compatible object store; the secret key is kept out of `repr`.

    `public_endpoint` is its address for clients, where they reach it by themselves.
    """

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str = "us-east-1"
    public_endpoint: str = ""

    @classmethod
    def read(cls, env: Environment) -> "S3Settings":
        return cls(
            endpoint=env.text("DROVER_S3_ENDPOINT"),
            bucket=env.text("DROVER_S3_BUCKET"),
            access_key=env.text("DROVER_S3_ACCESS_KEY"),
            secret_key=env.text("DROVER_S3_SECRET_KEY"),
            region=env.text("DROVER_S3_REGION", "us-east-1"),
            public_endpoint=env.text("DROVER_S3_PUBLIC_ENDPOINT", ""),
        )
