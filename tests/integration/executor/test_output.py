"""Output reaches the stores whatever happens to the queue; by HTTP alone: test_conformance."""

from pathlib import Path

from redis import Redis
from support.executor import make_project, manifest
from support.fake_api import FakeApi, FakeRun, wait_until
from support.servers import StackServers

from .conftest import StartExecutor

SITE = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Count
      ansible.builtin.debug:
        msg: "{{ item }}"
      loop: "{{ range(40) | list }}"
    - name: Wait
      ansible.builtin.wait_for:
        path: "{{ gate }}"
      when: inventory_hostname == "web01"
"""


def _run(tmp_path: Path) -> tuple[FakeRun, Path]:
    project = make_project(tmp_path / "project", {"site.yml": SITE})
    gate = tmp_path / "gate"
    return FakeRun(manifest(project, extra_vars={"gate": str(gate)})), gate


def _check(run: FakeRun, end: dict[str, object]) -> None:
    assert end["state"] == "successful"
    assert sorted(run.events) == list(range(1, len(run.events) + 1))
    assert len(run.of_type("TASK_ITEM_OK")) == 120


def _wait_for_finishes(api: FakeApi, more: int) -> None:
    """Return when the executor has asked so many times again whether all is stored."""
    asked = api.requests.count("POST job-runs/finish")
    wait_until(lambda: api.requests.count("POST job-runs/finish") > asked + more)


def test_queue_wiped(
    api: FakeApi, start_executor: StartExecutor, redis_client: Redis, tmp_path: Path
) -> None:
    run, gate = _run(tmp_path)
    api.storing.clear()
    start_executor().launch(run)
    wait_until(lambda: redis_client.xlen("job-events") > 1 and redis_client.xlen("log-chunks") > 0)
    redis_client.flushdb()
    api.storing.set()
    gate.touch()
    _check(run, api.wait_end(run))


def test_slow_store_gets_nothing_twice(
    api: FakeApi, start_executor: StartExecutor, redis_client: Redis, tmp_path: Path
) -> None:
    run, gate = _run(tmp_path)
    api.storing.clear()
    gate.touch()
    start_executor().launch(run)
    api.wait(lambda: run.finish is not None)
    _wait_for_finishes(api, 2)
    waiting = redis_client.xlen("job-events")
    _wait_for_finishes(api, 4)
    assert redis_client.xlen("job-events") == waiting > 0
    api.storing.set()
    _check(run, api.wait_end(run))


def test_queue_killed(
    api: FakeApi, start_executor: StartExecutor, stack_servers: StackServers, tmp_path: Path
) -> None:
    run, gate = _run(tmp_path)
    executor = start_executor()
    executor.launch(run)
    api.wait(lambda: bool(run.of_type("TASK_ITEM_OK")))
    stack_servers.kill("redis")
    try:
        gate.touch()
        api.wait(lambda: run.finish is not None)
    finally:
        stack_servers.restart("redis")
    _check(run, api.wait_end(run))


def test_launch_while_the_queue_is_away(
    api: FakeApi, start_executor: StartExecutor, stack_servers: StackServers, tmp_path: Path
) -> None:
    run, gate = _run(tmp_path)
    gate.touch()
    executor = start_executor()
    wait_until(lambda: "executor_ready" in executor.log)
    stack_servers.kill("redis")
    try:
        api.add(run)
        api.wait(lambda: run.finish is not None)
    finally:
        stack_servers.restart("redis")
    _check(run, api.wait_end(run))


def test_registers_again_when_its_token_is_unknown(
    api: FakeApi, start_executor: StartExecutor, tmp_path: Path
) -> None:
    run, gate = _run(tmp_path)
    gate.touch()
    executor = start_executor()
    wait_until(lambda: bool(api.executor_beats))
    api.executor_tokens.clear()
    executor.launch(run)
    _check(run, api.wait_end(run))
    assert len(api.registrations) == 2
    assert api.registrations[0]["slots"] == 2
    assert api.registrations[0]["pools"] == ["default"]


def test_output_of_a_finished_run_survives_the_executor(
    api: FakeApi, start_executor: StartExecutor, redis_client: Redis, tmp_path: Path
) -> None:
    """The end is known, its output is lost, and the executor is killed: its next start sends it."""
    run, gate = _run(tmp_path)
    gate.touch()
    api.storing.clear()
    executor = start_executor()
    executor.launch(run)
    api.wait(lambda: run.finish is not None)
    executor.kill()
    redis_client.flushdb()
    api.storing.set()
    executor.start()
    _check(run, api.wait_end(run))
    wait_until(lambda: list((executor.folder / "runs").iterdir()) == [])


def test_a_heartbeat_that_crosses_the_finish_takes_nothing_away(
    api: FakeApi, start_executor: StartExecutor, tmp_path: Path
) -> None:
    """The API knows of the end, its answer is on its way, and a heartbeat is told that it is over."""
    run, gate = _run(tmp_path)
    gate.touch()
    api.storing.clear()
    api.answer_finish = lambda run: run.refused > 0
    start_executor().launch(run)
    api.wait(lambda: run.refused > 0)
    api.storing.set()
    _check(run, api.wait_end(run))
