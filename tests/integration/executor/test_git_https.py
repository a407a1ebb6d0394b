"""Git over https with a real server: what is told to whom, and where a password is never seen."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drover_executor.child.tree import descendants
from support.executor import ExecutorProcess, commit, files_left, git, make_project, manifest
from support.fake_api import FakeApi, FakeRun, wait_until
from support.git_https import GitServer, make_certificate

from .conftest import StartExecutor

USER, PASSWORD = "deploy@example.com", "t0ken-p@ss/w ord"
SITE = """
- hosts: web01
  gather_facts: false
  tasks:
    - name: Look
      ansible.builtin.shell: |
        cat .git/config; find ../private -path '*git*'; git log --oneline | wc -l; cat mark part/mark
      args: {chdir: "{{ playbook_dir }}"}
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    root, keys = tmp_path / "repositories", tmp_path / "keys"
    root.mkdir()
    keys.mkdir()
    server = GitServer(root, make_certificate(keys), USER, PASSWORD)
    part = make_project(root / "part", {"mark": "of the submodule\n"})
    project = make_project(root / "site", {"site.yml": SITE, "mark": "first\n"})
    git(project, "submodule", "--quiet", "add", "--name", "part", str(part), "part")
    git(project, "config", "-f", ".gitmodules", "submodule.part.url", server.url("part"))
    commit(project)
    git(project, "tag", "-a", "v1", "-m", "One")
    (project / "mark").write_text("second\n")
    commit(project)
    git(project, "branch", "later")
    yield server
    server.stop()


def _run(url: str, password: str | None, user: str = USER, **source: Any) -> FakeRun:
    inputs = {"username": user, "password": password}
    secret = {"scm_credential_id": None if password is None else 6, "scm_submodules": True, **source}
    return FakeRun(manifest(url, project=secret), credentials={6: {"type": "scm", "inputs": inputs}})


def _seen_of(executor: ExecutorProcess) -> str:
    """Arguments and environment of every process below the executor."""
    assert executor.process is not None
    seen = []
    for pid in descendants(executor.process.pid):
        for what in ("cmdline", "environ"):
            try:
                seen.append(Path(f"/proc/{pid}/{what}").read_bytes().decode(errors="replace"))
            except OSError:
                continue
    return "\n".join(seen)


def test_password_reaches_git_and_nobody_else(
    api: FakeApi, start_executor: StartExecutor, server: GitServer, tmp_path: Path
) -> None:
    executor = start_executor(DROVER_EXECUTOR_CA_FILE=str(server.ca))
    server.open.clear()
    run = executor.launch(_run(server.url("site"), PASSWORD))
    wait_until(lambda: "git" in _seen_of(executor) and server.refused > 0)
    seen = _seen_of(executor)
    server.open.set()
    end = api.wait_end(run)
    assert end["state"] == "successful", (end, run.log.decode())
    told = run.of_type("TASK_OK")[0]["data"]["stdout"]
    assert told.endswith("second\nof the submodule")
    left = files_left(executor.folder).values()
    for form in (PASSWORD, "t0ken-p%40ss%2Fw%20ord", "t0ken"):
        for place in (seen, told, executor.log, str(run.in_order()), str(end)):
            assert form not in place
        assert not any(form.encode() in content for content in left)
    assert run.revision == git(tmp_path / "repositories/site", "rev-parse", "HEAD").strip()


def test_history_tag_commit_and_a_login_in_the_address(
    api: FakeApi, start_executor: StartExecutor, server: GitServer
) -> None:
    """Each with as much of the history as the operator wants, and from an address that holds its password."""
    executor = start_executor(DROVER_EXECUTOR_CA_FILE=str(server.ca), DROVER_EXECUTOR_GIT_DEPTH="1")
    first = git(server.root / "site", "rev-parse", "v1^{commit}").strip()
    login = "deploy%40example.com:t0ken-p%40ss%2Fw%20ord@"
    for source, mark in (
        ({"scm_branch": "v1"}, "first"),
        ({"scm_branch": "later"}, "second"),
        ({"scm_branch": first}, "first"),
        ({"scm_revision": first}, "first"),
        ({}, "second"),
    ):
        run = executor.launch(_run(server.url("site", login), None, **source))
        end = api.wait_end(run)
        assert end["state"] == "successful", (source, end, run.log.decode())
        lines = run.of_type("TASK_OK")[0]["data"]["stdout_lines"]
        assert lines[-3:] == ["1", mark, "of the submodule"]
        assert not any("t0ken" in line for line in lines)
    missing = executor.launch(_run(server.url("site", login), None, scm_branch="no-such"))
    assert api.wait_end(missing)["error_reason"] == "project_ref_not_found"


def test_refusals(api: FakeApi, start_executor: StartExecutor, server: GitServer, tmp_path: Path) -> None:
    """A wrong password, none, a server nobody vouches for; and a password is told to its own host alone."""
    trusting = start_executor(DROVER_EXECUTOR_CA_FILE=str(server.ca))
    for password in ("wrong-passw0rd", None):
        end = api.wait_end(trusting.launch(_run(server.url("site"), password)))
        assert (end["state"], end["error_reason"]) == ("failed", "project_unreachable")
        assert "wrong-passw0rd" not in end["error_detail"]
    other_root = tmp_path / "others"
    other_root.mkdir()
    other = GitServer(other_root, (server.ca, tmp_path / "keys/ca.key"), USER, PASSWORD)
    make_project(other_root / "part", {"mark": "of another host\n"})
    git(server.root / "site", "config", "-f", ".gitmodules", "submodule.part.url", other.url("part"))
    commit(server.root / "site")
    end = api.wait_end(trusting.launch(_run(server.url("site"), PASSWORD)))
    other.stop()
    assert (end["state"], end["error_reason"]) == ("failed", "project_unreachable")
    assert (other.refused > 0, other.served) == (True, 0)
    trusting.stop()
    end = api.wait_end(start_executor().launch(_run(server.url("site"), PASSWORD)))
    assert (end["state"], end["error_reason"]) == ("failed", "project_unreachable")
    assert "certificate" in end["error_detail"]
