"""The runs that the played API offers, and every call that came for them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from uuid import UUID, uuid4

MOST_RANGES = 100  # that an answer names


@dataclass
class Call:
    """One request as it came: `at` monotonic, `wall` by the machine's clock; `about`: whose id it names.

    `status` is 0 until it was answered, and where it was not. `treatment`: what was made of it instead.
    """

    method: str
    what: str
    about: str
    token: str
    body: dict[str, Any]
    at: float = field(default_factory=time.monotonic)
    wall: float = field(default_factory=time.time)
    status: int = 0
    treatment: "Treatment | None" = None


@dataclass(frozen=True)
class Page:
    """Something between executor and API answers in its place: HTML, whatever the status."""

    status: int


@dataclass(frozen=True)
class Problem:
    """A refusal in problem+json, the API's own word."""

    status: int
    detail: str = "refused by the kit"
    headers: Mapping[str, str] = field(default_factory=dict)


class Trick(Enum):
    """What else may become of a call."""

    UNHEARD = "it is done, and the answer is lost"
    DROPPED = "it is answered as taken, and lost"
    SILENT = "nobody answers"


Treatment = Page | Problem | Trick
Treat = Callable[[Call], Treatment | None]


def nothing_special(_call: Call) -> None:
    """The API answers as it should."""


@dataclass
class PlayedRun:
    """One attempt. `treat` may make something else of a call; `cancel` is what heartbeats answer.

    `lease_expires_at` is by the API's clock, which may be wrong: executors count `lease_seconds` instead, by
    default those of every run.
    """

    manifest: dict[str, Any]
    credentials: dict[int, dict[str, Any]] = field(default_factory=dict)
    id: UUID = field(default_factory=uuid4)
    state: str = "pending"
    cancel: str = "none"
    run_token: str = ""
    stream_token: str = ""
    revision: str | None = None
    finish: dict[str, Any] | None = None
    facts: dict[str, Any] = field(default_factory=dict)  # that it is given
    kept: dict[str, Any] = field(default_factory=dict)  # that it handed in; None: cleared
    complete: bool = False
    beats: int = 0
    events: dict[int, dict[str, Any]] = field(default_factory=dict)
    chunks: dict[int, bytes] = field(default_factory=dict)
    doubles: int = 0
    refused: int = 0
    lease_expires_at: str = "2030-01-01T00:00:00Z"
    lease_seconds: float | None = None
    treat: Treat = nothing_special

    @property
    def log(self) -> bytes:
        return b"".join(self.chunks[seq] for seq in sorted(self.chunks))

    def in_order(self) -> list[dict[str, Any]]:
        return [self.events[seq] for seq in sorted(self.events)]

    def of_type(self, event_type: str) -> list[dict[str, Any]]:
        return [event for event in self.in_order() if event["event_type"] == event_type]


def gaps(stored: Mapping[int, Any], first: int, last: int) -> list[list[int]]:
    """The numbers from `first` to `last` that are not stored, as inclusive ranges."""
    ranges: list[list[int]] = []
    for seq in range(first, last + 1):
        if seq in stored:
            continue
        if ranges and ranges[-1][1] == seq - 1:
            ranges[-1][1] = seq
        else:
            ranges.append([seq, seq])
    return ranges[:MOST_RANGES]


def watermark(stored: Mapping[int, Any], first: int) -> int:
    """The last number up to which all are stored."""
    while first in stored:
        first += 1
    return first - 1
