"""Hosts and repositories over SSH, with a real sshd of this test's own."""

import getpass
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.executor import make_project, manifest, remaining
from support.fake_api import FakeApi, FakeRun, wait_until

from .conftest import StartExecutor

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(SSHD is None, reason="there is no sshd on this machine")
PASSPHRASE = "a passphrase with $odd 'chars'"
SITE = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Who
      ansible.builtin.command: id -un
    - name: Again
      ansible.builtin.raw: echo over ssh
"""


class Sshd:
    """One that lets this user in with `key` (which has a passphrase) or `plain`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.key, self.plain = folder / "key", folder / "plain"
        for path, passphrase in ((folder / "host", ""), (self.key, PASSPHRASE), (self.plain, "")):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", path], check=True)
        known = folder / "authorized"
        known.write_text("".join(key.with_suffix(".pub").read_text() for key in (self.key, self.plain)))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        settings = {
            "Port": self.port,
            "ListenAddress": "127.0.0.1",
            "HostKey": folder / "host",
            "AuthorizedKeysFile": known,
            "StrictModes": "no",
            "PidFile": "none",
            "PasswordAuthentication": "no",
            "PermitRootLogin": "prohibit-password",
            "Subsystem": "sftp internal-sftp",
        }
        config = folder / "config"
        config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        assert SSHD is not None
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen([SSHD, "-D", "-e", "-f", config], stderr=log)
        wait_until(self._answers)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def inventory(self) -> dict[str, str | None]:
        host = f"web01 ansible_host=127.0.0.1 ansible_port={self.port}"
        host += f" ansible_python_interpreter={sys.executable}\n"
        return {"mode": "inline", "content": f"[all]\n{host}", "path": None}


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    server = Sshd(tmp_path / "sshd")
    yield server
    server.process.kill()
    server.process.wait()


def _login(key: Path, passphrase: str = "") -> dict[str, str]:
    return {"username": getpass.getuser(), "ssh_key_data": key.read_text(), "ssh_key_unlock": passphrase}


def _run(project: Path | str, sshd: Sshd, inputs: dict[str, str], **source: object) -> FakeRun:
    changes = {"inventory": sshd.inventory, "credentials": [{"id": 5, "type": "machine", "name": "k"}]}
    credentials = {
        5: {"type": "machine", "inputs": inputs},
        6: {"type": "scm", "inputs": _login(sshd.key, PASSPHRASE)},
    }
    return FakeRun(manifest(project, **changes, project=source), credentials=credentials)


def test_hosts_and_a_repository(
    api: FakeApi, start_executor: StartExecutor, sshd: Sshd, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project", {"site.yml": SITE})
    url = f"ssh://{getpass.getuser()}@127.0.0.1:{sshd.port}{project}"
    executor = start_executor()
    for run in (
        _run(url, sshd, _login(sshd.key, PASSPHRASE), scm_credential_id=6),
        _run(project, sshd, _login(sshd.plain)),
    ):
        end = api.wait_end(executor.launch(run))
        assert end["state"] == "successful", run.log.decode()
        done = {event["task_name"]: event["data"] for event in run.of_type("TASK_OK")}
        assert done["Who"]["stdout"] == getpass.getuser()
        assert "over ssh" in done["Again"]["stdout"]
        assert remaining(run) == []  # neither the agent nor a connection that ssh keeps
        assert b"PRIVATE KEY" not in run.log


def test_a_key_that_does_not_open(
    api: FakeApi, start_executor: StartExecutor, sshd: Sshd, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project", {"site.yml": SITE})
    end = api.wait_end(start_executor().launch(_run(project, sshd, _login(sshd.key, "wrong"))))
    assert (end["state"], end["error_reason"]) == ("failed", "credential_error")
    assert "wrong" not in str(end["error_detail"])
