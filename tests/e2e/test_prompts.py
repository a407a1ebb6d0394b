"""Secrets that a launch is asked for, used by real Ansible: a vault's, a key's, those of an own type."""

import getpass
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest
from support.live import LiveStack, created, job_ended
from support.projects import World, make_repository
from support.sshd import PASSPHRASE, SSHD, Sshd

pytestmark = pytest.mark.skipif(SSHD is None, reason="there is no sshd on this machine")
VAULT, WRONG, TOKEN = "the vault's pass-phrase", "not the vault's", "t0ken of this launch"
SITE = """
- hosts: all
  gather_facts: false
  vars_files: [hidden.yml]
  tasks:
    - ansible.builtin.command: id -un
    - ansible.builtin.debug:
        msg: "{{ hidden }} {{ lookup('env', 'TICKET_TOKEN') | length }} {{ lookup('env', 'TICKET_TOKEN') }}"
"""


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    with Sshd(tmp_path / "sshd") as server:
        yield server


def vaulted(folder: Path) -> str:
    (folder / "plain.yml").write_text("hidden: opened\n")
    (folder / "password").write_text(VAULT)
    tool, label = Path(sys.executable).parent / "ansible-vault", f"prod@{folder}/password"
    command = [str(tool), "encrypt", "--vault-id", label, "--output", "-", f"{folder}/plain.yml"]
    env = {**os.environ, "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout


def credentials(client: httpx.Client, organization: int, sshd: Sshd) -> dict[str, int]:
    """One of each type, by the input that a launch gives."""
    token = {"id": "token", "label": "Token", "type": "string", "secret": True, "ask_at_runtime": True}
    ticket: dict[str, Any] = {
        "name": "Tickets of the prompts",
        "namespace": "tickets_of_the_prompts",
        "inputs": {"fields": [token]},
        "injectors": {"env": {"TICKET_TOKEN": "{{ token }}"}},
    }
    created(client.post("/credential-types", json=ticket))
    listed = client.get("/credential-types?limit=200").json()["items"]
    types = {one["namespace"]: one["id"] for one in listed}
    login = {"username": getpass.getuser(), "ssh_key_data": sshd.key.read_text(), "ssh_key_unlock": "ASK"}
    inputs = {
        "vault": {"vault_id": "prod", "vault_password": "ASK"},
        "machine": login,
        ticket["namespace"]: {"token": "ASK"},
    }
    made = {}
    for namespace, values in inputs.items():
        body = {"name": namespace, "organization_id": organization, "credential_type_id": types[namespace]}
        asked = next(name for name, value in values.items() if value == "ASK")
        made[asked] = created(client.post("/credentials", json={**body, "inputs": values}))["id"]
    return made


def test_a_launch_gives_what_is_asked_for(
    world: World, client: httpx.Client, stack: LiveStack, sshd: Sshd, tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    make_repository(folder, {"site.yml": SITE, "hidden.yml": vaulted(tmp_path)})
    inventory = world.inventory("ssh", str(sshd.inventory["content"]).partition("\n")[2])
    asks = credentials(client, world.organization["id"], sshd)
    template = world.template("asks", str(folder), "site.yml", inventory, credential_ids=list(asks.values()))
    given: dict[str, Any] = {
        str(asks["vault_password"]): {"vault_password": WRONG},
        str(asks["ssh_key_unlock"]): {"ssh_key_unlock": PASSPHRASE},
        str(asks["token"]): {"token": TOKEN},
    }
    refused = client.post("/jobs", json={"job_template_id": template["id"]})
    pointers = {error["pointer"] for error in refused.json()["errors"]}
    assert pointers == {f"/credential_secrets/{one}/{name}" for name, one in asks.items()}

    first = job_ended(client, world.launch(template, credential_secrets=given)["id"])
    assert first["status"] == "failed", first
    assert "decrypt" in (first["error_detail"] or client.get(f"/jobs/{first['id']}/log").text)
    given[str(asks["vault_password"])] = {"vault_password": VAULT}
    again = f"/jobs/{first['id']}/relaunch"
    assert client.post(again, json={}).status_code == 422
    second = job_ended(client, created(client.post(again, json={"credential_secrets": given}))["id"])
    log = client.get(f"/jobs/{second['id']}/log").text
    assert second["status"] == "successful", log
    assert f"opened {len(TOKEN)} $encrypted$" in log
    for secret in (VAULT, WRONG, PASSPHRASE, TOKEN):
        assert secret not in seen(client, stack, (first, second))


def seen(client: httpx.Client, stack: LiveStack, jobs: tuple[dict[str, Any], ...]) -> str:
    """All that tells of the jobs: the API, the rows, the services' own logs, what is in Redis."""
    texts = [str(jobs), client.get("/activity?limit=200").text, stack.tail_logs(100_000)]
    for job in jobs:
        texts += [
            client.get(f"/jobs/{job['id']}/{what}").text for what in ("events?limit=200", "log", "runs")
        ]
    with psycopg2.connect(stack.database_url().replace("+psycopg2", "")) as db, db.cursor() as cursor:
        cursor.execute("SELECT jobs::text FROM jobs WHERE id = ANY(%s)", ([job["id"] for job in jobs],))
        texts += [row[0] for row in cursor.fetchall()]
    with stack.redis() as redis:
        texts += [str(redis.dump(key)) for key in redis.scan_iter(count=1000)]
    return "\n".join(texts)
