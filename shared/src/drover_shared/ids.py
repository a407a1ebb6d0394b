"""Identifiers: run ids are UUIDv7 (RFC 9562), so they sort by time and a day's runs lie together."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from uuid_utils import compat

IdSource = Callable[[], UUID]


def new_run_id() -> UUID:
    """A new UUIDv7 with the current time."""
    return compat.uuid7()


def run_id_time(run_id: UUID) -> datetime:
    """The creation time in a UUIDv7, to the millisecond, in UTC."""
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=run_id.int >> 80)


def first_run_id_of(moment: datetime) -> UUID:
    """The smallest UUID that a run made at `moment` could have: the bound of a day's partition."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def new_token(prefix: str) -> str:
    """A random bearer token of 256 bits; the prefix tells people and secret scanners what it is."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def token_hash(token: str) -> bytes:
    """SHA-256 of a token, 32 bytes. Tokens are random, so one fast hash is enough."""
    return sha256(token.encode()).digest()
