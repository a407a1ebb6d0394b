"""Projects that mean harm: bounded, reported, and nothing else harmed."""

import os
import subprocess
from functools import partial
from pathlib import Path

import pytest
from support.executor import bare_run, commit, git, make_project, manifest, remaining
from support.fake_api import FakeApi, FakeRun, wait_until

from .conftest import StartExecutor

SITE = "- hosts: web01\n  gather_facts: false\n  tasks:\n    - ansible.builtin.debug: {msg: MARK}\n"


@pytest.mark.parametrize("name", ["ansible.cfg", "requirements.yml", "roles/requirements.yml"])
@pytest.mark.parametrize("target", ["/dev/zero", "/etc/passwd"])
def test_what_the_executor_reads_may_not_lead_out(
    api: FakeApi, start_executor: StartExecutor, tmp_path: Path, name: str, target: str
) -> None:
    project = make_project(tmp_path / "project", {"site.yml": SITE})
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).symlink_to(target)
    commit(project)
    end = api.wait_end(start_executor().launch(FakeRun(manifest(project))), 30)
    assert (end["state"], end["error_reason"]) == ("failed", "project_invalid")
    assert end["error_detail"] == f"{name} is not a small file of the project."


def _tree_bomb(folder: Path) -> Path:
    """A small repository of 10,000 files of a megabyte: each folder names the next one ten times."""
    project = make_project(folder, {"site.yml": SITE, "big": "x" * 1_000_000})
    entry = f"100644 blob {git(project, 'rev-parse', 'HEAD:big').strip()}"
    for level in range(4):
        listed = "".join(f"{entry}\t{level}-{number}\n" for number in range(10))
        made = subprocess.run(
            ["git", "mktree"], cwd=project, input=listed, capture_output=True, check=True, text=True
        )
        entry = f"040000 tree {made.stdout.strip()}"
    site = git(project, "rev-parse", "HEAD:site.yml").strip()
    listed = f"100644 blob {site}\tsite.yml\n{entry}\tbomb\n"
    made = subprocess.run(
        ["git", "mktree"], cwd=project, input=listed, capture_output=True, check=True, text=True
    )
    revision = git(project, "commit-tree", made.stdout.strip(), "-m", "Bomb").strip()
    git(project, "update-ref", "refs/heads/main", revision)
    return project


def _is_gone(folder: Path) -> bool:
    return not folder.exists()


def test_huge_repositories(api: FakeApi, start_executor: StartExecutor, tmp_path: Path) -> None:
    """One that unfolds, one that is big on the way; a good one runs on the same executor afterwards."""
    executor = start_executor(DROVER_EXECUTOR_PROJECT_MB="20")
    noise = make_project(tmp_path / "noise", {"site.yml": SITE})
    (noise / "noise").write_bytes(os.urandom(30_000_000))
    commit(noise)
    for project in (_tree_bomb(tmp_path / "bomb"), noise):
        run = executor.launch(FakeRun(manifest(project)))
        end = api.wait_end(run, 60)
        assert (end["state"], end["error_reason"]) == ("failed", "project_invalid")
        assert "holds more than 20 MB" in end["error_detail"]
        wait_until(partial(_is_gone, executor.folder / "runs" / str(run.id)))
    good = make_project(tmp_path / "good", {"site.yml": SITE})
    assert api.wait_end(executor.launch(FakeRun(manifest(good))))["state"] == "successful"


