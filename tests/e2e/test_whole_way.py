"""The demo's playbook through every service, held against bare `ansible-playbook` on the same inputs."""

from pathlib import Path

import httpx
from drover_shared.domain.events import HostCounts
from support.bare import recap_of, run_bare, without_varying
from support.job_output import assert_complete, host_summaries, log_bytes
from support.live import job_ended
from support.projects import EXAMPLES, World, git


def test_a_job_is_what_ansible_itself_says(
    world: World, client: httpx.Client, example_project: Path, example_inventory: str
) -> None:
    inventory = world.inventory("fleet", example_inventory)
    template = world.template(
        "roll-out", str(example_project), "site.yml", inventory, forks=1, extra_vars={"site_version": "1.4.2"}
    )
    launched = world.launch(template)
    assert launched["status"] in {"pending", "queued", "running"}
    bare = run_bare(
        example_project, "site.yml", EXAMPLES / "inventory.ini", "--forks", "1", "-e", "site_version=1.4.2"
    )
    job = job_ended(client, launched["id"])

    assert job["status"] == "failed"
    assert job["error_reason"] == "playbook_failed"
    assert host_summaries(client, job["id"]) == bare.recap
    assert job["summary"] == summary_of(bare.recap)
    assert_complete(client, job)

    log = log_bytes(client, job["id"])
    assert recap_of(log) == bare.recap
    assert without_varying(log, example_project) == without_varying(bare.output, example_project)

    runs = client.get(f"/jobs/{job['id']}/runs").json()["items"]
    assert [run["attempt_number"] for run in runs] == [1]
    assert runs[0]["state"] == "failed"
    assert runs[0]["exit_code"] == bare.exit_code
    assert runs[0]["project_revision"] == git(example_project, "rev-parse", "HEAD")
    assert job["artifacts"] == {"site_version": "1.4.2"}


def summary_of(recap: dict[str, HostCounts]) -> dict[str, int]:
    """The job's summary (2.5), counted from a recap."""
    outcomes = [counts.outcome for counts in recap.values()]
    return {
        "hosts_total": len(recap),
        **{f"hosts_{kind}": outcomes.count(kind) for kind in ("ok", "failed", "unreachable", "skipped")},
        "hosts_changed": sum(counts.changed > 0 for counts in recap.values()),
    }
