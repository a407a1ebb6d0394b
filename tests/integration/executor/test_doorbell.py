"""What becomes of those that ring and hear when the queue dies without a word."""

import time
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import UUID

import pytest
import redis
from drover_executor.doorbell import SILENCE_SECONDS, DoorbellListener
from drover_shared.ids import new_run_id
from drover_shared.queue import Doorbell, quick_client
from support.waiting import eventually
from support.wire import After, Cut, Switchboard, Wire


@pytest.fixture
def wire(redis_url: str) -> Iterator[Wire]:
    board = Switchboard()
    port = urlsplit(redis_url).port
    assert port is not None
    yield board.connect(port)
    board.close()


@pytest.fixture
def wired_url(redis_url: str, wire: Wire) -> str:
    return redis_url.replace(f":{urlsplit(redis_url).port}/", f":{wire.port}/")


def test_whoever_rings_waits_for_nobody(wired_url: str, wire: Wire) -> None:
    bell, client = Doorbell(wired_url), quick_client(wired_url)
    assert client.ping()
    assert bell.run_waits(new_run_id(), "default")
    wire.cut(Cut.HOLE)
    begun = time.monotonic()
    with pytest.raises(redis.TimeoutError):
        client.llen("runs.default")
    assert not any(bell.run_waits(new_run_id(), "default") for _ in range(20))
    assert time.monotonic() - begun < 5, "each ring waited by itself"
    wire.heal(After.RESET)
    bell.close()


def test_a_connection_that_is_silent_for_long_is_made_anew(
    redis_url: str, wired_url: str, wire: Wire
) -> None:
    now = 0.0
    listener = DoorbellListener(wired_url, ("default",), lambda: now)
    bell, run = Doorbell(redis_url), new_run_id()
    assert listener.next_run(0.2) is None
    wire.cut(Cut.HOLE)
    wire.heal(After.FORGET)
    assert bell.run_waits(run, "default")
    assert listener.next_run(0.5) is None
    now += SILENCE_SECONDS + 1

    def heard() -> UUID | None:
        bell.run_waits(run, "default")  # as the scheduler rings again: the dead connection may take one
        return listener.next_run(0.5)

    assert eventually("a ring is heard", heard, 20) == run
    listener.close()
    bell.close()
