"""Redis at its `maxmemory`: executors hold their output back, readers go on, and nothing is lost."""

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import redis
from drover_executor.client.run_api import Claim
from drover_executor.shipping.shipper import Shipper
from drover_executor.shipping.sinks import RedisSink, connect
from drover_shared.ids import new_run_id
from drover_shared.messages.streams import EVENTS_GROUP, EVENTS_STREAM, decode_events
from drover_shared.streams.group import ConsumerGroup, GroupSettings, stream_client
from support.redis_servers import RedisServers

MEMORY = 16 * 1024 * 1024
EVENTS, EVENT_BYTES = 400, 100_000  # two and a half times what Redis may hold


@pytest.fixture
def small_url(tmp_path: Path) -> Iterator[str]:
    """A Redis that may hold little and evicts nothing."""
    servers = RedisServers(tmp_path)
    port = servers.port()
    servers.ports = {"small": port}
    limits = [f"maxmemory {MEMORY}", "maxmemory-policy noeviction"]
    servers.start("small", [f"port {port}", f"requirepass {servers.password}", *limits])
    servers.wait_for("small")
    try:
        yield f"redis://:{servers.password}@127.0.0.1:{port}/0"
    finally:
        servers.stop()


class Clock:
    """Each look is long after the last one, so that no pause between two tries is over-long."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 10
        return self.now


def test_a_full_redis_holds_output_back_and_loses_none(small_url: str, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    lines = (orjson.dumps({"seq": seq, "pad": "x" * EVENT_BYTES}) for seq in range(1, EVENTS + 1))
    (spool / "events.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    claim = Claim(new_run_id(), "drrun_of-the-test", "drstream_of-the-test", 300, 5, 0)
    client = connect(small_url)
    shipper = Shipper(spool, RedisSink(client, claim, 1, Clock()), Clock())
    reader = ConsumerGroup(
        stream_client(small_url), GroupSettings(EVENTS_STREAM, EVENTS_GROUP, block_ms=10), "reader"
    )
    shipper.look()
    shipper.send()
    assert not shipper.all_sent
    assert _used(client) < MEMORY * 1.2  # it is asked before a command, which may then be one batch too much

    seen: list[int] = []
    while entries := reader.read():
        for entry in entries:
            seen += [event["seq"] for event in decode_events(entry.fields).events]
        reader.acknowledge(entries)
        shipper.send()
        assert _used(client) < MEMORY * 1.2
    assert shipper.all_sent
    assert seen == list(range(1, EVENTS + 1))


def _used(client: redis.Redis) -> int:
    return int(client.info("memory")["used_memory"])
