"""Messages vanish, come twice, and processes die with kill -9: the job still ends right and complete."""

import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from drover_shared.queue import Doorbell
from support.job_output import assert_complete
from support.live import FINAL, LiveStack, job_ended
from support.projects import World, local_hosts, make_repository
from support.waiting import eventually

HOSTS, TASKS = 3, 4
INVENTORY = local_hosts(*(f"host{n}" for n in range(HOSTS)))
# Long enough that something can happen in its middle, and every host's result can be counted.
PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - command: sleep 0.3
      loop: [1, 2]
    - debug: {msg: "middle"}
    - command: sleep 0.3
      loop: [1, 2]
    - debug: {msg: "end"}
"""
# It tells each retry of each host until its gate is there: output without an end while parts die.
UNTIL_THE_GATE = """
- hosts: all
  gather_facts: false
  tasks:
    - raw: test -e {{ gate }}
      register: seen
      until: seen is success
      retries: 10000
      delay: 0.5
"""
STREAMS = {"event-ingest": "job-events", "log-store": "log-chunks"}  # the process that reads it: its stream
SERVICES = ("api", "scheduler", "event-ingest", "log-store", "executor", "redis", "postgres")


@pytest.fixture
def template(world: World, tmp_path: Path) -> dict[str, Any]:
    make_repository(tmp_path / "project", {"site.yml": PLAYBOOK})
    inventory = world.inventory("fleet", INVENTORY)
    return world.template("steps", str(tmp_path / "project"), "site.yml", inventory, max_attempts=3)


@contextmanager
def frozen(stack: LiveStack, *services: str) -> Iterator[None]:
    """The services are stopped (SIGSTOP) while the body runs."""
    for service in services:
        stack.signal(service, signal.SIGSTOP)
    try:
        yield
    finally:
        for service in services:
            stack.signal(service, signal.SIGCONT)


def assert_right(client: httpx.Client, job: dict[str, Any]) -> None:
    assert job["status"] == "successful", job
    assert job["summary"]["hosts_total"] == HOSTS
    assert job["summary"]["hosts_ok"] == HOSTS
    events = assert_complete(client, job)
    results = [(e["host"], e["task_name"]) for e in events if e["event_type"] == "TASK_OK"]
    assert len(results) == HOSTS * TASKS


def attempts(client: httpx.Client, job: dict[str, Any]) -> list[str]:
    runs = client.get(f"/jobs/{job['id']}/runs").json()["items"]
    return [run["state"] for run in sorted(runs, key=lambda run: run["attempt_number"])]


@pytest.mark.parametrize(("service", "status"), [("scheduler", "pending"), ("executor", "queued")])
def test_a_command_that_vanishes_with_its_reader_costs_nothing(
    stack: LiveStack, client: httpx.Client, world: World, template: dict[str, Any], service: str, status: str
) -> None:
    """A frozen reader still takes its next message; its death takes the message along."""
    stack.signal(service, signal.SIGSTOP)
    job = world.launch(template)
    eventually(f"the job is {status}", lambda: client.get(f"/jobs/{job['id']}").json()["status"] == status)
    with stack.redis() as redis:
        redis.delete("scheduler", "runs.default")
    stack.kill(service)
    ended = job_ended(client, job["id"])
    assert_right(client, ended)
    assert attempts(client, ended) == ["successful"]


def test_output_that_vanishes_is_sent_again(
    stack: LiveStack, client: httpx.Client, world: World, template: dict[str, Any]
) -> None:
    """Of both streams, before anybody has read it."""
    with stack.redis() as redis:
        with frozen(stack, *STREAMS):
            job = world.launch(template)
            for key in STREAMS.values():
                eventually(f"two messages on {key}", lambda key=key: redis.xlen(key) >= 2, 30)  # type: ignore[misc]
                assert redis.delete(key) == 1
        ended = job_ended(client, job["id"])
    assert_right(client, ended)
    assert attempts(client, ended) == ["successful"]


def test_a_second_delivery_of_output_changes_nothing(
    stack: LiveStack, client: httpx.Client, world: World, template: dict[str, Any]
) -> None:
    with stack.redis() as redis:
        with frozen(stack, *STREAMS):
            job = world.launch(template)
            for key in STREAMS.values():
                eventually(f"three messages on {key}", lambda key=key: redis.xlen(key) >= 3, 30)  # type: ignore[misc]
                for _entry, fields in redis.xrange(key):
                    redis.xadd(key, fields)
        ended = job_ended(client, job["id"])
    assert_right(client, ended)


def test_a_second_delivery_of_a_command_changes_nothing(
    stack: LiveStack, client: httpx.Client, world: World, template: dict[str, Any]
) -> None:
    job = world.launch(template)
    with closing(Doorbell(stack.redis_url())) as doorbell:
        assert doorbell.job_waits(job["id"])
        in_the_middle(client, job)
        run_id = client.get(f"/jobs/{job['id']}").json()["current_run_id"]
        assert doorbell.job_waits(job["id"])
        assert doorbell.run_waits(UUID(run_id), "default")
    ended = job_ended(client, job["id"])
    assert_right(client, ended)
    assert attempts(client, ended) == ["successful"]


def test_kill_9_of_each_part_in_turn_is_invisible(
    stack: LiveStack, client: httpx.Client, world: World, tmp_path: Path
) -> None:
    """One playbook works through it all, in one attempt; after each death new output of it is stored."""
    make_repository(tmp_path / "project", {"site.yml": UNTIL_THE_GATE})
    inventory, gate = world.inventory("fleet", INVENTORY), tmp_path / "gate"
    template = world.template(
        "gate", str(tmp_path / "project"), "site.yml", inventory, extra_vars={"gate": str(gate)}
    )
    job = world.launch(template)
    try:
        last = retried(client, job, 0)
        for service in SERVICES:
            stack.kill(service)
            before = retried(client, job, last)  # it may have come before the death
            last = retried(client, job, before)
    finally:
        gate.touch()
    ended = job_ended(client, job["id"])
    assert ended["summary"]["hosts_ok"] == HOSTS
    events = assert_complete(client, ended)
    assert [event["event_type"] for event in events].count("TASK_OK") == HOSTS
    assert attempts(client, ended) == ["successful"]


def retried(client: httpx.Client, job: dict[str, Any], after: int) -> int:
    """Wait until retries behind number `after` are stored; the last one's number."""
    path = f"/jobs/{job['id']}/events?event_type=TASK_RETRY&limit=200&after_seq={after}"

    def look() -> int | None:
        with suppress(httpx.HTTPError):
            items = client.get(path).raise_for_status().json()["items"]
            return items[-1]["seq"] if items else None
        return None

    return eventually(f"a retry behind {after}", look, 60)


