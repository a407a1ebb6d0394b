"""Passwords: argon2id."""

from base64 import b64encode

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER = PasswordHasher()


def _encoded(content: bytes) -> str:
    return b64encode(content).decode().rstrip("=")


# What an unknown user's password is checked against, so that both answers take the same time. It is the
# hash of no password, and written down: making one costs what checking does, at each start of a process.
_NOBODY = (
    f"$argon2id$v=19$m={_HASHER.memory_cost},t={_HASHER.time_cost},p={_HASHER.parallelism}"
    f"${_encoded(bytes(_HASHER.salt_len))}${_encoded(bytes(_HASHER.hash_len))}"
)


def hash_password(password: str) -> str:
    return _HASHER.hash(password)


def verify_password(stored: str | None, password: str) -> bool:
    """Whether `password` is the one that `stored` was made from; False where nothing is stored."""
    try:
        return _HASHER.verify(stored or _NOBODY, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False
