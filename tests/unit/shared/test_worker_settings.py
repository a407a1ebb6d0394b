"""Workers read what they share alike, and their defaults are those that deploy/env.example tells."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drover_event_ingest.settings import Settings as IngestSettings
from drover_log_store.settings import Settings as LogSettings
from drover_scheduler.settings import Settings as SchedulerSettings
from drover_shared.settings import Environment, SettingsError

EXAMPLE = Path(__file__).resolve().parents[3] / "deploy" / "env.example"
NEEDED = {
    "DROVER_DATABASE_URL": "postgresql://u:of-the-database@127.0.0.1/drover",
    "DROVER_REDIS_URL": "redis://u:of-redis@127.0.0.1/0",
    "DROVER_S3_ENDPOINT": "http://127.0.0.1:1",
    "DROVER_S3_BUCKET": "drover",
    "DROVER_S3_ACCESS_KEY": "access",
    "DROVER_S3_SECRET_KEY": "of-the-store",
}
Read = Callable[[Environment], Any]
WORKERS: list[Read] = [SchedulerSettings.read, IngestSettings.read, LogSettings.read]


@pytest.mark.parametrize("read", WORKERS)
def test_what_is_left_out_is_as_the_example_says(read: Read) -> None:
    told = dict(re.findall(r"^#(DROVER_\w+)=(.+)$", EXAMPLE.read_text(), re.MULTILINE))
    assert read(Environment(NEEDED)) == read(Environment({**told, **NEEDED}))
    assert read(Environment(NEEDED)).worker.health.port == 0


@pytest.mark.parametrize("read", WORKERS)
@pytest.mark.parametrize("name", ["DROVER_DATABASE_URL", "DROVER_REDIS_URL"])
def test_an_address_that_is_missing_is_named(read: Read, name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} must be set"):
        read(Environment({**NEEDED, name: ""}))


@pytest.mark.parametrize("read", WORKERS)
def test_no_password_is_shown(read: Read) -> None:
    shown = repr(read(Environment({**NEEDED, "DROVER_SECRET_KEYS": "k:of-the-vault"})))
    assert "worker=" in shown
    assert not re.search(r"of-(the-database|redis|the-store|the-vault)", shown)


@pytest.mark.parametrize("days", ["-1", "36501", "1.5"])
def test_days_are_whole_and_bounded(days: str) -> None:
    for read, name in zip(WORKERS, ("JOBS", "EVENTS", "LOGS"), strict=True):
        with pytest.raises(SettingsError, match=f"DROVER_RETENTION_{name}_DAYS"):
            read(Environment({**NEEDED, f"DROVER_RETENTION_{name}_DAYS": days}))
