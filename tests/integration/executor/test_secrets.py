"""Credentials work, and nothing of them is seen anywhere."""

import os
import subprocess
import sys
from pathlib import Path

from redis import Redis
from support.executor import files_left, make_project, manifest, remaining
from support.fake_api import FakeApi, FakeRun, wait_until

from .conftest import StartExecutor

PASSWORD, VAULT, ANSWER, CLOUD = "conn-pass w0rd", "vault-pass-1", "survey-answer", 'cl"oud\\secret'
SITE = """
- hosts: web01
  gather_facts: false
  vars_files: [hidden.yml]
  tasks:
    - name: Show everything
      ansible.builtin.debug:
        msg: "{{ [hidden, answer, cloud, cloud | b64encode, cloud | to_json] }}"
    - name: Wait
      ansible.builtin.wait_for:
        path: "{{ gate }}"
    - name: Read a file and a variable of the environment
      ansible.builtin.shell: cat {{ cloud_file }}; echo; echo "$CLOUD_SECRET"; echo "$CLOUD_SECRET" >&2
"""


def _vaulted(folder: Path) -> str:
    """A variables file that only the vault's password opens."""
    plain, key = folder / "plain.yml", folder / "key"
    plain.write_text("hidden: opened-from-the-vault\n")
    key.write_text(VAULT)
    tool = Path(sys.executable).parent / "ansible-vault"
    command = [str(tool), "encrypt", "--vault-id", f"prod@{key}", "--output", "-", str(plain)]
    env = {**os.environ, "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout


def _run(tmp_path: Path) -> FakeRun:
    project = make_project(tmp_path / "project", {"site.yml": SITE, "hidden.yml": _vaulted(tmp_path)})
    injectors = {
        "env": {"CLOUD_SECRET": CLOUD},
        "extra_vars": {"cloud": CLOUD, "cloud_file": "{{ drover.filename }}"},
        "files": {"template": CLOUD},
    }
    changes = {
        "credentials": [{"id": number, "type": "", "name": ""} for number in (5, 6, 7)],
        "extra_vars": {"answer": ANSWER, "gate": str(tmp_path / "gate")},
        "secret_vars": ["answer"],
        "verbosity": 5,
    }
    credentials = {
        5: {"type": "machine", "inputs": {"username": "deploy", "password": PASSWORD}},
        6: {"type": "vault", "inputs": {"vault_password": VAULT, "vault_id": "prod"}},
        7: {"type": "cloud", "inputs": {"secret": CLOUD}, "injectors": injectors},
    }
    return FakeRun(manifest(project, **changes), credentials=credentials)


def test_no_secret_is_seen(
    api: FakeApi, start_executor: StartExecutor, redis_client: Redis, tmp_path: Path
) -> None:
    run = _run(tmp_path)
    executor = start_executor()
    executor.launch(run)
    wait_until(lambda: len(run.of_type("TASK_STARTED")) > 1)
    commands = "\n".join(remaining(run))
    assert "ansible-playbook" in commands
    (tmp_path / "gate").touch()
    end = api.wait_end(run)
    assert end["state"] == "successful", run.log.decode()
    assert b"opened-from-the-vault" in run.log
    for secret in (PASSWORD, VAULT, ANSWER, CLOUD, "oud\\\\secret", "Y2wib3VkXHNlY3JldA=="):
        for place in (run.log.decode(), str(run.in_order()), executor.log, commands, str(end)):
            assert secret not in place
    assert run.log.count(b"$encrypted$") > 5
    for content in files_left(executor.folder).values():
        assert not any(secret.encode() in content for secret in (PASSWORD, VAULT, ANSWER, CLOUD))
    assert redis_client.xlen("job-events") == 0


def test_a_credential_that_is_gone(api: FakeApi, start_executor: StartExecutor, tmp_path: Path) -> None:
    run = _run(tmp_path)
    del run.credentials[7]
    end = api.wait_end(start_executor().launch(run))
    assert (end["state"], end["error_reason"]) == ("failed", "credential_error")
    assert end["error_detail"] == "Credential 7: This run uses no such credential."
