"""A playbook in a container: the same output, nothing else in reach, and nothing left."""

import contextlib
import hashlib
import os
import re
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.executor import ExecutorProcess, make_project, manifest, remaining
from support.fake_api import FakeApi, FakeRun, wait_until

from .conftest import ENGINE, StartExecutor, engine_of_executors

HOSTS = {
    "mode": "inline",
    "content": "[all]\nweb[01:03] ansible_connection=local ansible_python_interpreter=/usr/bin/python3\n",
    "path": None,
}
SITE = """
- name: Configure
  hosts: all
  gather_facts: false
  tasks:
    - name: Greet
      ansible.builtin.debug:
        msg: "hello {{ inventory_hostname }} ü"
    - name: Print on both outputs
      ansible.builtin.shell: echo out; echo err >&2
      changed_when: inventory_hostname == "web01"
    - name: Warn
      ansible.builtin.command: "false"
      ignore_errors: true
    - name: Much
      ansible.builtin.command: head -c 1000000 /dev/zero
      when: inventory_hostname == "web03"
    - name: Fail
      ansible.builtin.fail:
        msg: this host fails
      when: inventory_hostname == "web02"
"""
SECRET = "a-secret 'with' \"quotes\" and\na second-line $HOME"
LOOKS = """
- hosts: web01
  gather_facts: false
  tasks:
    - name: See
      ansible.builtin.shell: |
        touch {{ playbook_dir }}/new 2>/dev/null && echo project-is-writable
        ls {{ playbook_dir }}/../spool {{ playbook_dir }}/../private/git 2>/dev/null && echo sees-the-spool
        test -e {{ outside }} && echo sees-the-host
        printenv DROVER_REGISTRATION_TOKEN DROVER_REDIS_URL && echo sees-tokens
        printf %s "$CLOUD" | md5sum
        cat {{ file }} | md5sum
        ls /sys/class/net
        cat /sys/fs/cgroup/cpu.max 2>/dev/null || cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us
      failed_when: false
"""
SLEEPS = """
- hosts: web01
  gather_facts: false
  tasks:
    - name: Sleep
      ansible.builtin.shell: trap '' INT TERM; sleep 300
"""


def launch(executor: ExecutorProcess, project: Path, image: str, **changes: Any) -> FakeRun:
    """`secrets` is {id: credential}, `facts` what the run is given; the rest changes the manifest."""
    secrets, facts = changes.pop("secrets", {}), changes.pop("facts", {})
    environment = {"execution_environment": {"id": 1, "image": image}, "inventory": HOSTS}
    task = manifest(project, **{**environment, **changes})
    return executor.launch(FakeRun(task, credentials=secrets, facts=facts))


def containers_of(run: FakeRun) -> list[str]:
    return engine_of_executors("ps", "--all", "--quiet", f"--filter=name=drover-{run.id}").split()


