"""Settings of the API that are more than a number or a name."""

import pytest
from drover_api.settings import ApiSettings, origins
from drover_shared.settings import Environment, SettingsError


def read(value: str) -> tuple[str, ...]:
    return origins(Environment({"DROVER_API_CORS_ORIGINS": value}))


def test_origins_are_named_one_by_one() -> None:
    assert read("") == ()
    named = read("https://console.example.com, http://localhost:3000")
    assert named == ("https://console.example.com", "http://localhost:3000")


@pytest.mark.parametrize(
    "wrong", ["*", "https://example.com/", "example.com", "https://*.example.com", "null"]
)
def test_nothing_else_is_an_origin(wrong: str) -> None:
    with pytest.raises(SettingsError, match="DROVER_API_CORS_ORIGINS"):
        read(wrong)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("DROVER_PORT", "http", "DROVER_PORT must be a number"),
        ("DROVER_DATABASE_URL", "", "DROVER_DATABASE_URL must be set"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, told: str) -> None:
    needed = ("DATABASE_URL", "REDIS_URL", "SECRET_KEYS", "REGISTRATION_TOKEN")
    rest = ("S3_ENDPOINT", "S3_BUCKET", "S3_ACCESS_KEY", "S3_SECRET_KEY")
    given = dict.fromkeys((f"DROVER_{each}" for each in needed + rest), "x")
    ApiSettings.read(Environment(given))
    with pytest.raises(SettingsError, match=told):
        ApiSettings.read(Environment({**given, name: value}))
