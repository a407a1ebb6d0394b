"""An executor that is killed, started again in place, or frozen: what becomes of the runs it had."""

import os
import signal
from pathlib import Path

import pytest
from support.executor import ExecutorProcess, make_project, manifest, processes_of_run, remaining
from support.fake_api import FakeApi, FakeRun, wait_until

from .conftest import StartExecutor

SITE = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Count
      ansible.builtin.debug:
        msg: "{{ item }}"
      loop: "{{ range(20) | list }}"
    - name: Wait
      ansible.builtin.wait_for:
        path: "{{ gate }}"
        sleep: 1
      when: inventory_hostname == "web01"
    - name: Count on
      ansible.builtin.debug:
        msg: "{{ item }}"
      loop: "{{ range(20) | list }}"
    - name: Keep
      ansible.builtin.set_fact:
        kept: true
        cacheable: true
      when: inventory_hostname == "web01"
"""
ITEMS = 3 * 20


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path / "project", {"site.yml": SITE})


def _waiting(api: FakeApi, executor: ExecutorProcess, project: Path, gate: Path) -> FakeRun:
    """A run in the middle of its playbook, until somebody touches `gate`."""
    task = manifest(project, extra_vars={"gate": str(gate)}, use_fact_cache=True)
    run = executor.launch(FakeRun(task))
    api.wait(lambda: len(run.of_type("TASK_ITEM_OK")) == ITEMS)
    return run


def _whole(run: FakeRun) -> None:
    """Every event, each once in order, a log that says what the events say, and the facts it gathered."""
    assert sorted(run.events) == list(range(1, len(run.events) + 1))
    assert len(run.of_type("TASK_ITEM_OK")) == 2 * ITEMS
    assert run.log.count(b"ok: [web") == 2 * ITEMS + 2
    assert run.kept == {"web01": {"kept": True}}
    assert run.log.count(b"PLAY RECAP") == 1


def test_an_executor_started_again_goes_on_with_its_runs(
    api: FakeApi, start_executor: StartExecutor, project: Path, tmp_path: Path
) -> None:
    """One whose playbook lives, one whose playbook ended meanwhile, one whose processes are dead too."""
    api.lease_seconds = 60.0
    executor = start_executor(DROVER_EXECUTOR_SLOTS="3")
    gates = {name: tmp_path / name for name in ("alive", "ended", "dead")}
    runs = {name: _waiting(api, executor, project, gate) for name, gate in gates.items()}
    claims = api.requests.count("POST job-runs/claim")
    before = set(processes_of_run(runs["alive"]))
    executor.kill()
    gates["ended"].touch()
    for pid in processes_of_run(runs["dead"]):
        _kill(pid)
    wait_until(lambda: not remaining(runs["ended"]) and not remaining(runs["dead"]))
    assert before <= set(processes_of_run(runs["alive"]))
    executor.start()

    end = api.wait_end(runs["dead"])
    assert (end["state"], end["error_reason"]) == ("failed", "executor_lost")
    assert len(runs["dead"].of_type("TASK_ITEM_OK")) == ITEMS
    assert api.wait_end(runs["ended"])["state"] == "successful"
    _whole(runs["ended"])
    assert runs["alive"].state == "running"
    gates["alive"].touch()
    assert api.wait_end(runs["alive"])["state"] == "successful"
    _whole(runs["alive"])
    assert api.requests.count("POST job-runs/claim") == claims
    wait_until(lambda: list((executor.folder / "runs").iterdir()) == [])
    assert executor.stop() == 0


def test_a_cancel_reaches_a_run_that_was_found_again(
    api: FakeApi, start_executor: StartExecutor, project: Path, tmp_path: Path
) -> None:
    api.lease_seconds = 60.0
    executor = start_executor()
    run = _waiting(api, executor, project, tmp_path / "never")
    executor.kill()
    run.cancel = "graceful"
    executor.start()
    end = api.wait_end(run)
    assert (end["state"], end["error_reason"]) == ("canceled", "canceled")
    assert remaining(run) == []


def test_a_run_that_was_being_prepared_is_reported_at_once(
    api: FakeApi, start_executor: StartExecutor, project: Path
) -> None:
    api.lease_seconds = 600.0
    api.fault = lambda _method, what: 502 if what.endswith("start") else None
    executor = start_executor()
    run = executor.launch(FakeRun(manifest(project)))
    wait_until(lambda: "POST job-runs/start" in api.requests)
    executor.kill()
    executor.start()
    end = api.wait_end(run)
    assert (end["state"], end["error_reason"], end["last_seq"]) == ("failed", "executor_lost", 0)


def test_a_frozen_executors_playbook_is_dead_before_its_lease_ends(
    api: FakeApi, start_executor: StartExecutor, project: Path, tmp_path: Path
) -> None:
    executor = start_executor()
    run = _waiting(api, executor, project, tmp_path / "never")
    assert executor.process is not None
    executor.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: remaining(run) == [], api.lease_seconds)
    run.state = "lost"
    executor.process.send_signal(signal.SIGCONT)
    wait_until(lambda: list((executor.folder / "runs").iterdir()) == [])
    assert run.finish is None
    gate = tmp_path / "gate"
    gate.touch()
    after = executor.launch(FakeRun(manifest(project, extra_vars={"gate": str(gate)})))
    assert api.wait_end(after)["state"] == "successful"


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
