"""What cannot run ends with a reason that a person understands, and says it in the API."""

from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from drover_shared.db.models import Job, JobRun
from sqlalchemy import create_engine, func, select
from support.live import FAST, LiveStack, job_ended
from support.projects import World, local_hosts, make_repository
from support.waiting import eventually

INVENTORY = local_hosts("localhost")
HELLO = "- hosts: all\n  gather_facts: false\n  tasks:\n    - debug: {msg: hello}\n"


@pytest.mark.parametrize(
    ("files", "playbook", "status", "reason", "words"),
    [
        ({"site.yml": HELLO}, "other.yml", "failed", "playbook_not_found", "other.yml"),
        (
            {"site.yml": "- hosts: all\n  tasks: [\n"},
            "site.yml",
            "failed",
            "playbook_syntax_error",
            "site.yml",
        ),
    ],
)
def test_a_playbook_that_cannot_run(
    world: World,
    client: httpx.Client,
    tmp_path: Path,
    files: Mapping[str, str],
    playbook: str,
    status: str,
    reason: str,
    words: str,
) -> None:
    make_repository(tmp_path / "project", files)
    inventory = world.inventory("one", INVENTORY)
    template = world.template("broken", str(tmp_path / "project"), playbook, inventory)
    job = job_ended(client, world.launch(template)["id"])
    assert (job["status"], job["error_reason"]) == (status, reason)
    assert words in job["error_detail"]
    runs = client.get(f"/jobs/{job['id']}/runs").json()["items"]
    assert len(runs) == 1, "a fault of the playbook is not tried again"


def test_a_repository_that_does_not_answer(world: World, client: httpx.Client) -> None:
    inventory = world.inventory("one", INVENTORY)
    template = world.template("away", "http://127.0.0.1:1/project.git", "site.yml", inventory)
    job = job_ended(client, world.launch(template)["id"])
    assert (job["status"], job["error_reason"]) == ("error", "project_unreachable")
    assert "127.0.0.1" in job["error_detail"]


def test_a_branch_that_does_not_exist(world: World, client: httpx.Client, tmp_path: Path) -> None:
    make_repository(tmp_path / "project", {"site.yml": HELLO})
    inventory = world.inventory("one", INVENTORY)
    template = world.template("branch", str(tmp_path / "project"), "site.yml", inventory)
    changed = client.patch(f"/projects/{template['project_id']}", json={"scm_branch": "no-such-branch"})
    assert changed.is_success, changed.text
    job = job_ended(client, world.launch(template)["id"])
    assert (job["status"], job["error_reason"]) == ("error", "project_ref_not_found")
    assert "no-such-branch" in job["error_detail"]


def test_a_cancel_is_obeyed_within_a_second_of_the_next_heartbeat(
    stack: LiveStack, world: World, client: httpx.Client, tmp_path: Path
) -> None:
    """By the times that the server writes down. The quicker of two jobs counts: the machine may be busy."""
    waits = "- hosts: all\n  gather_facts: false\n  tasks:\n    - command: sleep 120\n"
    make_repository(tmp_path / "project", {"site.yml": waits})
    inventory = world.inventory("one", INVENTORY)
    template = world.template(
        "long", str(tmp_path / "project"), "site.yml", inventory, allow_simultaneous=True
    )
    jobs = [world.launch(template)["id"] for _ in range(2)]
    for job_id in jobs:
        eventually(f"job {job_id} is at its task", lambda job_id=job_id: _is_at_task(client, job_id), 60)  # type: ignore[misc]
    for job_id in jobs * 2:
        assert client.post(f"/jobs/{job_id}/cancel").status_code == 202
    for job_id in jobs:
        job = job_ended(client, job_id)
        assert (job["status"], job["error_reason"]) == ("canceled", "canceled")
    engine = create_engine(stack.database_url())
    with engine.connect() as connection:
        took = connection.scalars(
            select(func.extract("epoch", JobRun.finished_at - Job.cancel_requested_at))
            .select_from(Job)
            .join(JobRun, JobRun.job_id == Job.id)
            .where(Job.id.in_(jobs))
        ).all()
    engine.dispose()
    interval = float(FAST["DROVER_HEARTBEAT_SECONDS"])
    assert min(took) <= interval + 1, took


def _is_at_task(client: httpx.Client, job_id: int) -> bool:
    params = {"event_type": "TASK_STARTED"}
    return bool(client.get(f"/jobs/{job_id}/events", params=params).raise_for_status().json()["total"])


def test_a_job_that_runs_too_long_is_stopped(world: World, client: httpx.Client, tmp_path: Path) -> None:
    waits = "- hosts: all\n  gather_facts: false\n  tasks:\n    - command: sleep 120\n"
    make_repository(tmp_path / "project", {"site.yml": waits})
    inventory = world.inventory("one", INVENTORY)
    template = world.template("long", str(tmp_path / "project"), "site.yml", inventory, timeout_seconds=3)
    job = job_ended(client, world.launch(template)["id"])
    assert (job["status"], job["error_reason"]) == ("failed", "timeout")


def wait_for_status(client: httpx.Client, job_id: int, status: str) -> None:
    eventually(
        f"job {job_id} is {status}",
        lambda: client.get(f"/jobs/{job_id}").json()["status"] == status,
        30,
    )