def test_endless_output(api: FakeApi, start_executor: StartExecutor, tmp_path: Path) -> None:
    """It is stopped and said so; what it printed until then is kept, and a neighbour does not notice."""
    ansible_cfg = "[defaults]\ncallback_plugins = callbacks\ncallbacks_enabled = flood\n"
    flood = (
        "import sys\nfrom ansible.plugins.callback import CallbackBase\n"
        "class CallbackModule(CallbackBase):\n"
        "    CALLBACK_VERSION, CALLBACK_TYPE, CALLBACK_NAME = 2.0, 'aggregate', 'flood'\n"
        "    def v2_runner_on_ok(self, result, **kwargs):\n"
        "        while True:\n"
        "            sys.stdout.write('an endless line of output ' * 1000)\n"
    )
    endless = make_project(
        tmp_path / "flood", {"site.yml": SITE, "ansible.cfg": ansible_cfg, "callbacks/flood.py": flood}
    )
    neighbour = make_project(tmp_path / "neighbour", {"site.yml": SITE})
    executor = start_executor(DROVER_EXECUTOR_OUTPUT_MB="3")
    run = executor.launch(FakeRun(manifest(endless)))
    beside = executor.launch(FakeRun(manifest(neighbour)))
    end = api.wait_end(run)
    assert (end["state"], end["error_reason"]) == ("failed", "output_too_large")
    assert "DROVER_EXECUTOR_OUTPUT_MB" in end["error_detail"]
    assert 3_000_000 < len(run.log) < 4_000_000
    assert remaining(run) == []
    assert api.wait_end(beside)["state"] == "successful"


CALLBACKS = """
import sys
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION, CALLBACK_TYPE, CALLBACK_NAME = 2.0, "aggregate", "noisy"

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._display.display("noisy: " + task.get_name())
        sys.stdout.write("written past Ansible\\n")
        sys.stdout.flush()

    def v2_runner_on_ok(self, result, **kwargs):
        raise RuntimeError("a callback that breaks")
"""
OWN = {
    "ansible.cfg": "[defaults]\ncallback_plugins = callbacks\nstdout_callback = ansible.builtin.minimal\n"
    "callbacks_enabled = noisy, ansible.builtin.junit\nnocolor = true\nlog_path = ansible.log\n"
    "display_skipped_hosts = false\nbin_ansible_callbacks = false\n",
    "callbacks/noisy.py": CALLBACKS,
    "site.yml": "- hosts: all\n  gather_facts: false\n  tasks:\n"
    "    - {name: One, ansible.builtin.command: echo one}\n"
    "    - {name: Two, ansible.builtin.debug: {msg: two}, when: inventory_hostname != 'web02'}\n",
}


def test_callbacks_of_the_project_do_not_break_events(
    api: FakeApi, start_executor: StartExecutor, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project", OWN)
    run = start_executor().launch(FakeRun(manifest(project, forks=1)))
    end = api.wait_end(run)
    rc, output = bare_run(project, tmp_path, "--forks=1")
    assert (end["state"], rc) == ("successful", 0), run.log.decode()
    assert [(event["task_name"], event["host"]) for event in run.of_type("TASK_OK")] == [
        *(("One", f"web0{number}") for number in (1, 2, 3)),
        *(("Two", f"web0{number}") for number in (1, 3)),
    ]
    assert [event["host"] for event in run.of_type("TASK_SKIPPED")] == ["web02"]
    assert len(run.of_type("STATS")) == 1
    for text in (b"noisy: One", b"written past Ansible", b"web01 | CHANGED"):
        assert run.log.count(text) == output.count(text) > 0


def test_binary_output_and_one_endless_line(
    api: FakeApi, start_executor: StartExecutor, tmp_path: Path
) -> None:
    """Bytes that are no text, which Ansible itself refuses, and 8 MB without a newline, cut in the event."""
    site = (
        "- hosts: web01\n  gather_facts: false\n  tasks:\n"
        "    - {name: Noise, ansible.builtin.shell: head -c 200000 /dev/urandom, ignore_errors: true}\n"
        "    - {name: Line, ansible.builtin.shell: head -c 8000000 /dev/zero | tr '\\0' x}\n"
    )
    project = make_project(tmp_path / "project", {"site.yml": site})
    run = start_executor().launch(FakeRun(manifest(project, verbosity=1)))
    end = api.wait_end(run)
    assert end["state"] == "successful", run.log[-2000:]
    assert b"x" * 8_000_000 in run.log
    (noise,), (line,) = run.of_type("TASK_FAILED"), run.of_type("TASK_OK")
    assert noise["data"]["ignored"] is True
    assert line["data"]["truncated"] is True
    assert end["last_seq"] == len(run.events)
