"""Jobs of several attempts, and runs of an executor that speaks HTTP alone, through the whole stack."""

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from drover_executor.child.tree import with_environment
from support.http_executor import http_executor
from support.job_output import assert_complete, host_summaries
from support.live import LiveStack, job_ended
from support.projects import World, local_hosts, make_repository
from support.waiting import eventually

HOSTS = local_hosts("one", "two", "three")
# Host "two" fails in a job's first attempt; `marks` keeps who was there.
FAILS_ONCE = """
- hosts: all
  gather_facts: false
  tasks:
    - shell: echo {{ inventory_hostname }} >> "{{ marks }}"
    - shell: test $(grep -c two "{{ marks }}") -gt 1
      when: inventory_hostname == "two"
"""
LONG = """
- hosts: all
  gather_facts: false
  tasks:
    - debug: {msg: begin}
    - shell: test -e "{{ gate }}" || (touch "{{ gate }}"; exec sleep 60)
      when: inventory_hostname == "one"
"""


def runs_of(client: httpx.Client, job: dict[str, Any]) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = client.get(f"/jobs/{job['id']}/runs").json()["items"]
    return sorted(runs, key=lambda run: int(run["attempt_number"]))


def test_only_the_hosts_that_failed_are_tried_again(
    world: World, client: httpx.Client, tmp_path: Path
) -> None:
    make_repository(tmp_path / "project", {"site.yml": FAILS_ONCE})
    template = world.template(
        "retried",
        str(tmp_path / "project"),
        "site.yml",
        world.inventory("fleet", HOSTS),
        extra_vars={"marks": str(tmp_path / "marks")},
        retry_on=["failed"],
        retry_hosts="failed",
        retry_wait_seconds=0,
    )
    job = job_ended(client, world.launch(template)["id"])
    assert job["status"] == "successful", job
    told = [(run["state"], run["cause"], run["limit"]) for run in runs_of(client, job)]
    assert told == [("failed", "launch", None), ("successful", "playbook_failed", "two")]
    assert sorted((tmp_path / "marks").read_text().split()) == ["one", "three", "two", "two"]
    assert (job["summary"]["hosts_total"], job["summary"]["hosts_ok"]) == (3, 3)
    assert {host: counts.failed for host, counts in host_summaries(client, job["id"]).items()} == {
        "one": 0,
        "two": 0,
        "three": 0,
    }


def test_an_executor_that_comes_back_without_its_playbook_says_so_at_once(
    stack: LiveStack, world: World, client: httpx.Client, tmp_path: Path
) -> None:
    make_repository(tmp_path / "project", {"site.yml": LONG})
    gate = tmp_path / "gate"
    template = world.template(
        "lost",
        str(tmp_path / "project"),
        "site.yml",
        world.inventory("fleet", HOSTS),
        extra_vars={"gate": str(gate)},
    )
    job = world.launch(template)
    eventually("the playbook waits", gate.exists, 60)
    run_id = client.get(f"/jobs/{job['id']}").json()["current_run_id"]
    stack.signal("executor", signal.SIGSTOP)
    for pid in with_environment(f"DROVER_JOB_RUN_ID={run_id}".encode()):
        with suppress(ProcessLookupError):  # it went along with one before it
            os.kill(pid, signal.SIGKILL)
    stack.kill("executor")
    ended = job_ended(client, job["id"])
    assert ended["status"] == "successful"
    first, second = runs_of(client, ended)
    assert (first["state"], first["error_reason"], second["cause"]) == (
        "failed",
        "executor_lost",
        "executor_lost",
    )
    eventually(
        "the first attempt's output is complete",
        lambda: all(runs_of(client, ended)[0][which] for which in ("events_complete", "log_complete")),
    )
    assert_complete(client, ended)


def test_an_executor_needs_nothing_but_http(
    stack: LiveStack, world: World, client: httpx.Client, tmp_path: Path
) -> None:
    make_repository(tmp_path / "project", {"site.yml": FAILS_ONCE})
    with http_executor(stack, tmp_path / "executor", "behind-a-firewall"):
        eventually("it is registered", lambda: "executor_ready" in log_of(tmp_path), 60)
        template = world.template(
            "far",
            str(tmp_path / "project"),
            "site.yml",
            world.inventory("fleet", HOSTS),
            extra_vars={"marks": str(tmp_path / "marks")},
            executor_pool="behind-a-firewall",
            retry_on=["failed"],
            retry_wait_seconds=0,
        )
        job = job_ended(client, world.launch(template)["id"])
        assert job["status"] == "successful", job
        assert [run["state"] for run in runs_of(client, job)] == ["failed", "successful"]
        assert_complete(client, job)


def log_of(tmp_path: Path) -> str:
    return (tmp_path / "executor" / "executor.log").read_text()
