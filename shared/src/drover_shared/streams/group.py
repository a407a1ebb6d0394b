"""One consumer of a stream's group: read, take over from the dead, acknowledge.

Methods raise `redis.RedisError`; the caller retries. A stream or a group that is gone (Redis lost its memory)
is made again, from the stream's first entry.
"""

import os
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from drover_shared.messages.streams import Fields
from drover_shared.redis_address import RedisAddress
from drover_shared.settings import Environment
from drover_shared.streams import metrics

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Entry:
    """A stream entry; `id` starts with the milliseconds of its arrival."""

    id: bytes
    fields: Fields

    @property
    def arrived_at(self) -> float:
        """Seconds since the epoch, by the Redis server's clock."""
        return int(self.id.split(b"-", 1)[0]) / 1000

    @property
    def size(self) -> int:
        """Bytes of its body."""
        return len(self.fields.get(b"body", b""))


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """How a group is read."""

    stream: str
    group: str
    count: int = 32  # entries asked for at once; with the largest batches this is 16 MiB
    batch_bytes: int = 2 * 1024 * 1024  # reading stops once a batch has this many
    batch_entries: int = 2000
    block_ms: int = 1000  # how long a read waits, and so how long a stop may take
    claim_idle_ms: int = 10_000  # an entry that its consumer held for so long is taken over
    forget_idle_ms: int = 3_600_000  # a consumer without entries and silent for so long is removed


def read_claim_idle_ms(env: Environment) -> int:
    """Milliseconds after which an entry is taken over from a consumer that went away."""
    return int(env.number("DROVER_CLAIM_IDLE_SECONDS", 10, 0.1, 3600) * 1000)


def stream_client(url: str) -> redis.Redis:
    """A client for streams: answers as bytes, time-outs longer than a blocking read, no hidden retries."""
    return RedisAddress.parse(url).client(
        socket_connect_timeout=2.0,
        socket_timeout=10.0,
        health_check_interval=15,
        retry=Retry(NoBackoff(), 1),
    )


def consumer_name() -> str:
    """A name that no other consumer has, that still tells people where it runs."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


class ConsumerGroup:
    """Reads `settings.stream` as consumer `name`."""

    def __init__(self, client: redis.Redis, settings: GroupSettings, name: str) -> None:
        self._redis = client
        self._settings = settings
        self._name = name
        self._cursor: bytes | str = "0-0"

    def read(self) -> list[Entry]:
        """New entries, as many as make a batch; waits up to `block_ms` for the first one."""
        return self._gather(lambda first: self._read(self._settings.block_ms if first else None))

    def claim(self) -> list[Entry]:
        """Entries that a consumer holds for longer than `claim_idle_ms`, now this one's; [] when none."""
        entries = self._gather(lambda _: self._claim())
        metrics.CLAIMED.labels(self._settings.stream).inc(len(entries))
        return entries

    def acknowledge(self, entries: Sequence[Entry]) -> None:
        """Take entries off the group and the stream; repeatable."""
        ids = [entry.id for entry in entries]
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.xack(self._settings.stream, self._settings.group, *ids)
            pipeline.xdel(self._settings.stream, *ids)
            pipeline.execute(raise_on_error=True)

    def measure(self) -> None:
        """Note the stream's length."""
        length: Any = self._redis.xlen(self._settings.stream)
        metrics.LENGTH.labels(self._settings.stream).set(length)

    def forget_the_dead(self) -> None:
        """Remove consumers that hold nothing and have long been silent."""
        settings = self._settings
        consumers: Any = self._with_group(
            lambda: self._redis.xinfo_consumers(settings.stream, settings.group)
        )
        for consumer in consumers:
            if consumer["pending"] == 0 and consumer["idle"] > settings.forget_idle_ms:
                self._redis.xgroup_delconsumer(settings.stream, settings.group, consumer["name"])

    def _gather(self, next_entries: Callable[[bool], list[Entry]]) -> list[Entry]:
        """Ask until a batch is full or an answer is short; the argument says whether it is the first time."""
        settings = self._settings
        entries = self._with_group(lambda: next_entries(True))
        size, full = sum(entry.size for entry in entries), len(entries) == settings.count
        while full and size < settings.batch_bytes and len(entries) < settings.batch_entries:
            more = self._with_group(lambda: next_entries(False))
            entries += more
            size, full = size + sum(entry.size for entry in more), len(more) == settings.count
        return entries

    def _read(self, block_ms: int | None) -> list[Entry]:
        settings = self._settings
        answer: Any = self._redis.xreadgroup(
            settings.group, self._name, {settings.stream: ">"}, count=settings.count, block=block_ms
        )
        if not answer:
            return []
        streams = answer.items() if isinstance(answer, dict) else answer
        return [Entry(id_, fields) for _, found in streams for id_, fields in found]

    def _claim(self) -> list[Entry]:
        settings = self._settings
        answer: Any = self._redis.xautoclaim(
            settings.stream,
            settings.group,
            self._name,
            min_idle_time=settings.claim_idle_ms,
            start_id=self._cursor,
            count=settings.count,
        )
        self._cursor = answer[0]  # Redis 6 answers None for entries deleted by hand: they must not hold it up
        return [Entry(id_, fields) for id_, fields in answer[1] if id_ is not None]

    def _with_group(self, call: Callable[[], _T]) -> _T:
        try:
            return call()
        except redis.ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
        self._make_group()
        return call()

    def _make_group(self) -> None:
        try:
            self._redis.xgroup_create(self._settings.stream, self._settings.group, id="0", mkstream=True)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise
