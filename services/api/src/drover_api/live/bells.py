"""Listens to the bells of the runs that somebody watches: one connection to Redis for a whole process.

Best effort: who listens looks by itself too, so a bell that is not heard costs a moment and nothing else.
"""

import threading
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import redis
from drover_shared.logging import get_logger
from drover_shared.messages.streams import run_channel
from drover_shared.streams.backoff import Backoff

Ring = Callable[[], None]  # called in the listening thread
WAIT_SECONDS = 0.2  # for a message; what else is to be listened to is noticed as often
_log = get_logger("drover.api.live")


class Bells:
    """Calls back for each ring of a run's channel, from a thread that starts with the first listener."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client
        self._lock = threading.Lock()
        self._rings: dict[str, list[Ring]] = defaultdict(list)
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def add(self, run_id: UUID, ring: Ring) -> None:
        """Call `ring` whenever something of this run is new."""
        with self._lock:
            self._rings[run_channel(run_id)].append(ring)
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._listen, name="live-bells", daemon=True)
                self._thread.start()

    def remove(self, run_id: UUID, ring: Ring) -> None:
        with self._lock:
            rings = self._rings[run_channel(run_id)]
            rings.remove(ring)
            if not rings:
                del self._rings[run_channel(run_id)]

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(2 * WAIT_SECONDS + 1)

    def _listen(self) -> None:
        backoff = Backoff(first=0.5, longest=5.0)
        while not self._stop.is_set():
            try:
                self._listen_once(backoff)
            except (redis.RedisError, OSError) as error:
                _log.warning("bells_unheard", error=type(error).__name__)
                self._stop.wait(backoff.next_delay())

    def _listen_once(self, backoff: Backoff) -> None:
        pubsub: Any = self._client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        heard: set[str] = set()
        try:
            while not self._stop.is_set():
                self._follow(pubsub, heard)
                if not heard:
                    self._stop.wait(WAIT_SECONDS)
                    continue
                message = pubsub.get_message(timeout=WAIT_SECONDS)
                backoff.reset()
                if message is not None:
                    self._ring(message["channel"].decode())
        finally:
            with suppress(redis.RedisError, OSError):
                pubsub.close()

    def _follow(self, pubsub: Any, heard: set[str]) -> None:
        """Listen to what is wanted, and to nothing else."""
        with self._lock:
            wanted = set(self._rings)
        if wanted - heard:
            pubsub.subscribe(*(wanted - heard))
        if heard - wanted:
            pubsub.unsubscribe(*(heard - wanted))
        heard.clear()
        heard.update(wanted)

    def _ring(self, channel: str) -> None:
        with self._lock:
            rings = list(self._rings.get(channel, ()))
        for ring in rings:
            ring()
