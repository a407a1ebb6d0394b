"""Listens for `run.available` on the queues of this executor's pools."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any
from uuid import UUID

import redis
from drover_shared.logging import get_logger
from drover_shared.messages.commands import MessageError, parse_run_available
from drover_shared.queue import broker_connection, pool_queue
from kombu import Connection, Consumer, Message
from kombu.exceptions import OperationalError

SILENCE_SECONDS = 15.0  # a connection that nothing came by for so long may be dead without a word
_log = get_logger("drover.executor.doorbell")
_UNACKED = "unacked.executors"  # what Redis lets an executor touch: deploy/redis/users.acl


class BellBrokenError(Exception):
    """The broker is away."""


class DoorbellListener:
    """One broker connection, used by one thread. A message is acknowledged at once: it only rings."""

    def __init__(
        self, redis_url: str, pools: tuple[str, ...], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._monotonic = monotonic
        self._heard_at = 0.0
        self._url, self._queues = redis_url, [pool_queue(pool) for pool in pools]
        self._connection: Connection | None = None
        self._consumer: Consumer | None = None
        self._rung: deque[UUID] = deque()

    def next_run(self, seconds: float) -> UUID | None:
        """The next run somebody rang for, waiting up to `seconds`. Raises BellBrokenError."""
        if not self._rung:
            try:
                self._listening().drain_events(timeout=seconds)
            except TimeoutError:
                if self._monotonic() - self._heard_at > SILENCE_SECONDS:
                    self.close()  # the next call connects anew, and finds out whether anybody is there
                return None
            except (OperationalError, redis.RedisError, OSError) as error:
                self.close()
                raise BellBrokenError(type(error).__name__) from None
        return self._rung.popleft() if self._rung else None

    def close(self) -> None:
        """Stop listening, so that other executors hear what rings while this one has no free slot."""
        connection, self._connection, self._consumer = self._connection, None, None
        if connection is None:
            return
        try:
            connection.release()
        except (OperationalError, redis.RedisError, OSError) as error:
            _log.debug("release_failed", error=type(error).__name__)

    def _listening(self) -> Connection:
        if self._connection is None:
            self._connection = broker_connection(self._url, unacked=_UNACKED)
            self._connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
            self._consumer = Consumer(
                self._connection, self._queues, callbacks=[self._heard], accept=["json"], prefetch_count=1
            )
            self._consumer.consume()
            self._heard_at = self._monotonic()
        return self._connection

    def _heard(self, body: Any, message: Message) -> None:
        self._heard_at = self._monotonic()
        message.ack()
        try:
            self._rung.append(parse_run_available(body))
        except (MessageError, AttributeError) as error:
            _log.warning("message_ignored", error=str(error))
