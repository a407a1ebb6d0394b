"""What the demo needs over the public API; names are found again, so a second run makes nothing twice."""

from dataclasses import dataclass
from pathlib import Path

from drover_cli.api import ApiClient, Json
from drover_cli.demo.project import BRANCH

ORGANIZATION = "Demo"
PLAYBOOK = "site.yml"
SITE_VERSION = "1.4.2"


@dataclass(frozen=True)
class DemoResources:
    """The ids that a launch needs or a person wants to know."""

    template_id: int
    inventory_id: int
    hosts: int


def ensure_resources(api: ApiClient, repository: Path, inventory_text: str) -> DemoResources:
    """Create or update everything up to the job template. Raises ApiError."""
    organization = api.ensure(
        "/organizations", {"name": ORGANIZATION, "description": "Made by ./drover demo"}
    )
    owner = {"organization_id": organization["id"]}
    project = api.ensure(
        "/projects",
        {
            "name": "Demo project",
            "scm_type": "git",
            "scm_url": repository.as_uri(),
            "scm_branch": BRANCH,
            **owner,
        },
    )
    inventory = api.ensure("/inventories", {"name": "Demo inventory", **owner})
    api.post(f"/inventories/{inventory['id']}/import", {"format": "ini", "content": inventory_text})
    hosts = api.get(f"/inventories/{inventory['id']}/hosts", limit=1)
    environment = api.ensure(
        "/execution-environments",
        {"name": "Demo environment", "image": "quay.io/ansible/awx-ee:latest", "pull": "missing", **owner},
    )
    credential = ensure_credential(api, owner)
    template = api.ensure(
        "/job-templates",
        {
            "name": "Roll out the site",
            "inventory_id": inventory["id"],
            "project_id": project["id"],
            "playbook": PLAYBOOK,
            "execution_environment_id": environment["id"],
            "credential_ids": [credential["id"]],
            "extra_vars": {"site_port": 8000},
            "ask_extra_vars_on_launch": True,
            "max_attempts": 3,
        },
    )
    return DemoResources(template["id"], inventory["id"], hosts["total"])


def ensure_credential(api: ApiClient, owner: Json) -> Json:
    """A machine credential; hosts with a local connection take no notice of its user name."""
    kind = api.find("/credential-types", "machine") or api.find("/credential-types", "Machine")
    body = {"name": "Demo machine", "inputs": {"username": "demo"}, **owner}
    return api.ensure("/credentials", {**body, "credential_type_id": kind["id"] if kind else None})


def launch(api: ApiClient, resources: DemoResources) -> Json:
    """`POST /jobs`."""
    body = {"job_template_id": resources.template_id, "extra_vars": {"site_version": SITE_VERSION}}
    return api.post("/jobs", body)
