"""A project that launches update: real git, a real executor, the commit that the sync found."""

from pathlib import Path

import httpx
from support.live import job_ended
from support.projects import World, git, local_hosts, make_repository

PLAYBOOK = "- hosts: all\n  gather_facts: false\n  tasks:\n    - debug: {msg: NUMBER}\n"


def test_jobs_run_the_commit_that_their_sync_found(
    world: World, client: httpx.Client, tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    first = make_repository(folder, {"site.yml": PLAYBOOK, "vars/x.yml": "hosts: 1\n"})
    inventory = world.inventory("one", local_hosts("localhost"))
    template = world.template("site", str(folder), "site.yml", inventory, allow_simultaneous=True)
    project = f"/projects/{template['project_id']}"
    assert client.patch(project, json={"update_on_launch": True, "cache_timeout_seconds": 3600}).is_success

    jobs = [world.launch(template) for _ in range(2)]
    assert len({job["waits_for_job_id"] for job in jobs}) == 1
    assert [job_ended(client, job["id"])["status"] for job in jobs] == ["successful", "successful"]
    revisions = [client.get(f"/jobs/{job['id']}/runs").json()["items"][0]["project_revision"] for job in jobs]
    assert revisions == [first, first]
    assert [item["path"] for item in client.get(f"{project}/playbooks").json()["items"]] == ["site.yml"]

    (folder / "second.yml").write_text(PLAYBOOK)
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "Another playbook")
    sync = client.post(f"{project}/sync").json()
    assert job_ended(client, sync["id"])["status"] == "successful"
    found = client.get(project).json()
    assert found["scm_revision"] == git(folder, "rev-parse", "HEAD") != first
    assert found["last_sync"]["job_id"] == sync["id"]
    listed = client.get(f"{project}/playbooks").json()
    assert [item["path"] for item in listed["items"]] == ["second.yml", "site.yml"]

    assert client.patch(project, json={"scm_url": str(tmp_path / "nowhere")}).is_success
    ended = job_ended(client, world.launch(template)["id"])
    assert (ended["status"], ended["error_reason"]) == ("error", "project_unreachable")
    assert f"job {client.get(project).json()['last_sync']['job_id']}" in ended["error_detail"]
