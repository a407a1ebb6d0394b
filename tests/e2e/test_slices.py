"""One job over two executors: its slices run at the same time, and their output is the job's."""

from pathlib import Path
from typing import Any

import httpx
from support.http_executor import http_executor
from support.job_output import all_events, counts_from, host_summaries, log_bytes
from support.live import LiveStack, job_ended
from support.projects import World, local_hosts, make_repository
from support.waiting import eventually

NAMES = [f"web{number:02}" for number in range(1, 11)]
# No host ends before all have begun: the slices must run side by side. web10 fails.
SITE = """
- hosts: all
  gather_facts: false
  tasks:
    - shell: touch "{{ marks }}/{{ inventory_hostname }}"
    - shell: until test $(ls "{{ marks }}" | wc -l) -ge 10; do sleep 0.1; done
    - command: test {{ inventory_hostname }} != web10
    - set_stats: {data: "{{ {'from_' ~ ansible_play_hosts | first: true} }}", per_host: false}
"""
SLICES = [["web01", "web04", "web07", "web10"], ["web02", "web05", "web08"], ["web03", "web06", "web09"]]


def joined(client: httpx.Client, job: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """Each slice's events; nothing of the job's output is missing, double, or another than its slices'."""
    events, found = all_events(client, job["id"]), []
    for one in job["slices"]:
        own = [event for event in events if event["job_id"] == one["job_id"]]
        first = (one["slice_number"] - 1) * 2**40
        assert [event["seq"] - first for event in own] == list(range(1, len(own) + 1))
        assert (own[0]["event_type"], own[-1]["event_type"]) == ("JOB_STARTED", "JOB_COMPLETED")
        found.append(own)
    assert sum(map(len, found)) == len(events)
    assert counts_from(events) == host_summaries(client, job["id"])
    logs = [log_bytes(client, one["job_id"]) for one in job["slices"]]
    assert log_bytes(client, job["id"]) == b"".join(logs)
    assert all(logs)
    return found


def registered(client: httpx.Client) -> set[str]:
    return {one["name"] for one in client.get("/executors", params={"limit": 200}).json()["items"]}


def test_ten_hosts_in_three_slices_over_two_executors(
    stack: LiveStack, world: World, client: httpx.Client, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    make_repository(tmp_path / "project", {"site.yml": SITE})
    pool = "sliced"
    settings = {"DROVER_EXECUTOR_SLOTS": "2"}  # neither could run all three alone
    with (
        http_executor(stack, tmp_path / "one", pool, **settings, DROVER_EXECUTOR_NAME="one"),
        http_executor(stack, tmp_path / "two", pool, **settings, DROVER_EXECUTOR_NAME="two"),
    ):
        eventually("both are registered", lambda: registered(client) >= {"one", "two"}, 60)
        template = world.template(
            "sliced",
            str(tmp_path / "project"),
            "site.yml",
            world.inventory("fleet", local_hosts(*NAMES)),
            extra_vars={"marks": str(marks)},
            executor_pool=pool,
            slice_count=3,
        )
        job = job_ended(client, world.launch(template)["id"])
        assert job["status"] == "failed"
        assert job["error_detail"].startswith(f"Slice 1 (job {job['slices'][0]['job_id']}): ")
        assert [one["status"] for one in job["slices"]] == ["failed", "successful", "successful"]
        runs = client.get(f"/jobs/{job['id']}/runs").json()["items"]
        assert len({run["executor_id"] for run in runs}) == 2
        assert len({run["project_revision"] for run in runs}) == 1
        for events, hosts in zip(joined(client, job), SLICES, strict=True):
            assert {event["host"] for event in events} - {None} == set(hosts)
        summary = job["summary"]
        assert (summary["hosts_total"], summary["hosts_ok"], summary["hosts_failed"]) == (10, 9, 1)
        assert set(job["artifacts"]) == {"from_web01", "from_web02", "from_web03"}
    assert client.delete(f"/jobs/{job['id']}").status_code == 204
    assert client.get("/jobs", params={"sliced_job_id": job["id"]}).json()["total"] == 0
