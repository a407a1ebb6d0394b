"""A consumer group against a real Redis: nothing is lost between consumers, nor with Redis' memory."""

from typing import Any

import pytest
import redis
from drover_shared.streams.group import ConsumerGroup, GroupSettings, consumer_name, stream_client

STREAM, GROUP = "things", "workers"
QUICK = GroupSettings(STREAM, GROUP, count=8, block_ms=20, claim_idle_ms=0, forget_idle_ms=-1)
PATIENT = GroupSettings(STREAM, GROUP, count=8, block_ms=20, claim_idle_ms=60_000)


@pytest.fixture
def client(redis_url: str) -> "redis.Redis":
    return stream_client(redis_url)


def add(client: "redis.Redis", count: int, body: bytes = b"x") -> None:
    for number in range(count):
        client.xadd(STREAM, {b"n": str(number).encode(), b"body": body})


def numbers(entries: Any) -> list[int]:
    return [int(entry.fields[b"n"]) for entry in entries]


def test_what_came_before_the_group_is_read(client: "redis.Redis") -> None:
    add(client, 3)
    assert numbers(ConsumerGroup(client, PATIENT, "a").read()) == [0, 1, 2]


def test_nothing_new_is_an_empty_answer(client: "redis.Redis") -> None:
    assert ConsumerGroup(client, PATIENT, "a").read() == []


def test_a_batch_is_as_much_as_there_is_up_to_its_limits(client: "redis.Redis") -> None:
    add(client, 40)
    group = ConsumerGroup(client, PATIENT, "a")
    assert len(group.read()) == 40
    add(client, 40, b"x" * 1024)
    small = GroupSettings(STREAM, GROUP, count=8, block_ms=20, batch_bytes=16 * 1024)
    assert len(ConsumerGroup(client, small, "a").read()) == 16


def test_consumers_share_and_take_over(client: "redis.Redis") -> None:
    add(client, 5)
    first, second = ConsumerGroup(client, QUICK, "a"), ConsumerGroup(client, QUICK, "b")
    assert numbers(first.read()) == [0, 1, 2, 3, 4]
    assert second.read() == []
    assert ConsumerGroup(client, PATIENT, "c").claim() == []
    assert numbers(second.claim()) == [0, 1, 2, 3, 4]


def test_entries_deleted_by_hand_do_not_hold_up_the_others(client: "redis.Redis") -> None:
    add(client, 30)
    read = ConsumerGroup(client, QUICK, "a").read()
    client.xdel(STREAM, *[entry.id for entry in read[:20]])
    heir = ConsumerGroup(client, QUICK, "b")
    found = [number for _ in range(4) for number in numbers(heir.claim())]
    assert set(found) == set(range(20, 30))


def test_acknowledged_entries_are_gone(client: "redis.Redis") -> None:
    add(client, 3)
    group = ConsumerGroup(client, QUICK, "a")
    entries = group.read()
    group.acknowledge(entries)
    group.acknowledge(entries)
    assert client.xlen(STREAM) == 0
    assert group.claim() == []


def test_a_wiped_redis_is_set_up_again(client: "redis.Redis") -> None:
    group = ConsumerGroup(client, QUICK, "a")
    add(client, 2)
    entries = group.read()
    client.flushdb()
    group.acknowledge(entries)
    assert group.claim() == []
    client.flushdb()
    add(client, 2)
    assert numbers(group.read()) == [0, 1]


def test_silent_consumers_without_entries_are_forgotten(client: "redis.Redis") -> None:
    holder, silent = ConsumerGroup(client, QUICK, "holder"), ConsumerGroup(client, QUICK, "silent")
    for group in (silent, holder):
        add(client, 1)
        entries = group.read()
        if group is silent:
            group.acknowledge(entries)
    ConsumerGroup(client, PATIENT, "new").forget_the_dead()
    assert consumers(client) >= {b"holder", b"silent"}
    ConsumerGroup(client, QUICK, "new").forget_the_dead()
    assert consumers(client) == {b"holder"}


def consumers(client: "redis.Redis") -> set[bytes]:
    found: Any = client.xinfo_consumers(STREAM, GROUP)
    return {consumer["name"] for consumer in found}


def test_names_are_unique() -> None:
    assert len({consumer_name() for _ in range(100)}) == 100
