"""Secrets at rest, slow guessing, addresses for git, differences for the record."""

from datetime import UTC, datetime

import pytest
from argon2 import extract_parameters
from argon2.exceptions import VerifyMismatchError
from cryptography.fernet import Fernet
from drover_api.access import passwords
from drover_api.access.passwords import hash_password, verify_password
from drover_api.access.throttle import MAX_FAILURES, MAX_KEYS, WINDOW_SECONDS, LoginThrottle
from drover_api.activity import difference
from drover_api.crypto import Vault
from drover_api.resources.projects.service import git_url_fault
from drover_shared.clock import FakeClock
from drover_shared.domain.errors import InfrastructureError, ThrottledError
from drover_shared.queue import quick_client
from drover_shared.settings import SettingsError


def key(name: str) -> str:
    return f"{name}:{Fernet.generate_key().decode()}"


def test_the_first_key_encrypts_and_every_key_decrypts() -> None:
    old, new = key("old"), key("new")
    token = Vault([old]).encrypt({"password": "x", "empty": ""})
    assert b"password" not in token
    rotated = Vault([new, old])
    assert rotated.key_id == "new"
    assert rotated.decrypt(token) == {"password": "x", "empty": ""}
    assert rotated.decrypt(None) == {}
    with pytest.raises(InfrastructureError):
        Vault([new]).decrypt(token)


@pytest.mark.parametrize("keys", [["k1:short"], ["nokey"], [":" + Fernet.generate_key().decode()], ["k1:é"]])
def test_wrong_keys_are_refused_without_being_repeated(keys: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        Vault(keys)
    assert keys[0].partition(":")[2] not in str(caught.value) or keys == ["nokey"]


def test_passwords_are_argon2id() -> None:
    stored = hash_password("correct")
    assert stored.startswith("$argon2id$")
    assert verify_password(stored, "correct")
    assert not verify_password(stored, "wrong")
    assert not verify_password(None, "nobody has this password")
    assert not verify_password("not a hash", "x")


def test_a_name_that_nobody_has_is_told_no_sooner() -> None:
    """Its password is hashed as any other, with the same parameters."""
    assert extract_parameters(passwords._NOBODY) == extract_parameters(hash_password("x"))
    with pytest.raises(VerifyMismatchError):
        passwords._HASHER.verify(passwords._NOBODY, "")


def test_failures_are_counted_in_a_window() -> None:
    clock = FakeClock(datetime(2026, 1, 1, tzinfo=UTC))
    throttle = LoginThrottle(clock, quick_client("redis://127.0.0.1:1/0"))  # where nobody answers
    clock.advance(1)
    guessed = ("admin", "10.0.0.1")
    for _ in range(MAX_FAILURES):
        throttle.check(guessed)
        throttle.failed(guessed)
    with pytest.raises(ThrottledError) as caught:
        throttle.check(guessed)
    assert caught.value.retry_after == WINDOW_SECONDS + 1
    throttle.check(("admin", "10.0.0.2"))
    clock.advance(WINDOW_SECONDS)
    throttle.check(guessed)
    throttle.failed(guessed)
    throttle.check(guessed)
    throttle.succeeded(guessed)
    throttle.check(guessed)


def test_the_throttles_memory_is_bounded() -> None:
    throttle = LoginThrottle(FakeClock(datetime(2026, 1, 1, tzinfo=UTC)))
    for n in range(MAX_KEYS + 10):
        throttle.failed((str(n), ""))
    assert len(throttle._failures) == MAX_KEYS


@pytest.mark.parametrize(
    "address",
    ["https://example.com/x.git", "git@example.com:x.git", "/srv/x", "file:///srv/x", "ssh://git@h:22/x"],
)
def test_addresses_that_git_may_have(address: str) -> None:
    assert git_url_fault(address) is None


@pytest.mark.parametrize(
    "address", ["ext::sh -c x", "fd::17", "x", "./x", "javascript://x", "https://u:p@h/x", "http://[::1"]
)
def test_addresses_that_git_must_not_have(address: str) -> None:
    assert git_url_fault(address)


def test_difference_names_old_and_new() -> None:
    assert difference({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 5, "d": 4}) == {
        "b": [2, 5],
        "c": [3, None],
        "d": [None, 4],
    }
