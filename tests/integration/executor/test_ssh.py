"""Hosts and repositories over SSH, with a real sshd of this test's own."""

import getpass
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.executor import ExecutorProcess, make_project, manifest, remaining
from support.fake_api import FakeApi, FakeRun
from support.sshd import PASSPHRASE, SSHD, Sshd

from .conftest import StartExecutor

pytestmark = pytest.mark.skipif(SSHD is None, reason="there is no sshd on this machine")
SITE = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Who
      ansible.builtin.command: id -un
    - name: Again
      ansible.builtin.raw: echo over ssh
"""


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    with Sshd(tmp_path / "sshd") as server:
        yield server


def _login(key: Path, passphrase: str = "") -> dict[str, str]:
    return {"username": getpass.getuser(), "ssh_key_data": key.read_text(), "ssh_key_unlock": passphrase}


def _run(project: Path | str, sshd: Sshd, inputs: dict[str, str], **source: object) -> FakeRun:
    changes = {"inventory": sshd.inventory, "credentials": [{"id": 5, "type": "machine", "name": "k"}]}
    credentials = {
        5: {"type": "machine", "inputs": inputs},
        6: {"type": "scm", "inputs": _login(sshd.key, PASSPHRASE)},
    }
    return FakeRun(manifest(project, **changes, project=source), credentials=credentials)


def _was_there(run: FakeRun) -> None:
    done = {event["task_name"]: event["data"] for event in run.of_type("TASK_OK")}
    assert done["Who"]["stdout"] == getpass.getuser()
    assert "over ssh" in done["Again"]["stdout"]
    assert remaining(run) == []  # neither the agent nor a connection that ssh keeps
    assert b"PRIVATE KEY" not in run.log


def test_a_repository_of_a_known_host_alone(
    api: FakeApi, start_executor: StartExecutor, sshd: Sshd, tmp_path: Path
) -> None:
    """None with another key than at the first contact; where an operator names hosts, none but those."""
    project = make_project(tmp_path / "project", {"site.yml": SITE})
    url = f"ssh://{getpass.getuser()}@127.0.0.1:{sshd.port}{project}"
    known = tmp_path / "known"
    known.write_text("")

    def end_of(executor: ExecutorProcess) -> tuple[str, str | None, FakeRun]:
        run = executor.launch(_run(url, sshd, _login(sshd.key, PASSPHRASE), scm_credential_id=6))
        end = api.wait_end(run)
        return end["state"], end["error_reason"], run

    executor = start_executor()
    host = f"[127.0.0.1]:{sshd.port}"
    (executor.folder / "known_hosts").write_text(f"{host} {sshd.plain.with_suffix('.pub').read_text()}")
    assert end_of(executor)[:2] == ("failed", "project_unreachable")
    executor.stop()
    executor = start_executor(DROVER_EXECUTOR_KNOWN_HOSTS=str(known))
    assert end_of(executor)[:2] == ("failed", "project_unreachable")
    known.write_text(f"{host} {(tmp_path / 'sshd/host.pub').read_text()}")
    state, _, run = end_of(executor)
    assert state == "successful", run.log.decode()
    _was_there(run)
    assert not (executor.folder / "known_hosts").exists()


def test_a_key_without_a_passphrase(
    api: FakeApi, start_executor: StartExecutor, sshd: Sshd, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project", {"site.yml": SITE})
    run = start_executor().launch(_run(project, sshd, _login(sshd.plain)))
    assert api.wait_end(run)["state"] == "successful", run.log.decode()
    _was_there(run)


def test_a_key_that_does_not_open(
    api: FakeApi, start_executor: StartExecutor, sshd: Sshd, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project", {"site.yml": SITE})
    end = api.wait_end(start_executor().launch(_run(project, sshd, _login(sshd.key, "wrong"))))
    assert (end["state"], end["error_reason"]) == ("failed", "credential_error")
    assert "wrong" not in str(end["error_detail"])