def test_redis_wiped_in_the_middle_of_a_job(
    stack: LiveStack, client: httpx.Client, world: World, template: dict[str, Any]
) -> None:
    job = world.launch(template)
    in_the_middle(client, job)
    with stack.redis() as redis:
        redis.flushall()
    assert_right(client, job_ended(client, job["id"]))


def test_a_launch_answers_while_redis_is_away(
    stack: LiveStack, client: httpx.Client, world: World, template: dict[str, Any]
) -> None:
    with frozen(stack, "redis"):
        job = world.launch(template)
    assert_right(client, job_ended(client, job["id"]))


def test_an_object_store_that_is_away_loses_nothing_and_blocks_no_job(
    stack: LiveStack, client: httpx.Client, world: World, template: dict[str, Any]
) -> None:
    """More jobs than the executor has slots end while nothing of their logs can be stored."""
    with frozen(stack, "s3"):
        jobs = [world.launch(template) for _ in range(3)]
        ended = [job_over(client, job["id"]) for job in jobs]
        assert [job["status"] for job in ended] == ["successful"] * len(jobs)
        assert not any(job["log_complete"] for job in ended)
    for job in jobs:
        assert_right(client, job_ended(client, job["id"]))


def job_over(client: httpx.Client, job_id: int) -> dict[str, Any]:
    """The job once it is over, whatever of its output is stored."""

    def look() -> dict[str, Any] | None:
        job: dict[str, Any] = client.get(f"/jobs/{job_id}").raise_for_status().json()
        return job if job["status"] in FINAL else None

    return eventually(f"job {job_id} is over", look, 90)


def in_the_middle(client: httpx.Client, job: dict[str, Any]) -> None:
    """Return when the job has put out its first results."""

    def look() -> bool:
        events = client.get(f"/jobs/{job['id']}/events", params={"event_type": "TASK_ITEM_OK"})
        return events.is_success and bool(events.json()["items"])

    eventually("the job is in its middle", look, 30)
