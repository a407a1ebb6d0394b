"""What each of deploy/redis/users.acl may do: its own work, and an executor nothing beyond."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
import redis
from drover_executor.client.run_api import Claim
from drover_executor.doorbell import DoorbellListener
from drover_executor.shipping.ledger import Sent
from drover_executor.shipping.sinks import RedisSink, connect
from drover_shared.ids import new_run_id
from drover_shared.messages.streams import EVENTS_GROUP, EVENTS_STREAM, LOGS_STREAM, run_channel
from drover_shared.queue import Doorbell
from drover_shared.streams.bells import ring_runs
from drover_shared.streams.group import ConsumerGroup, GroupSettings, stream_client

Client = redis.Redis


def as_user(redis_url: str, name: str) -> str:
    return redis_url.replace("redis://:", f"redis://{name}:")


@pytest.fixture
def executor_url(redis_url: str) -> str:
    return as_user(redis_url, "executor")


def test_an_executor_hears_its_bell(redis_url: str, executor_url: str) -> None:
    bell, listener, run = (
        Doorbell(as_user(redis_url, "scheduler")),
        DoorbellListener(executor_url, ("default",)),
        new_run_id(),
    )
    assert bell.run_waits(run, "default")
    assert listener.next_run(5) == run
    listener.close()
    bell.close()


def test_an_executor_puts_out_and_sees_what_waits(redis_url: str, executor_url: str) -> None:
    run = new_run_id()
    claim = Claim(run, "run token", "stream token", 30, 5, 0.0)
    client = connect(executor_url)
    sink = RedisSink(client, claim, 1)
    first, second = sink.events([b'{"seq":1}']), sink.events([b'{"seq":2}'])
    assert sink.chunk(0, 0, b"x")
    assert first is not None
    assert second is not None
    suspects = [Sent(1, 1, first, 0.0), Sent(2, 2, second, 0.0)]
    assert sink.waiting(EVENTS_STREAM, suspects) == {first, second}  # nobody reads yet
    reader = stream_client(as_user(redis_url, "event-ingest"))
    group = ConsumerGroup(reader, GroupSettings(EVENTS_STREAM, EVENTS_GROUP, count=1, batch_entries=1), "one")
    [taken] = group.read()
    assert sink.waiting(EVENTS_STREAM, suspects) == {first, second}  # one in hand, one not delivered
    group.acknowledge([taken])
    assert sink.waiting(EVENTS_STREAM, suspects) == {second}
    group.acknowledge(group.read())
    assert sink.waiting(EVENTS_STREAM, suspects) == set()
    reader.close()
    client.close()


FORBIDDEN: dict[str, Callable[[Client], Any]] = {
    "read others' output": lambda client: client.xrange(EVENTS_STREAM),
    "read others' log": lambda client: client.xread({LOGS_STREAM: "0"}),
    "read it as a consumer": lambda client: client.xreadgroup("event-ingest", "me", {EVENTS_STREAM: ">"}),
    "see it in the stream's state": lambda client: client.xinfo_stream(EVENTS_STREAM, full=True),
    "take output away": lambda client: client.xtrim(EVENTS_STREAM, 0),
    "delete the stream": lambda client: client.delete(EVENTS_STREAM),
    "write over the stream": lambda client: client.set(EVENTS_STREAM, "x"),
    "ring the scheduler": lambda client: client.lpush("scheduler", "x"),
    "see what the scheduler has in hand": lambda client: client.hgetall("unacked"),
    "list keys": lambda client: client.keys("*"),
    "flush": lambda client: client.flushdb(),
    "change the server": lambda client: client.config_set("maxmemory", "1"),
    "see the users": lambda client: client.acl_list(),
    "follow live readers": lambda client: client.publish(run_channel(uuid4()), "events"),
    "cut others off": lambda client: client.client_kill("127.0.0.1:1"),
    "reach a key by a script": lambda client: client.eval("return redis.call('llen', 'scheduler')", 0),
    "dump": lambda client: client.dump(EVENTS_STREAM),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_an_executor_may_not(what: str, redis_client: Client, executor_url: str) -> None:
    redis_client.xadd(EVENTS_STREAM, {"token": "another's"})
    refused = pytest.raises(redis.ResponseError, match=r"(?i)no permissions|NOPERM|can't run|access")
    with redis.Redis.from_url(executor_url) as client, refused:
        FORBIDDEN[what](client)


@pytest.mark.parametrize("name", ["event-ingest", "log-store"])
def test_a_consumer_knows_its_own_stream_alone(name: str, redis_url: str) -> None:
    own, other = (EVENTS_STREAM, LOGS_STREAM) if name == "event-ingest" else (LOGS_STREAM, EVENTS_STREAM)
    client = stream_client(as_user(redis_url, name))
    group = ConsumerGroup(client, GroupSettings(own, "group", block_ms=1), "one")
    assert group.read() == []
    assert group.claim() == []
    group.measure()
    group.forget_the_dead()
    ring_runs(client, [new_run_id()], "events")
    tries: list[Callable[[], Any]] = [
        lambda: client.xlen(other),
        lambda: client.llen("scheduler"),
        client.flushdb,
    ]
    for forbidden in tries:
        with pytest.raises(redis.ResponseError, match=r"(?i)permission"):
            forbidden()
    client.close()


def test_the_monitor_sees_lengths_and_nothing_else(redis_url: str) -> None:
    with redis.Redis.from_url(as_user(redis_url, "monitor")) as client:
        assert (client.xlen(EVENTS_STREAM), client.llen("runs.default")) == (0, 0)
        tries: list[Callable[[], Any]] = [lambda: client.xrange(EVENTS_STREAM), lambda: client.lpop("runs.x")]
        for forbidden in tries:
            with pytest.raises(redis.ResponseError, match=r"(?i)permission"):
                forbidden()
