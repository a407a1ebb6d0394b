"""A run that is one slice of its job: every kind of inventory is shared out as Ansible itself reads it."""

from pathlib import Path
from typing import Any

from support.executor import manifest
from support.fake_api import FakeApi, FakeRun

from .conftest import StartExecutor
from .test_inventories import FILES, make_inventories

SITE = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Tell
      ansible.builtin.debug:
        msg: "{{ [groups['all'] | length, hostvars['db01'].colour] }}"
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Tell
      ansible.builtin.debug: {msg: here}
"""
HOSTS = ["db01", "plugin01", "script01", "web01", "web02"]


def played(run: FakeRun) -> list[str]:
    return sorted(event["host"] for event in run.of_type("TASK_OK"))


def test_every_host_is_in_one_slice(api: FakeApi, start_executor: StartExecutor, tmp_path: Path) -> None:
    project = make_inventories(tmp_path / "project", {**FILES, "site.yml": SITE})
    inventory = {"mode": "scm", "content": None, "path": "hosts", "project": None}
    executor = start_executor(DROVER_EXECUTOR_SLOTS="4")

    def launch(number: int, count: int, own: str | None = None, limit: str | None = None) -> FakeRun:
        changes: dict[str, Any] = {"limit": limit or own, "inventory": inventory}
        of = {"number": number, "count": count, "limit": own}
        return executor.launch(FakeRun(manifest(project, slice=of, **changes)))

    plain = launch(2, 2)
    narrowed = launch(2, 2, "web*:script01:db01", "web*:!web01")
    empty, nobody = launch(6, 6), launch(1, 2, "nowhere")
    assert api.wait_end(nobody)["error_reason"] == "inventory_invalid"
    for run in (plain, narrowed, empty):
        assert api.wait_end(run)["state"] == "successful", run.log.decode()
    assert played(plain) == ["localhost", *HOSTS[1::2]]  # which no inventory names
    told = [event["data"]["msg"] for event in plain.of_type("TASK_OK") if event["host"] != "localhost"]
    assert told == [[5, "of the databases"]] * 2  # the others' variables are there
    assert played(narrowed) == ["web02"]  # of script01 and web02, its share of what the job's limit leaves
    assert (played(empty), empty.log) == ([], b"No host is in slice 6 of 6.\n")
