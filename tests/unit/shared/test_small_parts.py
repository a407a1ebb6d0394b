"""Time, ids and settings."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import pytest
from drover_shared.clock import FakeClock, rfc3339
from drover_shared.domain.variables import merged_extra_vars
from drover_shared.ids import first_run_id_of, new_run_id, new_token, run_id_time, token_hash
from drover_shared.settings import Environment, LogSettings, S3Settings, SettingsError


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2025, 12, 10, 9, 0, tzinfo=UTC), "2025-12-10T09:00:00Z"),
        (datetime(2025, 12, 10, 9, 3, 11, 123_000, tzinfo=UTC), "2025-12-10T09:03:11.123Z"),
        (datetime(2025, 12, 10, 9, 0, 0, 12, tzinfo=UTC), "2025-12-10T09:00:00Z"),
        (datetime(2025, 12, 10, 9, 0, tzinfo=timezone(timedelta(hours=2))), "2025-12-10T07:00:00Z"),
    ],
)
def test_times_are_utc_with_z(moment: datetime, text: str) -> None:
    assert rfc3339(moment) == text


def test_run_ids_are_uuid7_and_sort_by_time() -> None:
    before = datetime.now(UTC)
    ids = [new_run_id() for _ in range(100)]
    assert all(run_id.version == 7 for run_id in ids)
    assert ids == sorted(ids)
    assert abs(run_id_time(ids[0]) - before) < timedelta(seconds=5)


def test_a_days_bound_is_below_every_id_of_that_day() -> None:
    bound = first_run_id_of(datetime(2026, 1, 2, tzinfo=UTC))
    assert run_id_time(bound) == datetime(2026, 1, 2, tzinfo=UTC)
    assert UUID(int=bound.int - 1) < bound <= UUID(int=bound.int | (7 << 76))


def test_tokens_are_long_and_only_their_hash_is_kept() -> None:
    token = new_token("drv")
    assert token.startswith("drv_")
    assert len(token) > 40
    assert len(token_hash(token)) == 32
    assert token_hash(token) != token_hash(new_token("drv"))


def test_variables_of_the_request_win() -> None:
    merged = merged_extra_vars({"a": 1, "b": 1, "c": {"x": 1}}, {"b": 2, "c": {"y": 2}}, {"c": {"z": 3}})
    assert merged == {"a": 1, "b": 2, "c": {"z": 3}}


def test_a_fake_clock_moves_when_told() -> None:
    clock = FakeClock(datetime(2026, 1, 1, tzinfo=UTC))
    clock.advance(90)
    assert clock.now() == datetime(2026, 1, 1, 0, 1, 30, tzinfo=UTC)
    assert clock.monotonic() == 90


def test_settings_errors_name_the_variable() -> None:
    env = Environment({"DROVER_X": "nine", "DROVER_LOG_LEVEL": "loud"})
    with pytest.raises(SettingsError, match="DROVER_X must be a number"):
        env.number("DROVER_X", 1, 0, 10)
    with pytest.raises(SettingsError, match="DROVER_LOG_LEVEL must be one of"):
        LogSettings.read(env)
    with pytest.raises(SettingsError, match="DROVER_S3_ENDPOINT must be set"):
        S3Settings.read(env)
    with pytest.raises(SettingsError, match="DROVER_Y must be between 1 and 3, not 9"):
        Environment({"DROVER_Y": "9"}).integer("DROVER_Y", 1, 1, 3)
    with pytest.raises(SettingsError, match="whole number"):
        Environment({"DROVER_Y": "1.5"}).integer("DROVER_Y", 1, 1, 3)


def test_a_setting_may_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from a file\n")
    env = Environment({"DROVER_X_FILE": str(secret), "DROVER_Y_FILE": str(secret), "DROVER_Y": "given"})
    assert (env.text("DROVER_X"), env.text("DROVER_Y")) == ("from a file", "given")
    with pytest.raises(SettingsError, match="DROVER_Z_FILE cannot be read: FileNotFoundError"):
        Environment({"DROVER_Z_FILE": str(tmp_path / "none")}).text("DROVER_Z", "default")


def test_secrets_stay_out_of_repr() -> None:
    env = Environment(
        {
            "DROVER_S3_ENDPOINT": "http://127.0.0.1:9000",
            "DROVER_S3_BUCKET": "drover",
            "DROVER_S3_ACCESS_KEY": "key-name",
            "DROVER_S3_SECRET_KEY": "very-secret-value",
        }
    )
    assert "very-secret-value" not in repr(S3Settings.read(env))