def _comparable(log: bytes) -> bytes:
    log = re.sub(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+|\d:\d\d:\d\d\.\d+", b"TIME", log)
    return re.sub(rb"/[^ \n\"']*/runs/[0-9a-f-]+/", b"RUN/", log)


def _shape(run: FakeRun) -> list[tuple[Any, ...]]:
    kept = ("event_type", "host", "task_name", "play_name")
    return [tuple(event[key] for key in kept) for event in run.in_order()]


def test_output_is_byte_for_byte_the_same(
    api: FakeApi, start_isolated: StartExecutor, start_executor: StartExecutor, image: str, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project", {"site.yml": SITE})
    runs = []
    for start in (start_isolated, start_executor):
        executor = start()
        run = launch(executor, project, image, forks=1, verbosity=1)
        end = api.wait_end(run)
        assert (end["state"], end["exit_code"]) == ("failed", 2), run.log
        assert run.doubles == 0
        runs.append(run)
        executor.stop()
    assert _comparable(runs[0].log) == _comparable(runs[1].log)
    assert _shape(runs[0]) == _shape(runs[1])
    assert containers_of(runs[0]) == []
    assert api.registrations[0]["isolation"].startswith(f"{ENGINE} ")
    assert api.registrations[1]["isolation"] == "none"
    assert "playbooks_run_unisolated" in executor.log


def test_a_slice_is_found_out_in_the_container(
    api: FakeApi, start_isolated: StartExecutor, image: str, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project", {"site.yml": SITE})
    of = {"number": 1, "count": 2, "limit": None}
    run = launch(start_isolated(), project, image, slice=of)
    assert api.wait_end(run)["state"] == "successful", run.log.decode()
    assert {event["host"] for event in run.of_type("TASK_OK")} == {"web01", "web03"}


def test_only_what_it_needs_is_in_reach(
    api: FakeApi, start_isolated: StartExecutor, image: str, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project", {"site.yml": LOOKS})
    outside = tmp_path / "of-the-host"
    outside.touch()
    injectors = {
        "env": {"CLOUD": SECRET, "PATH": "/nowhere", "LD_PRELOAD": "/nowhere.so"},
        "extra_vars": {"file": "{{ drover.filename }}", "outside": str(outside)},
        "files": {"template": SECRET},
    }
    run = launch(
        start_isolated(DROVER_EXECUTOR_CPUS="0.5"),
        project,
        image,
        credentials=[{"id": 7, "type": "cloud", "name": ""}],
        secrets={7: {"type": "cloud", "inputs": {"secret": SECRET}, "injectors": injectors}},
    )
    api.wait(lambda: bool(run.of_type("TASK_STARTED")))
    known = engine_of_executors("inspect", f"drover-{run.id}")
    end = api.wait_end(run)
    assert end["state"] == "successful", run.log
    told = hashlib.md5(SECRET.encode(), usedforsecurity=False).hexdigest() + "  -"
    *lines, quota = run.of_type("TASK_OK")[0]["data"]["stdout_lines"]
    assert lines == [told, told, "lo"]
    assert quota.split()[0] == "50000"  # microseconds of each 100,000
    for line in SECRET.splitlines():
        assert line not in known
    assert containers_of(run) == []
    assert remaining(run) == []


@pytest.mark.parametrize("how", ["graceful", "kill", "timeout", "lost"])
def test_every_end_ends_the_container(
    api: FakeApi,
    start_isolated: StartExecutor,
    image: str,
    tmp_path: Path,
    how: str,
) -> None:
    project = make_project(tmp_path / "project", {"site.yml": SLEEPS})
    enough_to_start = 4 if ENGINE == "podman" else 40
    seconds = enough_to_start if how == "timeout" else 0
    run = launch(start_isolated(), project, image, timeout_seconds=seconds)
    api.wait(lambda: bool(run.of_type("TASK_STARTED")))
    if how == "lost":
        run.state = "lost"
        wait_until(lambda: containers_of(run) == [], 20)
        assert run.finish is None
    else:
        run.cancel = "none" if how == "timeout" else how
        end = api.wait_end(run, 40 + seconds)
        expected = ("failed", "timeout") if how == "timeout" else ("canceled", "canceled")
        assert (end["state"], end["error_reason"]) == expected
    assert containers_of(run) == []
    assert remaining(run) == []


def test_a_dead_executor_leaves_nothing(
    api: FakeApi, start_isolated: StartExecutor, image: str, tmp_path: Path
) -> None:
    """Killed alone, its child ends the container; killed with its child, its next start does."""
    project = make_project(tmp_path / "project", {"site.yml": SLEEPS})
    executor = start_isolated()
    for with_child in (False, True):
        run = launch(executor, project, image)
        api.wait(partial(_has_started, run))
        children = _children(run)
        executor.kill()
        if with_child:
            for pid in children:
                os.kill(pid, signal.SIGKILL)
            executor.start()
        wait_until(partial(_is_gone, run), 30)
        if not with_child:
            run.state = "lost"
            executor.start()


def _has_started(run: FakeRun) -> bool:
    return bool(run.of_type("TASK_STARTED"))


def _is_gone(run: FakeRun) -> bool:
    return containers_of(run) == [] and remaining(run) == []


def _children(run: FakeRun) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes()
            if b"drover_executor" in command and str(run.id).encode() in command:
                found.append(int(entry.name))
    return found


FACTS = """
- hosts: web01
  gather_facts: false
  tasks:
    - ansible.builtin.debug: {msg: "{{ ansible_facts.mine | default(0) }}"}
    - ansible.builtin.set_fact: {mine: "{{ ansible_facts.mine | default(0) | int + 1 }}", cacheable: true}
"""


def test_facts_go_into_a_container_and_out_of_it(
    api: FakeApi, start_isolated: StartExecutor, image: str, tmp_path: Path
) -> None:
    project, executor = make_project(tmp_path / "project", {"site.yml": FACTS}), start_isolated()
    facts: dict[str, Any] = {}
    for number in (0, 1):
        run = launch(executor, project, image, use_fact_cache=True, facts=facts)
        assert api.wait_end(run)["state"] == "successful", run.log
        assert run.of_type("TASK_OK")[0]["data"]["msg"] == number
        facts = run.kept
    assert int(facts["web01"]["mine"]) == 2


BOMB = """
- hosts: web01
  gather_facts: false
  tasks:
    - name: Bomb
      ansible.builtin.command:
        argv:
          - python3
          - -c
          - |
            import os, signal
            started = 0
            try:
                for _ in range(5000):
                    if os.fork() == 0:
                        signal.pause()
                    started += 1
            except OSError as error:
                print(started, error)
"""
HOG = """
- hosts: web01
  gather_facts: false
  tasks:
    - name: Hog
      ansible.builtin.command: python3 -c "held = bytearray(2 << 30); print(len(held))"
    - name: Not reached
      ansible.builtin.debug:
"""


def test_a_fork_bomb_is_bounded(
    api: FakeApi, start_isolated: StartExecutor, image: str, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project", {"site.yml": BOMB})
    run = launch(start_isolated(DROVER_EXECUTOR_PIDS="120"), project, image, timeout_seconds=60)
    end = api.wait_end(run)
    assert end["state"] == "successful", run.log
    started, error = run.of_type("TASK_OK")[0]["data"]["stdout"].split(" ", 1)
    assert 50 < int(started) < 120
    assert "Resource temporarily unavailable" in error
    assert remaining(run) == []
    assert containers_of(run) == []


MEMORY = """
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION, CALLBACK_TYPE, CALLBACK_NAME = 2.0, "aggregate", "hog"

    def v2_playbook_on_play_start(self, play):
        self.held = bytearray(1 << 30)
        self.held[:] = b"x" * len(self.held)
"""


def test_a_memory_hog_is_bounded(
    api: FakeApi, start_isolated: StartExecutor, image: str, tmp_path: Path
) -> None:
    """The task that needs too much is killed; where it is Ansible itself, the job says so."""
    executor = start_isolated(DROVER_EXECUTOR_MEMORY_MB="256")
    run = launch(executor, make_project(tmp_path / "task", {"site.yml": HOG}), image)
    assert api.wait_end(run)["error_reason"] == "playbook_failed"
    assert [event["data"]["rc"] for event in run.of_type("TASK_FAILED")] == [-9]
    assert "Not reached" not in str(run.in_order())
    files = {
        "site.yml": HOG,
        "callbacks/hog.py": MEMORY,
        "ansible.cfg": "[defaults]\ncallback_plugins = callbacks\ncallbacks_enabled = hog\n",
    }
    run = launch(executor, make_project(tmp_path / "itself", files), image)
    end = api.wait_end(run)
    assert (end["state"], end["exit_code"], end["error_reason"]) == ("failed", 137, "playbook_failed")
    assert "DROVER_EXECUTOR_MEMORY_MB" in end["error_detail"]
    assert containers_of(run) == []
