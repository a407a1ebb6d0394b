"""Real git repositories of playbooks, and what a launch of them needs, made over the public API."""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from support.live import created

EXAMPLES = Path(__file__).parents[2] / "examples"


def local_hosts(*names: str) -> str:
    """An INI inventory of hosts that all are this machine, with the Python that runs Ansible."""
    python = "ansible_python_interpreter='{{ ansible_playbook_python }}'"
    return "".join(f"{name} ansible_connection=local {python}\n" for name in names)


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Drover", "-c", "user.email=drover@example.com")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def make_repository(folder: Path, files: Mapping[str, str] | Path) -> str:
    """A git repository with the given files (or a copy of a folder) in one commit; its revision."""
    if isinstance(files, Path):
        shutil.copytree(files, folder)
    else:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "The project")
    return git(folder, "rev-parse", "HEAD")


@dataclass(frozen=True)
class World:
    """An organization with what templates need; the values are the API's own answers."""

    client: httpx.Client
    organization: dict[str, Any]
    environment: dict[str, Any]

    @classmethod
    def make(cls, client: httpx.Client, name: str) -> "World":
        organization = created(client.post("/organizations", json={"name": name}))
        environment = created(
            client.post(
                "/execution-environments",
                json={
                    "name": name,
                    "organization_id": organization["id"],
                    "image": "registry.example.com/ee:latest",
                },
            )
        )
        return cls(client, organization, environment)

    def inventory(self, name: str, ini: str) -> dict[str, Any]:
        body = {"name": name, "organization_id": self.organization["id"]}
        inventory = created(self.client.post("/inventories", json=body))
        imported = self.client.post(
            f"/inventories/{inventory['id']}/import", json={"format": "ini", "content": ini}
        )
        assert imported.is_success, imported.text
        return inventory

    def template(
        self, name: str, scm_url: str, playbook: str, inventory: Mapping[str, Any], **fields: Any
    ) -> dict[str, Any]:
        """A project at `scm_url` and a template of its playbook."""
        project = created(
            self.client.post(
                "/projects",
                json={
                    "name": name,
                    "organization_id": self.organization["id"],
                    "scm_type": "git",
                    "scm_url": scm_url,
                },
            )
        )
        body = {
            "name": name,
            "project_id": project["id"],
            "inventory_id": inventory["id"],
            "playbook": playbook,
            "execution_environment_id": self.environment["id"],
            **fields,
        }
        return created(self.client.post("/job-templates", json=body))

    def launch(self, template: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
        return created(self.client.post("/jobs", json={"job_template_id": template["id"], **fields}))
