"""Settings of the API that are more than a number or a name."""

import pytest
from drover_api.settings import origins
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
