"""Messages vanish, come twice, and processes die with kill -9: the job still ends right and complete."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.job_output import assert_complete
from support.live import LiveStack, job_ended
from support.projects import World, make_repository
from support.waiting import eventually

INVENTORY = "\n".join(f"host{n:02} ansible_connection=local" for n in range(5)) + "\n"
# Long enough that something can happen in its middle, and every host's result can be counted.
PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - command: sleep 0.3
      loop: [1, 2, 3]
    - debug: {msg: "middle"}
    - command: sleep 0.3
      loop: [1, 2, 3]
    - debug: {msg: "end"}
"""
TASKS = 4
HOPS = {
    "scheduler": "scheduler",  # the process that reads it: the key it reads
    "executor": "runs.default",
    "event-ingest": "job-events",
    "log-store": "log-chunks",
}


@pytest.fixture
def template(world: World, tmp_path: Path) -> dict[str, Any]:
    make_repository(tmp_path / "project", {"site.yml": PLAYBOOK})
    inventory = world.inventory("five", INVENTORY)
    return world.template("steps", str(tmp_path / "project"), "site.yml", inventory, max_attempts=3)


@contextmanager
def frozen(stack: LiveStack, service: str) -> Iterator[None]:
    """The service is stopped (SIGSTOP) while the body runs."""
    stack.signal(service, signal.SIGSTOP)
    try:
        yield
    finally:
        stack.signal(service, signal.SIGCONT)


def assert_right(client: httpx.Client, job: dict[str, Any]) -> None:
    assert job["status"] == "successful", job
    assert job["summary"]["hosts_total"] == 5
    assert job["summary"]["hosts_ok"] == 5
    events = assert_complete(client, job)
    results = [(e["host"], e["task_name"]) for e in events if e["event_type"] == "TASK_OK"]
    assert len(results) == 5 * TASKS


def attempts(client: httpx.Client, job: dict[str, Any]) -> list[str]:
    runs = client.get(f"/jobs/{job['id']}/runs").json()["items"]
    return [run["state"] for run in sorted(runs, key=lambda run: run["attempt_number"])]


@pytest.mark.parametrize("service", HOPS)
def test_a_vanished_message_costs_nothing(
    stack: LiveStack, client: httpx.Client, world: World, template: dict[str, Any], service: str
) -> None:
    key = HOPS[service]
    with stack.redis() as redis:
        with frozen(stack, service):
            job = world.launch(template)
            eventually(f"a message on {key}", lambda: redis.exists(key), 30)
            assert redis.delete(key) == 1
        ended = job_ended(client, job["id"])
    assert_right(client, ended)
    assert attempts(client, ended) == ["successful"]


@pytest.mark.parametrize("service", ["event-ingest", "log-store"])
def test_a_second_delivery_of_output_changes_nothing(
    stack: LiveStack, client: httpx.Client, world: World, template: dict[str, Any], service: str
) -> None:
    key = HOPS[service]
    with stack.redis() as redis:
        with frozen(stack, service):
            job = world.launch(template)
            eventually(f"three messages on {key}", lambda: redis.xlen(key) >= 3, 30)
            for _entry, fields in redis.xrange(key):
                redis.xadd(key, fields)
        ended = job_ended(client, job["id"])
    assert_right(client, ended)


@pytest.mark.parametrize("service", ["scheduler", "executor"])
def test_a_second_delivery_of_a_command_changes_nothing(
    stack: LiveStack, client: httpx.Client, world: World, template: dict[str, Any], service: str
) -> None:
    key = HOPS[service]
    with stack.redis() as redis:
        with frozen(stack, service):
            job = world.launch(template)
            eventually(f"a message on {key}", lambda: redis.llen(key), 30)
            redis.rpush(key, *redis.lrange(key, 0, -1))
        ended = job_ended(client, job["id"])
    assert_right(client, ended)
    assert attempts(client, ended) == ["successful"]


@pytest.mark.parametrize("service", ["api", "scheduler", "event-ingest", "log-store", "redis", "postgres"])
def test_kill_9_in_the_middle_of_a_job_is_invisible(
    stack: LiveStack, client: httpx.Client, world: World, template: dict[str, Any], service: str
) -> None:
    job = world.launch(template)
    in_the_middle(client, job)
    stack.kill(service)
    ended = job_ended(stack.client(), job["id"])
    assert_right(stack.client(), ended)
    assert attempts(stack.client(), ended) == ["successful"]


def test_kill_9_of_the_executor_gives_another_attempt(
    stack: LiveStack, client: httpx.Client, world: World, template: dict[str, Any]
) -> None:
    job = world.launch(template)
    in_the_middle(client, job)
    stack.kill("executor")
    ended = job_ended(client, job["id"])
    assert_right(client, ended)
    assert attempts(client, ended) == ["lost", "successful"]


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


def in_the_middle(client: httpx.Client, job: dict[str, Any]) -> None:
    """Return when the job has put out its first results."""

    def look() -> bool:
        events = client.get(f"/jobs/{job['id']}/events", params={"event_type": "TASK_ITEM_OK"})
        return events.is_success and bool(events.json()["items"])

    eventually("the job is in its middle", look, 30)
