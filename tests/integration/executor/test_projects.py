"""Where a project comes from, and what is wrong with it in words a person understands."""

import socket
from pathlib import Path

import pytest
from support.executor import commit, git, make_project, manifest
from support.fake_api import FakeApi, FakeRun

from .conftest import StartExecutor

SITE = "- hosts: web01\n  gather_facts: false\n  tasks:\n    - ansible.builtin.debug: {msg: MARK}\n"
META = "galaxy_info: {author: t, description: t, license: MIT, min_ansible_version: '2.18'}\n"
GALAXY = "namespace: drover\nname: test\nversion: 1.0.0\nreadme: README.md\nauthors: [t]\n"


def _end(
    api: FakeApi, start_executor: StartExecutor, run: FakeRun, git_seconds: str = "60"
) -> tuple[str, str, str]:
    end = api.wait_end(start_executor(DROVER_EXECUTOR_GIT_SECONDS=git_seconds).launch(run))
    return end["state"], end["error_reason"], end["error_detail"]


def test_missing_playbook(api: FakeApi, start_executor: StartExecutor, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", {"other.yml": SITE})
    run = FakeRun(manifest(project))
    state, reason, detail = _end(api, start_executor, run)
    assert (state, reason) == ("failed", "playbook_not_found")
    assert detail == "The project holds no playbook 'site.yml'."
    assert (run.events, run.chunks) == ({}, {})


@pytest.mark.parametrize("path", ["../outside.yml", "/etc/passwd", "link.yml", "folder/site.yml"])
def test_playbook_outside(api: FakeApi, start_executor: StartExecutor, tmp_path: Path, path: str) -> None:
    (tmp_path / "outside.yml").write_text(SITE)
    project = make_project(tmp_path / "project", {"site.yml": SITE})
    (project / "link.yml").symlink_to(tmp_path / "outside.yml")
    (project / "folder").symlink_to("/")
    commit(project)
    changes = {"playbook": {"type": "scm", "project_id": 9, "playbook_path": path}}
    state, reason, _ = _end(api, start_executor, FakeRun(manifest(project, **changes)))
    assert (state, reason) == ("failed", "playbook_not_found")


def test_a_sync_says_what_the_project_holds(
    api: FakeApi, start_executor: StartExecutor, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project", {"site.yml": SITE, "plays/web.yml": SITE, "README.md": "x"})
    changes = {"kind": "project_sync", "playbook": {"type": "scm", "project_id": 9, "playbook_path": ""}}
    run = FakeRun(manifest(project, **changes))
    end = api.wait_end(start_executor().launch(run))
    assert (end["state"], end["error_reason"]) == ("successful", None)
    assert end["artifacts"] == {
        "scm_revision": git(project, "rev-parse", "HEAD").strip(),
        "playbooks": ["plays/web.yml", "site.yml"],
        "truncated": False,
    }
    assert (run.events, run.chunks) == ({}, {})


def test_a_sync_of_nothing_says_why(api: FakeApi, start_executor: StartExecutor) -> None:
    run = FakeRun(manifest("http://127.0.0.1:1/project.git", kind="project_sync"))
    state, reason, detail = _end(api, start_executor, run)
    assert (state, reason) == ("failed", "project_unreachable")
    assert "127.0.0.1" in detail


def test_nobody_listens(api: FakeApi, start_executor: StartExecutor) -> None:
    run = FakeRun(manifest("https://someone:hunter22@127.0.0.1:1/project.git"))
    state, reason, detail = _end(api, start_executor, run)
    assert (state, reason) == ("failed", "project_unreachable")
    assert detail == "https://127.0.0.1:1/project.git does not answer: Connection refused."


def test_listens_but_never_answers(api: FakeApi, start_executor: StartExecutor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        run = FakeRun(manifest(f"http://127.0.0.1:{server.getsockname()[1]}/project.git"))
        state, reason, detail = _end(api, start_executor, run, git_seconds="2")
    assert (state, reason) == ("failed", "project_unreachable")
    assert "took too long" in detail


def test_no_repository_there(api: FakeApi, start_executor: StartExecutor, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    state, reason, _ = _end(api, start_executor, FakeRun(manifest(tmp_path / "empty")))
    assert (state, reason) == ("failed", "project_unreachable")


def test_no_such_branch(api: FakeApi, start_executor: StartExecutor, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", {"site.yml": SITE})
    run = FakeRun(manifest(project, project={"scm_branch": "release-9"}))
    state, reason, detail = _end(api, start_executor, run)
    assert (state, reason) == ("failed", "project_ref_not_found")
    assert "release-9" in detail


@pytest.mark.parametrize("url", ["ext::sh -c id", "--upload-pack=id", "", "/etc", "git@-oProxyCommand=id:x"])
def test_refused_addresses(api: FakeApi, start_executor: StartExecutor, url: str) -> None:
    state, reason, _ = _end(api, start_executor, FakeRun(manifest(url)))
    assert (state, reason) == ("failed", "project_invalid")


def test_branch_tag_commit_and_pinned_revision(
    api: FakeApi, start_executor: StartExecutor, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project", {"site.yml": SITE.replace("MARK", "first")})
    first = git(project, "rev-parse", "HEAD").strip()
    git(project, "tag", "v1")
    git(project, "checkout", "--quiet", "-b", "side")
    (project / "site.yml").write_text(SITE.replace("MARK", "side"))
    side = commit(project)
    git(project, "checkout", "--quiet", "main")
    (project / "site.yml").write_text(SITE.replace("MARK", "newest"))
    newest = commit(project)
    executor = start_executor()
    expected = [
        ({}, newest, b"newest"),
        ({"scm_branch": "v1"}, first, b"first"),
        ({"scm_branch": "side"}, side, b"side"),
        ({"scm_branch": first}, first, b"first"),
        ({"scm_branch": "side", "scm_revision": newest}, newest, b"newest"),
    ]
    runs = [executor.launch(FakeRun(manifest(project, project=source))) for source, _, _ in expected]
    for run, (_, revision, printed) in zip(runs, expected, strict=True):
        assert api.wait_end(run)["state"] == "successful"
        assert run.revision == revision
        assert printed in run.log


def test_local_project(api: FakeApi, start_executor: StartExecutor, tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / "site.yml").write_text(SITE)
    run = FakeRun(manifest(str(folder), project={"scm_type": "local"}))
    assert _end(api, start_executor, run)[0] == "successful"
    assert run.revision is None


def test_submodules(api: FakeApi, start_executor: StartExecutor, tmp_path: Path) -> None:
    inner = make_project(tmp_path / "inner", {"site.yml": SITE})
    project = make_project(tmp_path / "project", {"README": "outer"})
    git(project, "submodule", "--quiet", "add", f"file://{inner}", "inner")
    commit(project)
    playbook = {"type": "scm", "project_id": 9, "playbook_path": "inner/site.yml"}
    run = FakeRun(manifest(project, playbook=playbook, project={"scm_submodules": True}))
    assert _end(api, start_executor, run)[0] == "successful"


def test_requirements(api: FakeApi, start_executor: StartExecutor, tmp_path: Path) -> None:
    """A role from a repository and a collection from a folder, installed once for two runs."""
    role = make_project(
        tmp_path / "role",
        {"tasks/main.yml": "- ansible.builtin.debug: {msg: from the role}\n", "meta/main.yml": META},
    )
    collection = tmp_path / "collection"
    make_project(
        collection,
        {
            "galaxy.yml": GALAXY,
            "README.md": "A test",
            "roles/greet/tasks/main.yml": "- ansible.builtin.debug: {msg: from the collection}\n",
        },
    )
    files = {
        "site.yml": "- hosts: web01\n  gather_facts: false\n  roles: [fetched, drover.test.greet]\n",
        "requirements.yml": (
            f"roles:\n  - {{name: fetched, scm: git, src: 'file://{role}'}}\n"
            f"collections:\n  - {{name: '{collection}', type: dir}}\n"
        ),
    }
    project = make_project(tmp_path / "project", files)
    executor = start_executor()
    for _ in range(2):
        run = executor.launch(FakeRun(manifest(project)))
        assert api.wait_end(run)["state"] == "successful", run.log.decode()
        assert b"from the role" in run.log
        assert b"from the collection" in run.log
    assert len(list((executor.folder / "requirements").iterdir())) == 1


def test_requirements_that_are_not_to_be_had(
    api: FakeApi, start_executor: StartExecutor, tmp_path: Path
) -> None:
    files = {
        "site.yml": SITE,
        "roles/requirements.yml": f"- {{name: gone, scm: git, src: 'file://{tmp_path}/nowhere'}}\n",
    }
    project = make_project(tmp_path / "project", files)
    state, reason, detail = _end(api, start_executor, FakeRun(manifest(project)))
    assert (state, reason) == ("failed", "project_invalid")
    assert detail.startswith("roles/requirements.yml: ")
