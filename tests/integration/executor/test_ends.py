"""How a run ends when somebody or something wants it to; more of it is in the conformance kit's rules."""

import contextlib
import os
import signal
import socket
from pathlib import Path

from support.executor import make_project, manifest, remaining
from support.fake_api import FakeApi, FakeRun, wait_until

from .conftest import StartExecutor

SLEEPS = """
- hosts: web01
  gather_facts: false
  tasks:
    - name: Sleep
      ansible.builtin.command: sleep 300
"""
STUBBORN = """
- hosts: web01
  gather_facts: false
  tasks:
    - name: Sleep
      ansible.builtin.shell: trap '' INT TERM HUP; (setsid sleep 301 &) ; sleep 300
"""


def _started(api: FakeApi, run: FakeRun) -> None:
    api.wait(lambda: bool(run.of_type("TASK_STARTED")))
    wait_until(lambda: any("sleep 300" in command for command in remaining(run)))


def _launch(start_executor: StartExecutor, tmp_path: Path, site: str = SLEEPS, **changes: object) -> FakeRun:
    project = make_project(tmp_path / "project", {"site.yml": site})
    return start_executor().launch(FakeRun(manifest(project, **changes)))


def test_cancel_while_the_project_is_fetched(api: FakeApi, start_executor: StartExecutor) -> None:
    """From a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/project.git"
        run = start_executor().launch(FakeRun(manifest(url)))
        wait_until(lambda: any("git" in command for command in commands_to(url)))
        run.cancel = "graceful"
        end = api.wait_end(run)
    assert (end["state"], end["error_reason"], end["last_seq"]) == ("canceled", "canceled", 0)
    assert commands_to(url) == []


def commands_to(url: str) -> list[str]:
    """The command lines of processes that name an address."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return [command for command in found if url in command]


def test_nothing_survives_the_executor(api: FakeApi, start_executor: StartExecutor, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", {"site.yml": STUBBORN})
    executor = start_executor()
    run = executor.launch(FakeRun(manifest(project)))
    _started(api, run)
    executor.kill()
    wait_until(lambda: remaining(run) == [])


def test_leftovers_are_cleared_at_the_next_start(
    api: FakeApi, start_executor: StartExecutor, tmp_path: Path
) -> None:
    """Even where executor and child were killed in the same moment."""
    project = make_project(tmp_path / "project", {"site.yml": STUBBORN})
    executor = start_executor()
    run = executor.launch(FakeRun(manifest(project)))
    _started(api, run)
    children = [entry.name for entry in Path("/proc").glob("[0-9]*") if _is_child(entry, run)]
    executor.kill()
    for pid in children:
        os.kill(int(pid), signal.SIGKILL)
    executor.start()
    wait_until(lambda: remaining(run) == [])
    wait_until(lambda: list((executor.folder / "runs").iterdir()) == [])


def _is_child(entry: Path, run: FakeRun) -> bool:
    try:
        command = (entry / "cmdline").read_bytes()
    except OSError:
        return False
    return b"drover_executor.child" in command and str(run.id).encode() in command


def test_child_killed(api: FakeApi, start_executor: StartExecutor, tmp_path: Path) -> None:
    run = _launch(start_executor, tmp_path, STUBBORN)
    _started(api, run)
    for entry in Path("/proc").glob("[0-9]*"):
        if _is_child(entry, run):
            os.kill(int(entry.name), signal.SIGKILL)
    end = api.wait_end(run)
    assert (end["state"], end["error_reason"]) == ("failed", "executor_error")
    assert remaining(run) == []


def test_drain(api: FakeApi, start_executor: StartExecutor, tmp_path: Path) -> None:
    """A run that ends soon is waited for; one that does not is killed, and reported by the next start."""
    project = make_project(
        tmp_path / "project", {"site.yml": SLEEPS, "short.yml": SLEEPS.replace("300", "3")}
    )
    api.lease_seconds = 60.0
    executor = start_executor(DROVER_EXECUTOR_DRAIN_SECONDS="5")
    long = executor.launch(FakeRun(manifest(project)))
    playbook = {"type": "scm", "project_id": 9, "playbook_path": "short.yml"}
    short = executor.launch(FakeRun(manifest(project, playbook=playbook)))
    _started(api, long)
    api.wait(lambda: bool(short.of_type("TASK_STARTED")))
    assert executor.stop(15) == 0
    assert short.complete
    assert long.finish is None
    assert remaining(long) == []
    executor.start()
    end = api.wait_end(long)
    assert (end["state"], end["error_reason"]) == ("failed", "executor_lost")
