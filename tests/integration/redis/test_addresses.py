"""Redis over TLS and behind Sentinels, for every kind of client; a failover in the middle of a run."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from drover_executor.doorbell import BellBrokenError, DoorbellListener
from drover_shared.ids import new_run_id
from drover_shared.messages.streams import EVENTS_GROUP, EVENTS_STREAM, run_channel
from drover_shared.queue import SCHEDULER_QUEUE, Doorbell, celery_app
from drover_shared.redis_address import RedisAddress
from drover_shared.streams.bells import ring_runs
from drover_shared.streams.group import ConsumerGroup, GroupSettings, stream_client
from support.executor import ExecutorProcess, make_project, manifest
from support.fake_api import FakeApi, FakeRun, wait_until
from support.redis_servers import RedisServers
from support.servers import StackServers
from support.tls import TlsProxy
from support.waiting import eventually


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServers]:
    made = RedisServers(tmp_path_factory.mktemp("redis"))
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def tls_url(redis_url: str, stack_servers: StackServers, tmp_path: Path) -> Iterator[str]:
    proxy = TlsProxy(tmp_path / "certificates", stack_servers.ports["redis"])
    address = RedisAddress.parse(redis_url)
    place = f"127.0.0.1:{proxy.port}/{address.database}"
    yield f"rediss://:{address.password}@{place}?ssl_ca_certs={proxy.authority}"
    proxy.stop()


@pytest.fixture(scope="module")
def sentinel_url(servers: RedisServers) -> str:
    return servers.start_sentinels()


def _answers(url: str) -> bool:
    try:
        with RedisAddress.parse(url).client(socket_timeout=2) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def every_kind_of_client(url: str) -> None:
    """A ring for each listener, a stream read as a group, and a live reader's bell."""
    run = new_run_id()
    bell, listener = Doorbell(url), DoorbellListener(url, ("default",))
    assert bell.run_waits(run, "default")
    assert listener.next_run(5) == run
    assert bell.job_waits(17)
    with celery_app(url).connection_for_read() as connection:
        message = connection.SimpleQueue(SCHEDULER_QUEUE).get(timeout=5)
        assert message.payload[0] == [17]
        message.ack()
    client = stream_client(url)
    client.xadd(EVENTS_STREAM, {"body": "x"})
    group = ConsumerGroup(client, GroupSettings(EVENTS_STREAM, EVENTS_GROUP), "one")
    entries = group.read()
    assert [entry.fields for entry in entries] == [{b"body": b"x"}]
    group.acknowledge(entries)
    with client.pubsub() as live:  # type: ignore[no-untyped-call]
        live.subscribe(run_channel(run))
        assert live.get_message(timeout=5)
        ring_runs(client, [run], "events")
        heard = live.get_message(timeout=5)
        assert heard is not None
        assert heard["data"] == b"events"
    client.close()
    listener.close()
    bell.close()


def test_tls(tls_url: str) -> None:
    every_kind_of_client(tls_url)


def test_tls_from_an_unknown_authority_is_refused(tls_url: str) -> None:
    unknown = tls_url.partition("?")[0]
    assert not _answers(unknown)
    assert not Doorbell(unknown).run_waits(new_run_id(), "default")
    with pytest.raises(BellBrokenError):
        DoorbellListener(unknown, ("default",)).next_run(1)


def test_sentinels(sentinel_url: str) -> None:
    every_kind_of_client(sentinel_url)


SITE = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Count
      ansible.builtin.debug:
        msg: "{{ item }}"
      loop: "{{ range(20) | list }}"
    - name: Wait
      ansible.builtin.wait_for:
        path: "{{ gate }}"
      when: inventory_hostname == "web01"
    - name: Count again
      ansible.builtin.debug:
        msg: "{{ item }}"
      loop: "{{ range(20) | list }}"
"""


def test_a_failover_in_the_middle_of_a_run_loses_nothing(
    servers: RedisServers, sentinel_url: str, tmp_path: Path
) -> None:
    """What the old master had and its replica had not is sent again; the run goes on meanwhile."""
    project, gate = make_project(tmp_path / "project", {"site.yml": SITE}), tmp_path / "gate"
    api = FakeApi(sentinel_url, lease_seconds=30).start()
    executor = ExecutorProcess(api, tmp_path / "executor", sentinel_url, tmp_path, {}).start()
    try:
        api.storing.clear()  # everything that was put out lies in Redis when its master goes
        run = executor.launch(FakeRun(manifest(project, extra_vars={"gate": str(gate)})))
        first = servers.client("first")
        wait_until(lambda: first.xlen("job-events") > 0 and first.xlen("log-chunks") > 0)
        servers.kill("first")
        gate.touch()
        eventually(
            "a new master", lambda: servers.client("second").info("replication")["role"] == "master", 30
        )
        api.storing.set()
        end = api.wait_end(run)
    finally:
        executor.kill()
        api.stop()
    assert end["state"] == "successful"
    assert sorted(run.events) == list(range(1, len(run.events) + 1))
    assert len(run.of_type("TASK_ITEM_OK")) == 120
    assert hashlib.sha256(run.log).hexdigest() == end["log_sha256"]
